import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { bucketPerTenant } from './bucket-per-tenant.js';

const hash = 'h47dqxq5o6ynlxkiomayybq4vj2'.length;
const first = fc.constantFrom('a', 'A', 'b', 'B', '0', '1', '9', 'z', 'Z');
const rest = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'A', 'b', 'h', '-', '_', '0', '2'), maxLength: 6 }),
  fc.stringMatching(/^[\w-]{0,63}$/),
);
const tenant = fc.tuple(first, rest).map(([head, tail]) => tenantId(head + tail));
const prefix = fc.constantFrom('app', 'notes-data', 'x'.repeat(30));

describe('the names of buckets', () => {
  it('are names that S3 takes', () => {
    fc.assert(
      fc.property(prefix, tenant, (of, one) => {
        const name = bucketPerTenant({ prefix: of }).bucketOf(one);
        expect(name).toMatch(/^[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]$/);
        expect(name).not.toMatch(/-s3alias$|--ol-s3$|--x-s3$|--table-s3$/);
        expect(name.startsWith(`${of}-`)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('are never those of two tenants', () => {
    fc.assert(
      fc.property(prefix, tenant, tenant, (of, one, two) => {
        fc.pre(one !== two);
        const { bucketOf } = bucketPerTenant({ prefix: of });
        expect(bucketOf(one)).not.toBe(bucketOf(two));
      }),
      { numRuns: 5000 },
    );
  });

  it('are not those of a tenant that calls itself by another’s hashed name', () => {
    const { bucketOf } = bucketPerTenant({ prefix: 'app' });
    fc.assert(
      fc.property(tenant, (victim) => {
        const name = bucketOf(victim).slice('app-'.length);
        fc.pre(name !== victim);
        const candidates = [name, `${name}-`, name.slice(-hash), name.toUpperCase()].filter((id) => id.length <= 64);
        for (const id of candidates)
          if (/^[0-9A-Za-z]/.test(id)) expect(bucketOf(tenantId(id))).not.toBe(bucketOf(victim));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['acme', 'app-acme'],
    ['acme-eu', 'app-acme-eu'],
    ['7', 'app-7'],
  ])('keep %s as it is', (id, name) => {
    expect(bucketPerTenant({ prefix: 'app' }).bucketOf(tenantId(id))).toBe(name);
  });

  it.each(['Acme', 'acme_eu', 'acme-', 'a'.repeat(64), 'x-s3alias', 'a--ol-s3', 'h'.repeat(27)])('hash %s', (id) => {
    expect(bucketPerTenant({ prefix: 'app' }).bucketOf(tenantId(id))).toMatch(/^app-[a-z0-9-]*-h[a-z2-7]{26}$/);
  });

  it.each(['', 'a', 'ab', 'A-b', '-ab', 'ab-', 'a.b', 'a_b', 'x'.repeat(31), 'xn--a', 'sthree-a', 'amzn-s3-demo-a'])(
    'take no prefix %j',
    (bad) => {
      expect(() => bucketPerTenant({ prefix: bad })).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
    },
  );
});

import KeyvRedis from '@keyv/redis';
import fc from 'fast-check';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantContext } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { keyvStorage, type KeyvStorage } from './keyv.js';
import { ownKey, tenantKey, tenantPrefix } from './tenant-key.js';

describe('the tenant-key codec', () => {
  const tenant = fc.oneof(
    fc.string({
      minLength: 1,
      maxLength: 6,
      unit: fc.constantFrom('a', 'b', '/', '_', '-', '.', '0', '2', 'f', 'é', '\u0000', '*'),
    }),
    fc.string({ minLength: 1 }),
  );

  it('gives no tenant a prefix that is another’s, or the beginning of another’s', () => {
    fc.assert(
      fc.property(tenant, tenant, (one, two) => {
        fc.pre(one !== two);
        expect(tenantPrefix(two).startsWith(tenantPrefix(one))).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  it('gives back exactly the key, to its own tenant alone', () => {
    fc.assert(
      fc.property(
        tenant,
        tenant,
        fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 }),
        (one, two, key) => {
          let full: string;
          try {
            full = tenantKey(one, key);
          } catch {
            return;
          }
          expect(ownKey(one, full)).toBe(key);
          if (one !== two) expect(ownKey(two, full)).toBeUndefined();
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    '',
    '.',
    '..',
    'a/../b',
    '../acme/x',
    'a/./b',
    '/a',
    'a/',
    'a//b',
    'a\u0000b',
    'a\nb',
    'a%2Fb',
    '%2e%2e',
    'a\\b',
    'e\u0301',
    '\ud800',
    'a\u202eb',
    'a\u200bb',
    'x'.repeat(513),
    7,
    null,
    undefined,
    ['a'],
  ])('refuses the key %j', (key) => {
    expect(() => tenantKey('acme', key as string)).toThrow(
      expect.objectContaining({ code: 'storage_refused' }) as Error,
    );
  });

  it('takes ordinary keys, and Unicode in its normal form', () => {
    for (const key of ['a', 'doc/1', 'ünïcode', '日本/語', 'a b', 'a*b?[c]', '__proto__', 'x'.repeat(512)])
      expect(tenantKey('acme', key)).toBe(`acme/${key}`);
  });

  it('has no place for an empty tenant', () => {
    expect(() => tenantPrefix('')).toThrow();
  });
});

const acme = contextFor({ tenant: 'acme' });
const globex = contextFor({ tenant: 'globex' });

function suite(name: string, open: () => Keyv): void {
  describe(`key-prefix storage over ${name}`, () => {
    it('keeps the same key of two tenants apart', async () => {
      const storage = keyvStorage({ keyv: open() });
      const [a, g] = [storage.forTenant(acme), storage.forTenant(globex)];
      await a.set('doc-1', { of: 'acme' });
      await g.set('doc-1', { of: 'globex' });
      expect(await a.get('doc-1')).toEqual({ of: 'acme' });
      expect(await a.getMany(['doc-1', 'none'])).toEqual([{ of: 'acme' }, undefined]);
      expect((await a.list()).keys).toEqual(['doc-1']);
      expect(await g.delete('doc-1')).toBe(true);
      expect(await g.has('doc-1')).toBe(false);
      expect(await a.has('doc-1')).toBe(true);
      expect(await a.clear()).toBe(1);
      expect(await a.get('doc-1')).toBeUndefined();
    });

    it('refuses what it could not keep or count: undefined, a time that is over, a page of nothing', async () => {
      const own = keyvStorage({ keyv: open() }).forTenant(acme);
      for (const operation of [
        () => own.set('a', undefined),
        () => own.set('a', 1, { ttlMs: 0 }),
        () => own.set('a', 1, { ttlMs: -1 }),
        () => own.set('a', 1, { ttlMs: Number.NaN }),
        () => own.list({ limit: 0 }),
        () => own.list({ limit: 1.5 }),
      ])
        await expect(operation()).rejects.toMatchObject({ code: 'storage_refused' });
      expect(await own.has('a')).toBe(false);
    });

    it('reaches no other tenant by any key', async () => {
      const storage = keyvStorage({ keyv: open() });
      await storage.forTenant(globex).set('secret', 'of globex');
      const own = storage.forTenant(acme);
      for (const key of [
        '../globex/secret',
        'globex/secret',
        '/globex/secret',
        '..',
        'globex\u0000/secret',
        '%2e%2e/globex/secret',
        '*',
        '*/secret',
      ]) {
        const value: unknown = await own.get(key).catch(() => undefined);
        expect(value).toBeUndefined();
        await own.delete(key).catch(() => false);
      }
      for (const prefix of ['*', '..', 'globex', '[', '?', '']) {
        expect(
          await own.list({ prefix }).then(
            ({ keys }) => keys,
            () => [],
          ),
        ).toEqual([]);
      }
      await own.clear();
      expect(await storage.forTenant(globex).get('secret')).toBe('of globex');
    });

    it('pages a listing, in order, each key once, below exactly the prefix', async () => {
      const own = keyvStorage({ keyv: open() }).forTenant(acme);
      for (const key of ['a/2', 'a/1', 'a/3', 'ab', 'b/1']) await own.set(key, 1);
      const first = await own.list({ prefix: 'a/', limit: 2 });
      const second = await own.list({
        prefix: 'a/',
        limit: 2,
        ...(first.cursor === undefined ? {} : { cursor: first.cursor }),
      });
      expect([first.keys, second.keys, second.cursor]).toEqual([['a/1', 'a/2'], ['a/3'], undefined]);
    });

    it('forgets a value after its time', async () => {
      const own = keyvStorage({ keyv: open() }).forTenant(acme);
      await own.set('short', 1, { ttlMs: 2000 });
      expect(await own.get('short')).toBe(1);
      await expect.poll(() => own.get('short'), { timeout: 20_000 }).toBeUndefined();
      expect((await own.list()).keys).toEqual([]);
    });

    it('agrees with a map a tenant, whatever the tenants, the keys and the order', async () => {
      const names = fc.uniqueArray(
        fc
          .string({ unit: fc.constantFrom('a', 'b', '_', '-', '0'), minLength: 1, maxLength: 4 })
          .filter((id) => /^[a-z0-9]/.test(id)),
        { minLength: 2, maxLength: 4 },
      );
      const key = fc.oneof(
        fc.constantFrom('a', 'ab', 'a/b', 'b/a', 'a*', '_', 'a_002f'),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
      );
      const step = fc.record({
        who: fc.nat(),
        key,
        what: fc.constantFrom('set', 'delete', 'get', 'list', 'clear'),
        value: fc.nat(),
      });
      await fc.assert(
        fc.asyncProperty(names, fc.array(step, { maxLength: 30 }), async (tenants, steps) => {
          const storage: KeyvStorage = keyvStorage({ keyv: open() });
          const contexts: readonly TenantContext[] = tenants.map((tenant) => contextFor({ tenant }));
          const model = contexts.map(() => new Map<string, number>());
          for (const context of contexts) await storage.forTenant(context).clear();
          for (const { who, key: of, what, value } of steps) {
            const index = who % contexts.length;
            const own = storage.forTenant(contexts[index]!);
            const expected = model[index]!;
            const accepted = await own.has(of).then(
              () => true,
              () => false,
            );
            if (what === 'clear') {
              await own.clear();
              expected.clear();
            } else if (what === 'list')
              expect((await own.list({ limit: 1000 })).keys).toEqual([...expected.keys()].sort());
            else if (!accepted) await expect(own.set(of, value)).rejects.toMatchObject({ code: 'storage_refused' });
            else if (what === 'set') {
              await own.set(of, value);
              expected.set(of, value);
            } else if (what === 'delete') expect(await own.delete(of)).toBe(expected.delete(of));
            else expect(await own.get(of)).toBe(expected.get(of));
          }
          await Promise.all(
            contexts.map(async (context, index) => {
              const own = storage.forTenant(context);
              const keys = [...model[index]!.keys()];
              expect(await own.getMany(keys)).toEqual(keys.map((of) => model[index]!.get(of)));
            }),
          );
        }),
        { numRuns: 60 },
      );
    });
  });
}

suite('Keyv in memory', () => new Keyv());

it('gives nothing to a context that no resolver made', () => {
  const storage = keyvStorage({ keyv: new Keyv() });
  for (const forged of [{ ...acme }, { tenant: { id: 'acme' } }, undefined, null, 'acme']) {
    expect(() => storage.forTenant(forged as never)).toThrow(
      expect.objectContaining({ code: 'storage_refused' }) as Error,
    );
  }
});

it('says that it cannot list where the adapter cannot', async () => {
  const keyv = new Keyv();
  Object.defineProperty(keyv, 'iterator', { value: undefined });
  await expect(keyvStorage({ keyv }).forTenant(acme).list()).rejects.toMatchObject({ code: 'storage_refused' });
});

describe.skipIf(skipWithoutRedis())('on a real Redis', () => {
  let redis: RedisServer;
  let count = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  suite('Keyv on Redis', () => new Keyv({ store: new KeyvRedis(redis.url), namespace: `s${String(count++)}` }));

  it('says that it is unavailable when Redis dies, in time, and never that there is nothing', async () => {
    const victim = await startRedis();
    const own = keyvStorage({ keyv: new Keyv({ store: new KeyvRedis(victim.url) }), timeoutMs: 3000 }).forTenant(acme);
    await own.set('a', 1);
    await victim.kill();
    await Promise.all(
      [own.get('a'), own.has('a'), own.set('a', 2), own.delete('a'), own.list(), own.getMany(['a'])].map((operation) =>
        expect(operation).rejects.toMatchObject({ code: 'storage_unavailable' }),
      ),
    );
  });
});

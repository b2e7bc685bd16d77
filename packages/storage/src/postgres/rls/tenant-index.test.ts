import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tenantIndexName } from './tenant-index.js';

const tables = fc
  .tuple(
    fc.constantFrom('', 'a'.repeat(40), 'é'.repeat(20), '😀'.repeat(10)),
    fc.string({ unit: fc.constantFrom('a', 'é', '😀', '~'), minLength: 1, maxLength: 23 }),
  )
  .map((parts) => parts.join(''))
  .filter((name) => Buffer.byteLength(name) <= 63);

it('is the table’s alone, whole within 63 bytes and whole characters', () => {
  fc.assert(
    fc.property(tables, tables, (one, other) => {
      const name = tenantIndexName(one);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
      expect(Buffer.from(name).toString()).toBe(name);
      expect(name).toMatch(/_tenant_idx$/);
      expect(name === tenantIndexName(other)).toBe(one === other);
    }),
    { numRuns: 1000 },
  );
});

it('is a name to read where there is room', () => {
  expect(tenantIndexName('notes')).toBe('notes_tenant_idx');
  expect(tenantIndexName('a'.repeat(52))).toBe(`${'a'.repeat(52)}_tenant_idx`);
  expect(tenantIndexName('a'.repeat(53))).toMatch(/^a{35}~[0-9a-f]{16}_tenant_idx$/);
});

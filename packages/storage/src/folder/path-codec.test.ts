import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOfPath, pathOfKey, tenantFolder } from './path-codec.js';

const tricky = [
  'a',
  'A',
  'ä',
  'Ä',
  'ß',
  'ſ',
  'K',
  'ı',
  'İ',
  'i',
  'I',
  '_',
  '-',
  '.',
  ' ',
  '0',
  '4',
  '1',
  'É',
  '語',
  '😀',
  '~',
  ':',
  '+',
];
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom(...tricky), minLength: 1, maxLength: 6 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
);
const key = fc
  .oneof(
    fc.array(text, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/')),
    fc.integer({ min: 190, max: 512 }).map((length) => 'x'.repeat(length)),
    fc.integer({ min: 60, max: 170 }).map((length) => '語'.repeat(length)),
  )
  .filter((candidate) => {
    try {
      pathOfKey(candidate);
      return true;
    } catch {
      return false;
    }
  });
const folded = (path: readonly string[]): string => path.join('\\').toUpperCase().toLowerCase().normalize('NFKC');

describe('the folder codec', () => {
  it('gives back exactly the key', () => {
    fc.assert(
      fc.property(key, (one) => {
        expect(keyOfPath(pathOfKey(one))).toBe(one);
      }),
      { numRuns: 3000 },
    );
  });

  it('makes names that a file system may fold, normalize and shorten, and that Windows does not reserve', () => {
    fc.assert(
      fc.property(key, text, (one, tenant) => {
        for (const name of [...pathOfKey(one), tenantFolder(tenant)]) {
          expect(name).toMatch(/^[tdcf]-[a-z0-9_-]*$/);
          if (!name.startsWith('t-')) expect(name.length).toBeLessThanOrEqual(202);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('lets no two keys and no two tenants meet, even under case folding', () => {
    fc.assert(
      fc.property(key, key, text, text, (one, two, acme, globex) => {
        if (one !== two) expect(folded(pathOfKey(one))).not.toBe(folded(pathOfKey(two)));
        if (acme !== globex) expect(folded([tenantFolder(acme)])).not.toBe(folded([tenantFolder(globex)]));
      }),
      { numRuns: 3000 },
    );
  });

  it('never needs a folder where another key has a file', () => {
    fc.assert(
      fc.property(key, key, (one, two) => {
        const [file, other] = [pathOfKey(one), pathOfKey(two)];
        if (one !== two) expect(other.slice(0, file.length).join('/')).not.toBe(file.join('/'));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a', ['f-a']],
    ['a/b', ['d-a', 'f-b']],
    ['A', ['f-_41']],
    ['con', ['f-con']],
    ['nul.txt', ['f-nul_2etxt']],
    ['a_b', ['f-a_5fb']],
    ['é', ['f-_c3_a9']],
    ['x'.repeat(200), [`f-${'x'.repeat(200)}`]],
    ['x'.repeat(201), [`c-${'x'.repeat(200)}`, 'f-x']],
    [`${'x'.repeat(400)}/y`, [`c-${'x'.repeat(200)}`, `d-${'x'.repeat(200)}`, 'f-y']],
  ])('writes %j as %j', (one, path) => {
    expect(pathOfKey(one)).toEqual(path);
  });

  it('keeps tenants apart that differ in case alone', () => {
    expect([tenantFolder('acme'), tenantFolder('Acme'), tenantFolder('a_1')]).toEqual([
      't-acme',
      't-_41cme',
      't-a_5f1',
    ]);
  });

  it.each([
    [['f-_61']], // an escaped letter that needs none
    [['f-A']],
    [['f-a.txt']],
    [['f-_C3_A9']],
    [['f-_c3']], // half a character
    [['f-_2e_2e']],
    [['d-', 'f-a']],
    [['f-']],
    [['c-x', 'f-y']], // a piece that is not full
    [['d-a']],
    [['f-a', 'f-b']],
    [['p-a']],
    [['f-_ef_bb_bf']], // a byte-order mark
    [[]],
  ])('reads no key from %j', (path) => {
    expect(keyOfPath(path)).toBeUndefined();
  });
});

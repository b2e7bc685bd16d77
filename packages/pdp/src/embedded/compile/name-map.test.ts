import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NameMap } from './name-map.js';

it('does what a Map does, whether it holds few or many', () => {
  const name = fc.oneof(fc.constantFrom('a', 'b', 'aa', '', '__proto__', 'constructor'), fc.string({ maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.integer()), { maxLength: 20 }), name, (entries, other) => {
      const map = new Map<string, number>();
      const names = new NameMap<number>();
      for (const [key, value] of entries) {
        map.set(key, value);
        names.set(key, value);
        expect([...names]).toEqual([...map]);
      }
      for (const key of [...map.keys(), other]) {
        expect(names.get(key)).toBe(map.get(key));
        expect(names.has(key)).toBe(map.has(key));
      }
    }),
  );
});

it('compares a few names, and looks up many', () => {
  const names = new NameMap<number>();
  for (let at = 0; at < 8; at++) names.set(`n${String(at)}`, at);
  expect(names).toMatchObject({ many: undefined });
  names.set('n0', 9);
  expect(names).toMatchObject({ many: undefined });
  names.set('n8', 8);
  expect(names).toMatchObject({ many: new Map([...names]) });
  expect(names.get('n0')).toBe(9);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantId, type CheckRequest } from '@portcullis/core';
import { canonicalKey, principalKey, questionKey } from './canonical-key.js';

/** Few words, so that two of a kind are often nearly the same, and sometimes all of it. */
const word = fc.constantFrom('', 'a', 'b', '1', '[]', ',', '"', '__proto__');
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  word,
  fc.array(word, { maxLength: 2 }),
  fc.constantFrom(0, 1, -0),
);
const asker = {
  principal: fc.record({
    id: word,
    roles: fc.array(word, { maxLength: 2 }),
    attr: fc.dictionary(word, value, { maxKeys: 2 }),
  }),
  scope: word,
  policyVersion: fc.option(word, { nil: undefined }),
};
const question = fc.record({
  resource: fc.record({
    kind: word,
    id: word,
    tenant: word,
    attr: fc.dictionary(word, value, { maxKeys: 2 }),
  }),
  actions: fc.array(word, { maxLength: 2 }),
});
const request = fc
  .record({ ...asker, questions: fc.array(question, { maxLength: 2 }), requestId: word })
  .map((made) => made as unknown as CheckRequest);

describe('a key', () => {
  it('is one for two principals only if the engine would see the same', () => {
    fc.assert(
      fc.property(request, request, (one, two) => {
        const same = canonical({ ...one, questions: [] }) === canonical({ ...two, questions: [] });
        expect(principalKey(one) === principalKey(two)).toBe(same);
      }),
      { numRuns: 1000 },
    );
  });

  it('is one for two questions only if all but the id of the request is the same', () => {
    fc.assert(
      fc.property(request, request, (one, two) => {
        expect(questionKey(one) === questionKey(two)).toBe(canonical(one) === canonical(two));
        expect(questionKey({ ...one, requestId: 'other' })).toBe(questionKey(one));
      }),
      { numRuns: 1000 },
    );
  });

  it('tells apart what JSON does not', () => {
    const values = [
      null,
      undefined,
      0,
      -0,
      NaN,
      Infinity,
      '0',
      0n,
      [],
      {},
      [undefined],
      [['a', 1]],
      { a: 1 },
      { a: undefined },
      'undefined',
    ];
    expect(new Set(values.map(canonicalKey)).size).toBe(values.length);
    expect(canonicalKey({ a: 1, b: [2, { d: 4, c: 3 }] })).toBe(canonicalKey({ b: [2, { c: 3, d: 4 }], a: 1 }));
    expect(canonicalKey(JSON.parse('{"__proto__":1}'))).not.toBe(canonicalKey({}));
    // eslint-disable-next-line no-sparse-arrays -- a hole is what is tried
    expect(canonicalKey([,])).not.toBe(canonicalKey([]));
  });

  it('is none for what is not plain data', () => {
    class Role {
      readonly name = 'admin';
    }
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const odd of [new Date(0), new Map(), new Role(), () => 1, Symbol('x'), cycle]) {
      expect(canonicalKey({ odd })).toBeUndefined();
    }
  });

  it('is none for an object with members that no copy and no text would have', () => {
    const hidden = Object.defineProperty({ a: 1 }, 'tenant', { value: 'globex', enumerable: false });
    for (const value of [hidden, { a: 1, [Symbol('b')]: 2 }, [{ deep: hidden }]])
      expect(canonicalKey(value)).toBeUndefined();
  });

  it('counts every member of a request, also one that it does not know', () => {
    const known: CheckRequest = {
      principal: { id: 'a', roles: [], attr: {} },
      scope: 'acme',
      questions: [{ resource: { kind: 'doc', id: '1', tenant: tenantId('acme') }, actions: ['read'] }],
    };
    const more = { ...known, onBehalfOf: 'bob' };
    expect(principalKey(more)).not.toBe(principalKey(known));
    expect(questionKey(more)).not.toBe(questionKey(known));
  });
});

/** The same question in other words: by sorting, and JSON. */
function canonical({ requestId: _id, ...asked }: CheckRequest): string {
  return JSON.stringify(asked, (_name, member: unknown) => {
    if (Object.is(member, -0)) return 'minus nought';
    return typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member;
  });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entityTag } from './answer.js';
import { hasToBeNew, isUnchanged, requireMatch } from './conditional.js';

const refusal = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a condition', () => {
  const tag = '"3-abc"';

  it.each([
    [undefined, tag, 'precondition_required'],
    [tag, tag, undefined],
    ['"x", "3-abc"', tag, undefined],
    ['*', tag, undefined],
    ['*', undefined, 'precondition_failed'],
    [tag, undefined, 'precondition_failed'],
    ['W/"3-abc"', tag, 'precondition_failed'],
    ['"2-abc"', tag, 'precondition_failed'],
    ['', tag, 'request_invalid'],
    ['3-abc', tag, 'request_invalid'],
    ['"a" "b"', tag, 'request_invalid'],
  ])('If-Match %s on %s: %s', (header, current, code) => {
    expect(refusal(() => requireMatch(header, current))).toBe(code);
  });

  it.each([
    [undefined, false],
    [tag, true],
    ['W/"3-abc"', true],
    ['*', true],
    ['"other"', false],
    ['nonsense', false],
  ])('If-None-Match %s: %s', (header, unchanged) => {
    expect(isUnchanged(header, tag)).toBe(unchanged);
  });

  it('that a record has to be new is said by a star alone', () => {
    expect([undefined, '*'].map(hasToBeNew)).toEqual([false, true]);
    expect(refusal(() => hasToBeNew('"x"'))).toBe('request_invalid');
  });

  it('holds for exactly the state that it names', () => {
    const state = fc.tuple(fc.nat(5), fc.record({ name: fc.string() }));
    fc.assert(
      fc.property(state, state, ([version, view], [otherVersion, otherView]) => {
        const same = version === otherVersion && view.name === otherView.name;
        const code = refusal(() => requireMatch(entityTag(version, view), entityTag(otherVersion, otherView)));
        expect(code).toBe(same ? undefined : 'precondition_failed');
      }),
    );
  });
});

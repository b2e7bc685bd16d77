import { describe, expect, it } from 'vitest';
import { whyUnsayable } from './why-unsayable.js';

/** `depth` lists in one another. */
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('what cannot be said', () => {
  it.each([
    ['half a pair', '\ud800', 'half a surrogate pair'],
    ['the other half', 'a\udc00', 'half a surrogate pair'],
    ['half a pair below', { a: [{ b: '\ud800' }] }, 'half a surrogate pair'],
    ['half a pair in a name', { a: { '\ud800': 1 } }, 'half a surrogate pair'],
    ['no number', [Number.NaN], 'a number that is not finite'],
    ['no end', { a: -Infinity }, 'a number that is not finite'],
    ['a value that is too deep', nested(66), 'nested deeper than 64 levels'],
  ])('is %s', (_what, value, why) => {
    expect(whyUnsayable(value)).toBe(why);
  });

  it('is nothing else', () => {
    for (const value of ['\ud83d\ude00', '\ufffd', '', -0, 1e308, true, null, undefined, nested(65), { a: ['b', {}] }])
      expect(whyUnsayable(value)).toBeUndefined();
  });

  it('is an object that holds itself, and does not overflow the stack', () => {
    const loop: Record<string, unknown> = {};
    loop['loop'] = loop;
    expect(whyUnsayable(loop)).toContain('nested');
  });
});

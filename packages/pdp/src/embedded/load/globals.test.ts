import { describe, expect, it } from 'vitest';
import type { Attributes } from '@portcullis/core';
import { readGlobals } from './globals.js';

describe('globals', () => {
  it('have ints for whole numbers, at whatever depth, and doubles for others', () => {
    const globals = { one: 1, zero: -0, half: 0.5, list: [2, [3], { four: -4 }], text: '5', not: null, yes: true };
    const read = readGlobals(globals);
    expect({ ...read, list: undefined }).toEqual({
      one: 1n,
      zero: 0n,
      half: 0.5,
      list: undefined,
      text: '5',
      not: null,
      yes: true,
    });
    expect(
      JSON.stringify(read['list'], (_key, value: unknown) => (typeof value === 'bigint' ? `${String(value)}n` : value)),
    ).toBe('["2n",["3n"],{"four":"-4n"}]');
  });

  it.each<[string, unknown, RegExp]>([
    ['a whole number that a double cannot tell from the next', { a: { b: 2 ** 53 } }, /too large/],
    ['what is not finite', { a: Number.NaN }, /not JSON/],
    ['a function', { a: () => 1 }, /not JSON/],
    ['a list', [], /not JSON/],
  ])('are refused with %s', (_name, globals, message) => {
    expect(() => readGlobals(globals as Attributes)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(message) as string }) as Error,
    );
  });
});

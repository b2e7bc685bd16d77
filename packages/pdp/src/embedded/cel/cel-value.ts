import type { Work } from './work.js';

/**
 * A value of the expression language: JSON as it came, `bigint` for CEL's `int`, and objects for what JSON has not. A
 * JavaScript `number` is always CEL's `double`, as all numbers of attributes are.
 */
export type CelValue =
  string | number | bigint | boolean | null | CelObject | readonly CelValue[] | { readonly [name: string]: CelValue };

/** CEL's map with string keys. Members are looked up with `Object.hasOwn` alone: nothing is inherited. */
export type CelMap = Readonly<Record<string, CelValue>>;

/** JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What an expression gives that erred. It is a value, and not thrown: erring is common and has to be cheap. */
export const failed: unique symbol = Symbol('failed');

/** A value, or the failure to have one. */
export type CelResult = CelValue | typeof failed;

/** A value of the expression language that JSON has not. */
export abstract class CelObject {
  /** The name of its type, as `type()` gives it. */
  abstract readonly type: string;

  /** CEL's `==`, with this value on the left: a few types fail where the other one is not of theirs. */
  abstract equals(other: CelValue, work: Work | undefined): boolean | typeof failed;

  /** What an output of a policy makes of it; `undefined` where it is nothing. */
  abstract toJson(): Json | undefined;

  /** CEL's order: below zero, zero or above. */
  compare?(other: CelValue): number | typeof failed;
}

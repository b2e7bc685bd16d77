import type { CelResult, CelValue, Json } from './value.js';
import type { Work } from './work.js';

/** A value of the expression language that JSON has not. */
export abstract class CelObject {
  /** The name of its type, as `type()` gives it. */
  abstract readonly type: string;

  /** CEL's `==`, with this value on the left: a few types fail where the other one is not of theirs. */
  abstract equals(other: CelValue, work: Work | undefined): boolean | Failed;

  /** What an output of a policy makes of it; `undefined` where it is nothing. */
  abstract toJson(): Json | undefined;

  /** CEL's order: below zero, zero or above. */
  compare?(other: CelValue): number | Failed;
}

type Failed = Extract<CelResult, symbol>;

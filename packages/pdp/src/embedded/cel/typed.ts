import type { Evaluate } from './expression.js';
import type { Kind } from './kind.js';

/** A part of an expression, and what is known of its value before there is one. */
export interface Typed {
  readonly evaluate: Evaluate;
  readonly kind: Kind;
}

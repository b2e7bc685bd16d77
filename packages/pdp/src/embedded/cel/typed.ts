import type { Evaluate } from './expression.js';
import type { CelValue } from './cel-value.js';
import type { Kind } from './kind.js';

/** A part of an expression, and what is known of its value before there is one. */
export interface Typed {
  readonly evaluate: Evaluate;
  readonly kind: Kind;
  /** What is known of the items of a list, or believed: see {@link joinedItem}. */
  readonly item?: Kind | undefined;
  /** Its value, where it is a literal; nobody changes it. */
  readonly constant?: CelValue | undefined;
  /** Whether Cerbos knows no more of its type: it is an attribute, what is in one, a variable, or what `dyn` gives. */
  readonly isUnknown?: boolean | undefined;
  readonly free?: Free | undefined;
}

/**
 * A member that is had by a key in brackets from something unknown (`R.attr.m["x"]`, and not `R.attr.m.x`) has a type in
 * Cerbos that the first use of it settles: of a function of several forms, the first one is taken for it, whatever it is.
 * `member` is such a member, `within` is what may be one or hold one.
 */
export type Free = 'member' | 'within';

/** What is made of several, one of which may be such a member. */
export function freeWithin(parts: readonly Pick<Typed, 'free'>[]): Free | undefined {
  return parts.some(({ free }) => free !== undefined) ? 'within' : undefined;
}

/**
 * What the items of two lists together are. Of one that may be anything, Cerbos believes that its items are as those of
 * the other one, and then takes only the form of a function for these: `string(v)` fails for any other item.
 */
export function joinedItem(left: Typed, right: Typed): Kind | undefined {
  if (left.kind !== 'list') return right.item;
  return right.kind !== 'list' || left.item === right.item ? left.item : undefined;
}

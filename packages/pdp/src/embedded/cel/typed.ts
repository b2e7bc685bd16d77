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
}

/**
 * What the items of two lists together are. Of one that may be anything, Cerbos believes that its items are as those of
 * the other one, and then takes only the form of a function for these: `string(v)` fails for any other item.
 */
export function joinedItem(left: Typed, right: Typed): Kind | undefined {
  if (left.kind !== 'list') return right.item;
  return right.kind !== 'list' || left.item === right.item ? left.item : undefined;
}

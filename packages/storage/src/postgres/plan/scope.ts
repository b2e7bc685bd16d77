import type { Columns } from './columns.js';
import { newNames, type NewName } from './lists.js';
import type { Term } from './term.js';

/** What a translation goes by. */
export interface Scope {
  readonly columns: Columns;
  /** What `timeSince` counts to, in nanoseconds since the Unix epoch. */
  readonly nowNs: bigint;
  readonly newName: NewName;
  /** The variables of the lambdas around. */
  readonly variables: ReadonlyMap<string, Term>;
  readonly depth: number;
}

/** The outermost scope. */
export function scopeOf(columns: Columns, nowNs: bigint): Scope {
  return { columns, nowNs, newName: newNames(), variables: new Map(), depth: 0 };
}

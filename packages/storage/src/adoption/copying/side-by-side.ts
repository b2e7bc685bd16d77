/** Whose key it is: the server's that knew no tenants, or the tenant's. */
export type Side = 'original' | 'copy';

/** What a walk through a store has found. */
export type Found =
  | { readonly side: Side; readonly key: string }
  /** Neither of the two, and why. */
  | { readonly side: 'obstacle'; readonly key: string; readonly why: string };

/**
 * A store in which the old keys and the tenant's are side by side, so that a move can be a copy first. Keys are the
 * application's own on both sides: where the tenant's really are is the store's matter.
 */
export interface SideBySide {
  /** The originals are in a place of their own, where no tenant's storage looks. @defaultValue `false` */
  readonly apart?: boolean | undefined;
  walk(signal: AbortSignal): AsyncIterable<Found>;
  /** Tells one state of a value from another; `undefined` when there is none. */
  stamp(side: Side, key: string): Promise<string | undefined>;
  /** Writes what is on the other side to this one, over what is there. */
  write(to: Side, key: string): Promise<void>;
  /** Whether both sides are there and have the same, by content. */
  same(key: string): Promise<boolean>;
  remove(side: Side, keys: readonly string[]): Promise<void>;
}

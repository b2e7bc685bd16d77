/** Which keys to list. */
export interface KeyListOptions {
  /** What the keys begin with. @defaultValue all */
  readonly prefix?: string | undefined;
  /** The most in one page. @defaultValue 100 */
  readonly limit?: number | undefined;
  /** Where the previous page ended. */
  readonly cursor?: string | undefined;
}

/** A page of keys, in order. */
export interface KeyPage {
  readonly keys: readonly string[];
  readonly cursor?: string | undefined;
}

/**
 * Keys and JSON values of one tenant. There is no argument by which another tenant could be named.
 *
 * Every operation rejects with `storage_refused` for a key that is not acceptable and with `storage_unavailable` when
 * the backend fails: a failure never looks like a key that is not there.
 */
export interface TenantKeyValue {
  get(key: string): Promise<unknown>;
  /** The values of several keys, in their order; `undefined` where there is none. */
  getMany(keys: readonly string[]): Promise<readonly unknown[]>;
  /** @param ttlMs - how long the value is kept, in milliseconds; for ever without */
  set(key: string, value: unknown, options?: { readonly ttlMs?: number | undefined }): Promise<void>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  list(options?: KeyListOptions): Promise<KeyPage>;
  /** Deletes everything of this tenant, and returns how many keys that were. */
  clear(): Promise<number>;
}

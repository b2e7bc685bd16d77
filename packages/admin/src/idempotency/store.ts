/**
 * An idempotency key, and whose it is. All three are digests: they say nothing, and have no characters but those of
 * base64url.
 */
export interface IdempotencyKey {
  /** The key itself, of one caller alone. */
  readonly id: string;
  /** The tenant that the caller is a member of; of everybody else, the person. */
  readonly scope: string;
  /** The person, in this scope, whatever the client. */
  readonly person: string;
}

/** What a key stands for, when a request with it comes in. */
export type IdempotencyClaim =
  /** Nobody used the key before: the request is to be run, `renew` called while it runs, and then `finish` or `abandon`. */
  | { readonly state: 'claimed' }
  /** A request with this key is running, or was when its process ended. */
  | { readonly state: 'running'; readonly fingerprint: string }
  | { readonly state: 'done'; readonly fingerprint: string; readonly answer: string };

/**
 * Remembers requests by their idempotency keys. With several replicas it has to be one that they share. Every operation
 * is atomic; a store that cannot be reached rejects with `store_unavailable`, and then nothing runs.
 *
 * What one person and one scope can have remembered at one time is bounded, so that nobody fills the store for all
 * others: beyond it `begin` rejects with `limit_exceeded`, as to forget a key before its time would let a retry run
 * twice.
 *
 * Keys, fingerprints and answers are opaque: keys and fingerprints are digests, answers are encrypted.
 */
export interface IdempotencyStore {
  /**
   * Claims a key, where it is free.
   *
   * @param claim - random, known to the claimant alone
   * @param leaseMs - how long a claim is believed whose owner says nothing, in milliseconds
   * @throws PortcullisError `limit_exceeded` with `data.limit`; `store_unavailable`
   */
  begin(key: IdempotencyKey, claim: string, fingerprint: string, leaseMs: number): Promise<IdempotencyClaim>;
  /** Says that the request still runs: the lease begins anew, if the claim still holds and there is no answer. */
  renew(key: IdempotencyKey, claim: string, leaseMs: number): Promise<void>;
  /** Keeps the answer for `ttlMs` milliseconds, if the claim still holds. */
  finish(key: IdempotencyKey, claim: string, answer: string, ttlMs: number): Promise<void>;
  /** Frees the key, if the claim still holds. */
  abandon(key: IdempotencyKey, claim: string): Promise<void>;
}

/** What a key stands for, when a request with it comes in. */
export type IdempotencyClaim =
  /** Nobody used the key before: the request is to be run, and `finish` or `abandon` called. */
  | { readonly state: 'claimed' }
  /** A request with this key is running, or was when its process ended. */
  | { readonly state: 'running'; readonly fingerprint: string }
  | { readonly state: 'done'; readonly fingerprint: string; readonly answer: string };

/**
 * Remembers requests by their idempotency keys. With several replicas it has to be one that they share. Every operation
 * is atomic; a store that cannot be reached rejects with `store_unavailable`, and then nothing runs.
 *
 * Keys, fingerprints and answers are opaque: keys and fingerprints are digests, answers are encrypted.
 */
export interface IdempotencyStore {
  /**
   * Claims a key, where it is free.
   *
   * @param claim - random, known to the claimant alone
   * @param leaseMs - how long a claim is believed whose owner says nothing, in milliseconds
   */
  begin(key: string, claim: string, fingerprint: string, leaseMs: number): Promise<IdempotencyClaim>;
  /** Keeps the answer for `ttlMs` milliseconds, if the claim still holds. */
  finish(key: string, claim: string, answer: string, ttlMs: number): Promise<void>;
  /** Frees the key, if the claim still holds. */
  abandon(key: string, claim: string): Promise<void>;
}

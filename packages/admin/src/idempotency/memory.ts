import { PortcullisError, systemClock, type Clock } from '@portcullis/core';
import type { IdempotencyClaim, IdempotencyStore } from './store.js';

/** How requests are remembered in memory. */
export interface MemoryIdempotencyOptions {
  /** The most keys that are remembered at one time. @defaultValue 10000 */
  readonly maxEntries?: number | undefined;
  readonly clock?: Clock | undefined;
}

interface Entry {
  readonly fingerprint: string;
  readonly claim: string;
  readonly answer: string | undefined;
  readonly until: number;
}

/**
 * Remembers requests in this process: for one replica.
 *
 * When it is full, requests with new keys are refused (`limit_exceeded`): to forget a key before its time would let a
 * retry run twice.
 *
 * @example
 * ```ts
 * import { memoryIdempotency } from '@portcullis/admin';
 *
 * const store = memoryIdempotency({ maxEntries: 1000 });
 * console.log((await store.begin('key', 'claim', 'request', 1000)).state); // prints: claimed
 * ```
 */
export function memoryIdempotency(options: MemoryIdempotencyOptions = {}): IdempotencyStore {
  const clock = options.clock ?? systemClock;
  const maxEntries = options.maxEntries ?? 10_000;
  const entries = new Map<string, Entry>();

  function live(key: string): Entry | undefined {
    const entry = entries.get(key);
    return entry !== undefined && clock() < entry.until ? entry : undefined;
  }

  function makeRoom(): void {
    if (entries.size < maxEntries) return;
    const now = clock();
    for (const [key, { until }] of entries) if (until <= now) entries.delete(key);
    if (entries.size >= maxEntries)
      throw new PortcullisError('limit_exceeded', undefined, { data: { limit: 'idempotencyKeys' } });
  }

  function begin(key: string, claim: string, fingerprint: string, leaseMs: number): IdempotencyClaim {
    const entry = live(key);
    if (entry === undefined) {
      entries.delete(key);
      makeRoom();
      entries.set(key, { fingerprint, claim, answer: undefined, until: clock() + leaseMs });
      return { state: 'claimed' };
    }
    return entry.answer === undefined
      ? { state: 'running', fingerprint: entry.fingerprint }
      : { state: 'done', fingerprint: entry.fingerprint, answer: entry.answer };
  }

  return {
    begin: (key, claim, fingerprint, leaseMs) => Promise.resolve().then(() => begin(key, claim, fingerprint, leaseMs)),
    finish(key, claim, answer, ttlMs) {
      const entry = live(key);
      if (entry?.claim === claim) entries.set(key, { ...entry, answer, until: clock() + ttlMs });
      return Promise.resolve();
    },
    abandon(key, claim) {
      if (entries.get(key)?.claim === claim) entries.delete(key);
      return Promise.resolve();
    },
  };
}

import { systemClock, type Clock } from '@portcullis/core';
import { positive } from '../positive.js';
import { noRoom, sharesOf, type IdempotencyShares } from './shares.js';
import type { IdempotencyClaim, IdempotencyKey, IdempotencyStore } from './store.js';

/** How requests are remembered in memory. */
export interface MemoryIdempotencyOptions extends IdempotencyShares {
  /** The most keys that are remembered at one time, of everybody. @defaultValue 25000 */
  readonly maxEntries?: number | undefined;
  readonly clock?: Clock | undefined;
}

interface Entry {
  readonly key: IdempotencyKey;
  readonly fingerprint: string;
  readonly claim: string;
  readonly answer: string | undefined;
  readonly until: number;
}

/**
 * Remembers requests in this process: for one replica.
 *
 * When the share of the person or of its tenant is used up, or all room is, requests with new keys are refused
 * (`limit_exceeded`): to forget a key before its time would let a retry run twice.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```ts
 * import { memoryIdempotency } from '@portcullis/admin';
 *
 * const store = memoryIdempotency({ maxEntries: 1000, maxPerPerson: 50, maxPerTenant: 100 });
 * const key = { id: 'key', scope: 'tenant', person: 'alice' };
 * console.log((await store.begin(key, 'claim', 'request', 1000)).state); // prints: claimed
 * ```
 */
export function memoryIdempotency(options: MemoryIdempotencyOptions = {}): IdempotencyStore {
  const clock = options.clock ?? systemClock;
  const maxEntries = positive('maxEntries', options.maxEntries ?? 25_000);
  const shares = sharesOf(options);
  const entries = new Map<string, Entry>();
  const counts = new Map<string, number>();

  function live({ id }: IdempotencyKey): Entry | undefined {
    const entry = entries.get(id);
    return entry !== undefined && clock() < entry.until ? entry : undefined;
  }

  function count(key: IdempotencyKey, change: 1 | -1): void {
    for (const owner of ownersOf(key)) {
      const now = (counts.get(owner) ?? 0) + change;
      if (now === 0) counts.delete(owner);
      else counts.set(owner, now);
    }
  }

  function forget({ id }: IdempotencyKey): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entries.delete(id);
    count(entry.key, -1);
  }

  /** Whose room is used up. */
  function fullFor(key: IdempotencyKey): 'user' | 'tenant' | 'server' | undefined {
    const [person, scope] = ownersOf(key);
    if ((counts.get(person) ?? 0) >= shares.perPerson) return 'user';
    if ((counts.get(scope) ?? 0) >= shares.perTenant) return 'tenant';
    return entries.size >= maxEntries ? 'server' : undefined;
  }

  function makeRoom(key: IdempotencyKey): void {
    if (fullFor(key) === undefined) return;
    const now = clock();
    for (const entry of entries.values()) if (entry.until <= now) forget(entry.key);
    const full = fullFor(key);
    if (full !== undefined) throw noRoom(full);
  }

  function begin(key: IdempotencyKey, claim: string, fingerprint: string, leaseMs: number): IdempotencyClaim {
    const entry = live(key);
    if (entry === undefined) {
      forget(key);
      makeRoom(key);
      entries.set(key.id, { key, fingerprint, claim, answer: undefined, until: clock() + leaseMs });
      count(key, 1);
      return { state: 'claimed' };
    }
    return entry.answer === undefined
      ? { state: 'running', fingerprint: entry.fingerprint }
      : { state: 'done', fingerprint: entry.fingerprint, answer: entry.answer };
  }

  return {
    begin: (key, claim, fingerprint, leaseMs) => Promise.resolve().then(() => begin(key, claim, fingerprint, leaseMs)),
    renew(key, claim, leaseMs) {
      const entry = live(key);
      if (entry?.claim === claim && entry.answer === undefined)
        entries.set(key.id, { ...entry, until: clock() + leaseMs });
      return Promise.resolve();
    },
    finish(key, claim, answer, ttlMs) {
      const entry = live(key);
      if (entry?.claim === claim) entries.set(key.id, { ...entry, answer, until: clock() + ttlMs });
      return Promise.resolve();
    },
    abandon(key, claim) {
      if (entries.get(key.id)?.claim === claim) forget(key);
      return Promise.resolve();
    },
  };
}

/** The names of the person's count and of the scope's. */
function ownersOf({ scope, person }: IdempotencyKey): readonly [person: string, scope: string] {
  return [`${scope} ${person}`, scope];
}

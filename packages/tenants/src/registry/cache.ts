import { LRUCache } from 'lru-cache';
import type { Clock } from '@portcullis/core';

/** How long answers are kept. */
export interface CacheOptions {
  /** In milliseconds. */
  readonly maxAgeMs: number;
  /** For "there is none", in milliseconds. */
  readonly negativeMaxAgeMs: number;
  readonly maxEntries: number;
  readonly clock: Clock;
  /** Milliseconds that only grow, whatever is done to the clock. */
  readonly elapsed: () => number;
}

interface Entry<T> {
  readonly value: T;
  readonly until: Instant;
}

/** One moment on both clocks. */
interface Instant {
  readonly clock: number;
  readonly elapsed: number;
}

/**
 * A cache of answers, with one load at a time for each key. What was loading when the key was invalidated is handed to
 * those who waited for it and is not kept.
 *
 * The age of an answer counts from when it was asked for, by two clocks: the wall clock, which also counts while the
 * machine sleeps, and one that never goes back, so that a clock that is set back keeps nothing for longer.
 */
export class AnswerCache<T> {
  readonly #entries: LRUCache<string, Entry<T>>;
  readonly #flights = new Map<string, { readonly answer: Promise<T>; stale: boolean }>();
  readonly #options: CacheOptions;
  readonly #isNegative: (value: T) => boolean;

  constructor(options: CacheOptions, isNegative: (value: T) => boolean) {
    this.#entries = new LRUCache({ max: options.maxEntries });
    this.#options = options;
    this.#isNegative = isNegative;
  }

  /** A kept answer, or one that `load` gives. Failures are not kept. */
  async get(key: string, load: () => Promise<T>): Promise<T> {
    const asked = this.#now();
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until.clock > asked.clock && entry.until.elapsed > asked.elapsed)
      return entry.value;
    const known = this.#flights.get(key);
    if (known?.stale === false) return known.answer;
    const flight = { answer: load(), stale: false };
    this.#flights.set(key, flight);
    try {
      const value = await flight.answer;
      if (!flight.stale) {
        const age = this.#isNegative(value) ? this.#options.negativeMaxAgeMs : this.#options.maxAgeMs;
        this.#entries.set(key, { value, until: { clock: asked.clock + age, elapsed: asked.elapsed + age } });
      }
      return value;
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** Forgets all answers, also those that are being loaded. */
  clear(): void {
    this.#entries.clear();
    this.#abandonFlights();
  }

  /** Forgets one answer, also while it is being loaded. */
  invalidate(key: string): void {
    this.#entries.delete(key);
    const flight = this.#flights.get(key);
    if (flight !== undefined) flight.stale = true;
  }

  /** Forgets the answers that are meant, and all that are being loaded: what those will be is not known. */
  invalidateWhere(isMeant: (value: T, key: string) => boolean): void {
    for (const [key, { value }] of this.#entries.entries()) if (isMeant(value, key)) this.#entries.delete(key);
    this.#abandonFlights();
  }

  #abandonFlights(): void {
    for (const flight of this.#flights.values()) flight.stale = true;
  }

  #now(): Instant {
    return { clock: this.#options.clock(), elapsed: this.#options.elapsed() };
  }
}

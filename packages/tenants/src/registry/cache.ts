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
}

interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/**
 * A cache of answers, with one load at a time for each key. What was loading when the key was invalidated is handed to
 * those who waited for it and is not kept.
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

  /** A kept answer, without waiting. */
  peek(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > this.#options.clock() ? entry.value : undefined;
  }

  /** A kept answer, or one that `load` gives. Failures are not kept. */
  async get(key: string, load: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until > this.#options.clock()) return entry.value;
    const known = this.#flights.get(key);
    if (known?.stale === false) return known.answer;
    const flight = { answer: load(), stale: false };
    this.#flights.set(key, flight);
    try {
      const value = await flight.answer;
      if (!flight.stale) {
        const age = this.#isNegative(value) ? this.#options.negativeMaxAgeMs : this.#options.maxAgeMs;
        this.#entries.set(key, { value, until: this.#options.clock() + age });
      }
      return value;
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** Forgets all answers, also those that are being loaded. */
  clear(): void {
    this.#entries.clear();
    for (const flight of this.#flights.values()) flight.stale = true;
  }

  /** Forgets one answer, also while it is being loaded. */
  invalidate(key: string): void {
    this.#entries.delete(key);
    const flight = this.#flights.get(key);
    if (flight !== undefined) flight.stale = true;
  }
}

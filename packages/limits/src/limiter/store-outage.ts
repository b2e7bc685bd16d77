import type { Clock } from '@portcullis/core';

/** How a failing store is treated. */
export interface StoreOutageOptions {
  /** How long it is left alone, in milliseconds. */
  readonly retryMs: number;
  readonly monotonic: Clock;
  readonly onError: ((error: unknown) => void) | undefined;
}

/** How many failures in a row it takes: one alone may be an accident of this process, as a long pause. */
const patience = 3;

/**
 * Tells when a store is down, and leaves it alone then but for one look every `retryMs`: a request that waits for a
 * dead store's deadline only to be refused is a way to exhaust the process.
 */
export class StoreOutage {
  readonly #options: StoreOutageOptions;
  #failures = 0;
  #lastLook = -Infinity;
  #cause: unknown;

  constructor(options: StoreOutageOptions) {
    this.#options = options;
  }

  /** @throws what the store throws; what it threw last where it is left alone */
  async run<T>(question: () => Promise<T>): Promise<T> {
    const { retryMs, monotonic, onError } = this.#options;
    if (this.#failures >= patience) {
      const now = monotonic();
      if (now - this.#lastLook < retryMs) throw new Error('the store cannot be reached', { cause: this.#cause });
      this.#lastLook = now;
    }
    try {
      const answer = await question();
      this.#failures = 0;
      return answer;
    } catch (cause) {
      this.#failures++;
      this.#cause = cause;
      this.#lastLook = monotonic();
      if (this.#failures === 1) report(onError, cause);
      throw cause;
    }
  }
}

/** A listener that throws is its own affair. */
function report(onError: StoreOutageOptions['onError'], error: unknown): void {
  try {
    onError?.(error);
  } catch {
    // The request goes on.
  }
}

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

/** Of how many tenants failures are counted apart. */
const mostTenants = 10_000;

interface Failures {
  inARow: number;
  lastLook: number;
}

/**
 * Tells when a store is down, and leaves it alone then but for one look every `retryMs`: a request that waits for a
 * dead store's deadline only to be refused is a way to exhaust the process.
 *
 * A store may fail for one tenant and not for another, as a cluster of which one node is down. So failures count for
 * their tenant; for everybody only where nobody has had an answer for `retryMs`.
 */
export class StoreOutage {
  readonly #options: StoreOutageOptions;
  readonly #ofTenants = new Map<string, Failures>();
  readonly #ofAll: Failures = { inARow: 0, lastLook: -Infinity };
  #lastAnswer = -Infinity;
  #cause: unknown;

  constructor(options: StoreOutageOptions) {
    this.#options = options;
  }

  /** @throws what the store throws; what it threw last where it is left alone */
  async run<T>(tenant: string, question: () => Promise<T>): Promise<T> {
    this.#requireLook(tenant);
    try {
      const answer = await question();
      this.#ofTenants.delete(tenant);
      this.#ofAll.inARow = 0;
      this.#lastAnswer = this.#options.monotonic();
      return answer;
    } catch (cause) {
      this.#failed(tenant, cause);
      throw cause;
    }
  }

  #requireLook(tenant: string): void {
    const { retryMs, monotonic } = this.#options;
    const now = monotonic();
    const ofTenant = this.#ofTenants.get(tenant);
    const down = [
      ...(ofTenant !== undefined && ofTenant.inARow >= patience ? [ofTenant] : []),
      ...(this.#ofAll.inARow >= patience && now - this.#lastAnswer >= retryMs ? [this.#ofAll] : []),
    ];
    if (down.some(({ lastLook }) => now - lastLook < retryMs))
      throw new Error('the store cannot be reached', { cause: this.#cause });
    for (const failures of down) failures.lastLook = now;
  }

  #failed(tenant: string, cause: unknown): void {
    this.#cause = cause;
    const ofTenant = this.#ofTenants.get(tenant) ?? { inARow: 0, lastLook: -Infinity };
    this.#ofTenants.delete(tenant);
    this.#ofTenants.set(tenant, ofTenant);
    for (const failures of [ofTenant, this.#ofAll]) {
      failures.inARow++;
      failures.lastLook = this.#options.monotonic();
    }
    const [oldest] = this.#ofTenants.keys();
    if (this.#ofTenants.size > mostTenants && oldest !== undefined) this.#ofTenants.delete(oldest);
    if (this.#ofAll.inARow === 1) report(this.#options.onError, cause);
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

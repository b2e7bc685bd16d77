/** `closed`: questions go through. `open`: none does. `half_open`: one is out, to find whether the engine is back. */
export type CircuitState = 'closed' | 'open' | 'half_open';

/** How a circuit behaves. */
export interface CircuitOptions {
  /** How many failures in a row open it. */
  readonly failures: number;
  /** How long it stays open, in milliseconds. */
  readonly openMs: number;
}

/**
 * Stops asking an endpoint that does not answer. Deadlines count as failures like refused connections do: a frozen
 * engine answers nothing at all. Half open, one question at a time finds out whether it is back.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #now: () => number;
  #failures = 0;
  #openedAt = 0;
  #probing = false;

  constructor(options: CircuitOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  get state(): CircuitState {
    if (this.#failures < this.#options.failures) return 'closed';
    return this.#probing ? 'half_open' : 'open';
  }

  /** Whether the endpoint may be asked now. A `true` has to be followed by `succeeded` or `failed`. */
  admits(): boolean {
    if (this.#failures < this.#options.failures) return true;
    if (this.#probing || this.#now() - this.#openedAt < this.#options.openMs) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#probing = false;
  }

  failed(): void {
    this.#failures++;
    this.#probing = false;
    if (this.#failures >= this.#options.failures) this.#openedAt = this.#now();
  }

  /** The question was given up for a reason that says nothing of the endpoint. */
  abandoned(): void {
    this.#probing = false;
  }
}

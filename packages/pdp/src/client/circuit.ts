/** `closed`: questions go through. `open`: none does. `half_open`: one is out, to find whether the engine is back. */
export type CircuitState = 'closed' | 'open' | 'half_open';

/** How a circuit behaves. */
export interface CircuitOptions {
  /** How many failures in a row open it. */
  readonly failures: number;
  /** How long it stays open, in milliseconds. */
  readonly openMs: number;
}

/** One question that was let through. No two have the same. */
type Admission = number;

/**
 * Stops asking an endpoint that does not answer. Deadlines count as failures like refused connections do: a frozen
 * engine answers nothing at all. Half open, one question at a time finds out whether it is back.
 *
 * While it is not closed, the outcome of that question alone counts: one that was let through before may end at any
 * time, and says how the endpoint was then.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #now: () => number;
  #failures = 0;
  #openedAt = 0;
  #admitted: Admission = 0;
  #probe: Admission | undefined;

  constructor(options: CircuitOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  get state(): CircuitState {
    if (this.#failures < this.#options.failures) return 'closed';
    return this.#probe === undefined ? 'open' : 'half_open';
  }

  /**
   * Lets a question through.
   *
   * @returns what `succeeded`, `failed` or `abandoned` has to be told afterwards; `undefined` where the endpoint must
   * not be asked now
   */
  admits(): Admission | undefined {
    if (this.state === 'closed') return ++this.#admitted;
    if (this.#probe !== undefined || this.#now() - this.#openedAt < this.#options.openMs) return undefined;
    return (this.#probe = ++this.#admitted);
  }

  succeeded(admission: Admission): void {
    if (!this.#counts(admission)) return;
    this.#failures = 0;
    this.#probe = undefined;
  }

  failed(admission: Admission): void {
    if (!this.#counts(admission)) return;
    this.#failures++;
    this.#probe = undefined;
    if (this.#failures >= this.#options.failures) this.#openedAt = this.#now();
  }

  /** The question was given up for a reason that says nothing of the endpoint. */
  abandoned(admission: Admission): void {
    if (this.#counts(admission)) this.#probe = undefined;
  }

  #counts(admission: Admission): boolean {
    return this.state === 'closed' || admission === this.#probe;
  }
}

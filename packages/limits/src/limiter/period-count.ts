/** A count that begins anew with each calendar day or month. */
export class PeriodCount {
  #period = 0;
  #count = 0;

  /** @param period - the number of the present day or month */
  count(period: number): number {
    // A clock that went back finds a period that is yet to come: its count is taken for the present one.
    if (this.#period < period) this.#count = 0;
    this.#period = period;
    return this.#count;
  }

  add(period: number): void {
    this.#count = this.count(period) + 1;
  }
}

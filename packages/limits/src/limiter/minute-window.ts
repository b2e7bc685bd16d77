/** How long a request counts against a limit of requests a minute, in milliseconds. */
const windowMs = 60_000;

/** Requests are counted by the second, in milliseconds: a counter is dropped when the last request in it is too old. */
const sliceMs = 1_000;

/**
 * How many requests passed lately, in at most 62 counters.
 *
 * A counter stands for one second and is dropped 60 s after that second's end. So the sum is never less than what
 * passed in the last 60 s, and never more than what passed in the last 61 s.
 */
export class MinuteWindow {
  /** The count of each slice, oldest first. */
  readonly #slices = new Map<number, number>();
  #total = 0;
  #newest = -Infinity;

  /** How long until one more fits, in milliseconds: 0 for now, `undefined` for never. */
  waitMs(now: number, limit: number): number | undefined {
    this.#drop(now);
    let tooMany = this.#total - limit + 1;
    if (tooMany <= 0) return 0;
    for (const [slice, count] of this.#slices) {
      tooMany -= count;
      if (tooMany <= 0) return endOf(slice) - now;
    }
    return undefined;
  }

  add(now: number): void {
    this.#drop(now);
    this.#add(sliceOf(now), 1);
  }

  /** @returns whether nothing counts any more */
  isIdle(now: number): boolean {
    this.#drop(now);
    return this.#total === 0;
  }

  #add(slice: number, count: number): void {
    this.#slices.set(slice, (this.#slices.get(slice) ?? 0) + count);
    this.#total += count;
    this.#newest = slice;
  }

  #take(slice: number, count: number): number {
    this.#slices.delete(slice);
    this.#total -= count;
    return count;
  }

  #drop(now: number): void {
    const present = sliceOf(now);
    if (this.#newest > present) {
      // The clock went back. What passed did pass, at the latest now: it counts for a minute more, and no longer.
      let ahead = 0;
      for (const [slice, count] of this.#slices) if (slice > present) ahead += this.#take(slice, count);
      this.#add(present, ahead);
    }
    for (const [slice, count] of this.#slices) {
      if (endOf(slice) > now) return;
      this.#take(slice, count);
    }
  }
}

function sliceOf(now: number): number {
  return Math.floor(now / sliceMs);
}

/** When a slice stops to count. */
function endOf(slice: number): number {
  return (slice + 1) * sliceMs + windowMs;
}

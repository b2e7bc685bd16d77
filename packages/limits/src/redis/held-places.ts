/** A place that this process holds, in each of its sets. */
export interface HeldPlace {
  readonly keys: readonly string[];
  readonly id: string;
}

/** How many places one script renews. */
const chunk = 100;

/** The places that this process holds, renewed before their leases end. */
export class HeldPlaces {
  readonly #places = new Set<HeldPlace>();
  readonly #everyMs: number;
  readonly #renew: (keys: readonly string[], ids: readonly string[]) => Promise<unknown>;
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number, renew: (keys: readonly string[], ids: readonly string[]) => Promise<unknown>) {
    this.#everyMs = everyMs;
    this.#renew = renew;
  }

  add(place: HeldPlace): void {
    this.#places.add(place);
    this.#timer ??= setInterval(() => this.#renewAll(), this.#everyMs).unref();
  }

  /** @returns whether it was held */
  delete(place: HeldPlace): boolean {
    const wasHeld = this.#places.delete(place);
    if (this.#places.size === 0) this.#stop();
    return wasHeld;
  }

  /** @returns what was held */
  close(): readonly HeldPlace[] {
    this.#stop();
    const places = [...this.#places];
    this.#places.clear();
    return places;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #renewAll(): void {
    const byKeys = new Map<string, HeldPlace[]>();
    for (const place of this.#places) {
      const name = JSON.stringify(place.keys);
      const places = byKeys.get(name);
      if (places === undefined) byKeys.set(name, [place]);
      else places.push(place);
    }
    for (const places of byKeys.values()) {
      for (let at = 0; at < places.length; at += chunk) {
        const some = places.slice(at, at + chunk);
        // What fails is tried again with the next round, twice before the lease ends.
        this.#renew(
          some[0]?.keys ?? [],
          some.map(({ id }) => id),
        ).catch(() => undefined);
      }
    }
  }
}

import type { RefusalEntry } from '@portcullis/audit';

/** What a caller is refused since the last entry. */
interface Repeated {
  /** Ends the gathering. */
  readonly timer: NodeJS.Timeout;
  times: number;
  last: RefusalEntry | undefined;
}

/** How long refusals like one that was recorded are gathered, in milliseconds. */
const gatherMs = 1000;

/** Of how many callers. A refusal that finds no room is recorded alone. */
const mostCallers = 10_000;

/** How long a caller who was refused a moment ago waits for the next refusal, in milliseconds, */
const pauseMs = 200;

/** and how many wait at one time. Who finds no room is refused at once. */
const mostWaiting = 1000;

/**
 * Gathers what a caller is refused again and again by a rate limit, so that whoever sends and sends fills no audit log
 * and takes none of its time from others: the first refusal is recorded at once, those of the second that follows
 * together, as one entry with their number. Those wait a moment for their refusal: a client that sends the next request
 * as soon as it has an answer then sends a few a second, and not thousands.
 */
export class RepeatedRefusals {
  readonly #open = new Map<string, Repeated>();
  #waiting = 0;
  readonly #record: (entry: RefusalEntry) => Promise<void>;

  /** @param record - never rejects */
  constructor(record: (entry: RefusalEntry) => Promise<void>) {
    this.#record = record;
  }

  /**
   * Resolves when the caller may be told: the entry was recorded, or gathered a moment ago.
   *
   * @param openInMs - how long until the limit opens: nobody waits for longer
   */
  async refused(entry: RefusalEntry, openInMs = Infinity): Promise<void> {
    const caller = JSON.stringify([entry.tenant, entry.actor?.id, entry.code]);
    const gathered = this.#open.get(caller);
    if (gathered !== undefined) {
      gathered.times++;
      gathered.last = entry;
      return this.#pause(Math.min(pauseMs, openInMs));
    }
    if (this.#open.size < mostCallers) this.#begin(caller);
    await this.#record(entry);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#waiting >= mostWaiting) return;
    this.#waiting++;
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#waiting--;
  }

  #begin(caller: string): void {
    const timer = setTimeout(() => void this.#end(caller), gatherMs).unref();
    this.#open.set(caller, { timer, times: 0, last: undefined });
  }

  async #end(caller: string): Promise<void> {
    const gathered = this.#open.get(caller);
    this.#open.delete(caller);
    if (gathered?.last === undefined) return;
    this.#begin(caller);
    await this.#record({ ...gathered.last, times: gathered.times });
  }

  /** Records what is gathered. */
  async flush(): Promise<void> {
    const gathered = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(
      gathered.map(async ({ timer, times, last }) => {
        // It would end the gathering of what the caller is refused from here on.
        clearTimeout(timer);
        if (last !== undefined) await this.#record({ ...last, times });
      }),
    );
  }
}

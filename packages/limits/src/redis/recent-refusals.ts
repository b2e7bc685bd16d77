import type { RequestRefusal } from '../limiter/limit-store.js';

interface Known {
  readonly figures: readonly number[];
  readonly refusal: RequestRefusal;
  /** Until when Redis would say the same, at the least. */
  readonly closedUntil: number;
  /** When the limit opens, at the latest. */
  readonly opensAt: number;
}

/** How many callers are remembered. To forget one costs a question, and nothing else. */
const most = 10_000;

/**
 * Whom Redis refused a moment ago. Nothing but time opens a limit, so that the answer would be the same: a caller that
 * sends and sends is refused here, and takes no time of Redis' from others.
 */
export class RecentRefusals {
  readonly #known = new Map<string, Known>();
  readonly #keepMs: number;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** @param figures - the limits as they hold now: an answer to others is none */
  find(caller: string, figures: readonly number[]): RequestRefusal | undefined {
    const known = this.#known.get(caller);
    if (known === undefined) return undefined;
    const now = performance.now();
    if (now < known.closedUntil && figures.every((figure, at) => figure === known.figures[at])) {
      const { limit, retryAfterMs } = known.refusal;
      return { limit, retryAfterMs: retryAfterMs === undefined ? undefined : Math.ceil(known.opensAt - now) };
    }
    this.#known.delete(caller);
    return undefined;
  }

  /** @param askedAt - `performance.now()` when Redis was asked: it answered later, and its wait began later */
  add(caller: string, figures: readonly number[], refusal: RequestRefusal, askedAt: number): void {
    const { retryAfterMs = Infinity } = refusal;
    const closedUntil = askedAt + Math.min(this.#keepMs, retryAfterMs);
    if (this.#known.size >= most)
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    this.#known.set(caller, { figures, refusal, closedUntil, opensAt: performance.now() + retryAfterMs });
  }
}

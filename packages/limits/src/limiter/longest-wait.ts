import type { RequestLimits, RequestRefusal } from './limit-store.js';

/** A limit, and how long it stays closed in milliseconds: 0 where it is open, `undefined` for ever. */
export type LimitWait = readonly [limit: keyof RequestLimits, waitMs: number | undefined];

/**
 * The limit that opens last. Nothing opens one of them but time, and nothing but a request closes it: when the last
 * has opened, all are open, if nobody else sends any.
 *
 * @returns `undefined` where all are open
 */
export function longestWait(waits: readonly LimitWait[]): RequestRefusal | undefined {
  let longest: RequestRefusal | undefined;
  for (const [limit, waitMs] of waits) {
    if (waitMs === 0) continue;
    if (waitMs === undefined) return { limit, retryAfterMs: undefined };
    const rounded = Math.ceil(waitMs);
    if (longest?.retryAfterMs === undefined || rounded > longest.retryAfterMs)
      longest = { limit, retryAfterMs: rounded };
  }
  return longest;
}

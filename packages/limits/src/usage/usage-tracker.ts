import { randomUUID } from 'node:crypto';
import {
  isTenantId,
  systemClock,
  withDeadline,
  type Clock,
  type UsageEvent,
  type UsageRecorder,
} from '@portcullis/core';
import { UsageBuffer } from './usage-buffer.js';
import type { UsageBatch } from './usage-entry.js';
import type { UsageSink } from './usage-store.js';

/** How usage is counted. */
export interface UsageTrackerOptions {
  /** `memoryUsage()`, `redisUsage(client)` or `postgresUsage(pool)`. */
  readonly sink: UsageSink;
  /** How often counts are flushed, in milliseconds: what a process that is killed loses at most. @defaultValue 10,000 */
  readonly flushIntervalMs?: number | undefined;
  /**
   * How many counts (one for a tenant, user, tool and day) are kept apart until they are flushed. Beyond it, and beyond
   * a tenth of it for one tenant, users are counted together as `(other)`, and beyond a tenth more, tools. No count is
   * dropped: kept are at most a tenth more than this, one for each tenant and day, and one batch of 200.
   *
   * @defaultValue 10,000
   */
  readonly maxBufferedEntries?: number | undefined;
  /** How many tools of a tenant are told apart on one day: their names are the caller's words. @defaultValue 500 */
  readonly maxToolsPerTenant?: number | undefined;
  /** How long the sink may take for one batch, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number | undefined;
  /** For events whose own time is no time. @defaultValue this machine's */
  readonly clock?: Clock | undefined;
  /** Hears of a sink that fails, once for each outage, and of what could not be flushed at the end. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Counts usage, and flushes it. */
export interface UsageTracker extends UsageRecorder {
  /** Flushes what has been counted so far. Rejects with what the sink rejects with; nothing is lost then. */
  flush(): Promise<void>;
  /**
   * Flushes and ends. Goes on trying for `timeoutMs` milliseconds (5000 without).
   *
   * @returns what could not be flushed, in order: `sink.add` takes each of them later, and counts none of them twice
   */
  close(options?: { readonly timeoutMs?: number | undefined }): Promise<readonly UsageBatch[]>;
}

/**
 * Counts requests by tenant, user, tool and UTC day, and flushes the counts in batches.
 *
 * - **No count is lost while the process lives.** While the sink is down counts are kept and added up; the batch whose
 *   answer is missing is sent again as it is, and the sink adds each batch once.
 * - **No count is lost at a shutdown** that calls `close`: it flushes, and returns what it could not.
 * - **A process that is killed loses** what it counted since its last flush: at most `flushIntervalMs`, or since
 *   the sink went down.
 *
 * @example
 * ```ts
 * import { memoryUsage, usageTracker } from '@portcullis/limits';
 * import { tenantId } from '@portcullis/core';
 *
 * const tracker = usageTracker({ sink: memoryUsage() });
 * const tool = { tenant: tenantId('acme'), user: 'auth0#alice', tool: 'note_read' };
 * tracker.record({ ...tool, outcome: 'allowed', latencyMs: 3.2, at: Date.now() });
 * const left = await tracker.close();
 * console.log(left.length); // prints: 0
 * ```
 */
export function usageTracker(options: UsageTrackerOptions): UsageTracker {
  return new Tracker(options);
}

/** How many entries go into one batch: a script or a statement that is over in milliseconds. */
const batchEntries = 200;
/** Days have years of four digits. */
const endOfTime = Date.UTC(10_000, 0);
/** The longest pause between two attempts, in milliseconds. */
const longestPauseMs = 60_000;
/** The pause between two attempts while closing, in milliseconds. */
const closingPauseMs = 100;

class Tracker implements UsageTracker {
  readonly #sink: UsageSink;
  readonly #flushIntervalMs: number;
  readonly #maxEntries: number;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #buffer: UsageBuffer;
  readonly #writer = randomUUID();
  #sequence = 0;
  /** A batch that may or may not have been kept. Until it is known, no other is sent. */
  #unanswered: UsageBatch | undefined;
  #flushing: Promise<void> | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: UsageTrackerOptions) {
    const { sink, flushIntervalMs = 10_000, maxBufferedEntries = 10_000, maxToolsPerTenant = 500 } = options;
    const { timeoutMs = 5000, clock = systemClock, onError } = options;
    this.#sink = sink;
    this.#flushIntervalMs = flushIntervalMs;
    this.#maxEntries = maxBufferedEntries;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#onError = onError;
    this.#buffer = new UsageBuffer({
      maxEntries: maxBufferedEntries,
      maxEntriesPerTenant: maxBufferedEntries / 10,
      maxToolsPerTenant,
    });
  }

  record(event: UsageEvent): void {
    try {
      if (this.#isClosed) throw new Error('usage was recorded after the tracker was closed, and is lost');
      // One entry that a store cannot keep would hold up all.
      if (!isTenantId(event.tenant)) throw new TypeError('usage was recorded for a malformed tenant id');
      const isTime = event.at >= 0 && event.at < endOfTime;
      this.#buffer.add(event, isTime ? event.at : this.#clock());
      this.#timer ??= this.#later(this.#flushIntervalMs);
      // A full buffer does not wait for its time; while the sink is down it does.
      if (this.#failures === 0 && this.#buffer.size * 2 >= this.#maxEntries) this.#inBackground();
    } catch (error) {
      this.#report(error);
    }
  }

  flush(): Promise<void> {
    return (this.#flushing ??= this.#flushAll().finally(() => (this.#flushing = undefined)));
  }

  async close({ timeoutMs = 5000 }: { readonly timeoutMs?: number | undefined } = {}): Promise<readonly UsageBatch[]> {
    const endsAt = performance.now() + timeoutMs;
    let cause: unknown;
    do {
      try {
        // The last attempt ends when the time is over, however long one may take otherwise.
        await withDeadline(this.flush(), Math.max(endsAt - performance.now(), 1));
      } catch (error) {
        cause = error;
        await pause(Math.min(closingPauseMs, Math.max(endsAt - performance.now(), 0)));
      }
    } while (this.#hasMore() && performance.now() < endsAt);
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const left: UsageBatch[] = [];
    for (let batch = this.#sealed(); batch !== undefined; batch = this.#sealed()) {
      left.push(batch);
      this.#unanswered = undefined;
    }
    if (left.length > 0)
      this.#report(new Error(`usage of ${String(left.length)} batches could not be flushed`, { cause }));
    return left;
  }

  async #flushAll(): Promise<void> {
    // What is counted meanwhile may wait for the next time.
    let batches = Math.ceil(this.#buffer.size / batchEntries) + 1;
    try {
      for (; batches > 0; batches--) {
        const batch = this.#sealed();
        if (batch === undefined) break;
        await withDeadline(this.#sink.add(batch), this.#timeoutMs);
        this.#unanswered = undefined;
      }
      this.#failures = 0;
    } catch (error) {
      if (this.#failures++ === 0) this.#report(error);
      throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      if (this.#hasMore() && !this.#isClosed)
        this.#timer = this.#later(Math.min(this.#flushIntervalMs * 2 ** this.#failures, longestPauseMs));
    }
  }

  /** The batch that is to be sent next: the one without an answer, or one of the oldest counts. */
  #sealed(): UsageBatch | undefined {
    if (this.#unanswered !== undefined) return this.#unanswered;
    const entries = this.#buffer.take(batchEntries);
    if (entries.length === 0) return undefined;
    return (this.#unanswered = { writer: this.#writer, sequence: ++this.#sequence, entries });
  }

  #hasMore(): boolean {
    return this.#unanswered !== undefined || this.#buffer.size > 0;
  }

  #later(pauseMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#inBackground();
    }, pauseMs).unref();
  }

  #inBackground(): void {
    // What fails has been reported, and is tried again.
    this.flush().catch(() => undefined);
  }

  #report(error: unknown): void {
    try {
      this.#onError?.(error);
    } catch {
      // A listener that throws is its own affair.
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

import { PortcullisError, withDeadline } from '@portcullis/core';
import type { AuditEntry } from './entry.js';
import { isNothingAdded } from './nothing-added.js';
import type { AuditSink } from './sink.js';

/** How entries wait. All of it is to be said: what happens under pressure is a decision. */
export interface BufferedOptions {
  /** How many entries may wait or be written at once. */
  readonly maxEntries: number;
  /** `block`: a caller waits for room, up to the deadline. `deny`: it is refused at once. */
  readonly whenFull: 'block' | 'deny';
  /** How long `record` takes at most, in milliseconds, with all waiting; and `close`. */
  readonly timeoutMs: number;
  /** How many entries are written in one step at most. @defaultValue 500 */
  readonly maxBatch?: number | undefined;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: () => void;
  readonly reject: (error: PortcullisError) => void;
  timer?: NodeJS.Timeout;
}

/**
 * Writes entries in groups: while one is written, the next one gathers. The order is kept, and `record` resolves when
 * the sink has the entry.
 *
 * Nothing is dropped in silence. An entry for which there is no room, or no time, is refused with
 * `audit_unavailable`, and the gate then does not run the call. One that cannot be added refuses itself and not the
 * rest of its group. One whose time ran out while it was being written may
 * be in the sink all the same.
 *
 * @throws PortcullisError `config_invalid` for options out of range; from `record`, `audit_unavailable`; from `close`,
 * `audit_unavailable` with the number of entries that were not written
 * @example
 * ```ts
 * import { buffered, memoryAudit } from '@portcullis/audit';
 *
 * const audit = buffered(memoryAudit(), { maxEntries: 10_000, whenFull: 'block', timeoutMs: 2000 });
 * await audit.record({ type: 'refusal', effect: 'deny', code: 'token_missing', requestId: 'r-1', latencyMs: 1 });
 * await audit.close();
 * ```
 */
export function buffered(sink: AuditSink, options: BufferedOptions): AuditSink {
  const { maxEntries, whenFull, timeoutMs, maxBatch = 500 } = options;
  for (const [name, value] of Object.entries({ maxEntries, timeoutMs, maxBatch })) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1)
      throw new PortcullisError('config_invalid', `the option \`${name}\` is out of range`);
  }
  // A set keeps the order, and what ran out of time leaves it at once.
  const queue = new Set<Waiting>();
  let writing = 0;
  let idle: Promise<void> = Promise.resolve();
  let running = false;
  let closing: Promise<void> | undefined;

  async function drain(): Promise<void> {
    running = true;
    try {
      // Those that come in the same turn go together.
      await Promise.resolve();
      while (queue.size > 0) {
        // Those for whom there was room come first: with `block` the set is longer than the buffer.
        const batch = [...take(queue, Math.min(maxBatch, maxEntries))];
        for (const one of batch) queue.delete(one);
        writing = batch.length;
        await write(sink, batch);
        writing = 0;
      }
    } finally {
      running = false;
    }
  }

  function record(entry: AuditEntry): Promise<void> {
    if (closing !== undefined) return Promise.reject(unavailable('the audit buffer is closed'));
    if (whenFull === 'deny' && queue.size + writing >= maxEntries)
      return Promise.reject(unavailable(`the audit buffer is full: ${String(maxEntries)} entries wait`));
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { entry, resolve, reject };
      waiting.timer = setTimeout(() => {
        const waited = queue.delete(waiting);
        reject(unavailable(waited ? 'no room in the audit buffer in time' : 'the audit sink did not answer in time'));
      }, timeoutMs);
      queue.add(waiting);
      if (!running) idle = drain();
    });
  }

  async function flush(): Promise<void> {
    while (running) await idle;
  }

  async function finish(): Promise<void> {
    let left = 0;
    try {
      await withDeadline(flush(), timeoutMs);
    } catch {
      left = queue.size + writing;
      for (const one of queue) settle(one, unavailable('the audit buffer was closed before its turn'));
      queue.clear();
    }
    // The sink is closed whatever became of the entries.
    await withDeadline(sink.close(), timeoutMs).catch((cause: unknown) => {
      throw unavailable('the audit sink did not close', cause);
    });
    if (left > 0) throw unavailable(`${String(left)} audit entries were not written`);
  }

  return {
    record,
    async flush() {
      await flush();
      await sink.flush();
    },
    close: () => (closing ??= finish()),
  };
}

function* take(queue: ReadonlySet<Waiting>, count: number): Generator<Waiting> {
  for (const one of queue) {
    if (count-- <= 0) return;
    yield one;
  }
}

/** Writes a group, as one where the sink can, and says to each what became of it. */
async function write(sink: AuditSink, batch: readonly Waiting[]): Promise<void> {
  if (sink.recordAll === undefined) {
    // One after the other: in order.
    for (const one of batch) settle(one, await failureOf(() => sink.record(one.entry)));
    return;
  }
  const entries = batch.map(({ entry }) => entry);
  const failure = await failureOf(() => sink.recordAll?.(entries) ?? Promise.resolve());
  if (failure !== undefined && batch.length > 1 && isNothingAdded(failure)) {
    // One of them cannot be added: it is found, and the others are.
    const half = Math.ceil(batch.length / 2);
    await write(sink, batch.slice(0, half));
    await write(sink, batch.slice(half));
    return;
  }
  for (const one of batch) settle(one, failure);
}

async function failureOf(work: () => Promise<void>): Promise<PortcullisError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof PortcullisError && error.code === 'audit_unavailable'
      ? error
      : unavailable('the audit sink refused the entry', error);
  }
}

function settle({ timer, resolve, reject }: Waiting, failure: PortcullisError | undefined): void {
  clearTimeout(timer);
  if (failure === undefined) resolve();
  else reject(failure);
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

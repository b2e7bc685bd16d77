import { PortcullisError, systemClock, type Clock } from '@portcullis/core';
import type { AuditEntry } from '../entry.js';
import type { AuditSink } from '../sink.js';
import { chain, trailsIn, type TrailBatch } from './chain.js';
import { checkpointRounds, type PublishedCheckpoint } from './checkpoint-rounds.js';
import type { TrailHead } from './record.js';
import { knownHeads } from './known-heads.js';
import type { CheckpointSigner } from './signer.js';
import { storableEntry } from './storable-entry.js';
import type { TrailStore } from './store.js';
import { trailsOf } from './trails-of.js';

/** How a trail is kept. */
export interface AuditTrailOptions {
  /** Closed with the trail. */
  readonly store: TrailStore;
  readonly signer: CheckpointSigner;
  /** After how many records of one trail a checkpoint is signed. @defaultValue 1000 */
  readonly checkpointEvery?: number | undefined;
  /** After how many milliseconds everything that is unsigned is signed. @defaultValue 900 000, a quarter of an hour */
  readonly checkpointEveryMs?: number | undefined;
  /**
   * Publishes checkpoints where whoever can write to the store cannot: what was signed and then cut off at the end is
   * noticed by them alone. What rejects is tried again with the next round.
   */
  readonly anchor?: ((checkpoints: readonly PublishedCheckpoint[]) => Promise<void>) | undefined;
  /** Told when a checkpoint cannot be signed, stored or published. @defaultValue a process warning */
  readonly onError?: ((error: Error) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** A sink whose records are chained, so that what is done to them afterwards is found. */
export interface AuditTrail extends AuditSink {
  /** Records entries in one step, in this order: all of them, in all of their trails, or none. */
  recordAll(entries: readonly AuditEntry[]): Promise<void>;
  /**
   * Signs now what is unsigned.
   *
   * @throws PortcullisError `audit_unavailable` when it cannot be signed or stored
   */
  checkpoint(): Promise<void>;
}

/**
 * Keeps audit records in trails: one a tenant, one of the operators, one of the system. The records of a trail are
 * numbered without a gap and each carries the hash of the one before it; signed checkpoints say from time to time
 * where each trail stands, and which trails there are. `verifyTrail` finds what was changed since.
 *
 * `record` resolves when the entry is durably in all of its trails; put `buffered` before it, so that many entries go
 * in one step.
 *
 * @throws PortcullisError `config_invalid` for options out of range
 * @example
 * ```ts
 * import { auditTrail, checkpointSigner, generateCheckpointKey, memoryTrails, verifyTrail } from '@portcullis/audit';
 *
 * const store = await memoryTrails();
 * const signer = await checkpointSigner(await generateCheckpointKey());
 * const trail = auditTrail({ store, signer });
 * await trail.record({ type: 'refusal', effect: 'deny', code: 'token_missing', requestId: 'r-1', latencyMs: 1 });
 * await trail.checkpoint();
 * const report = await verifyTrail({ records: store.records(), checkpoints: store.checkpoints(), keys: [signer.publicKey] });
 * console.log(report.intact, report.trails.map(({ trail, records }) => `${trail}: ${records}`)); // prints: true [ 'system: 1' ]
 * await trail.close();
 * ```
 */
export function auditTrail(options: AuditTrailOptions): AuditTrail {
  const { store, checkpointEvery = 1000, checkpointEveryMs = 900_000, clock = systemClock } = options;
  for (const [name, value] of Object.entries({ checkpointEvery, checkpointEveryMs })) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1)
      throw new PortcullisError('config_invalid', `the option \`${name}\` is out of range`);
  }
  const known = knownHeads();
  const rounds = checkpointRounds({ ...options, known, clock });
  const timer = setInterval(() => rounds.inBackground(1), checkpointEveryMs).unref();
  // What a crash left unsigned.
  rounds.inBackground(1);
  let closing: Promise<void> | undefined;

  async function recordAll(added: readonly AuditEntry[]): Promise<void> {
    if (closing !== undefined) throw unavailable('the audit trail is closed');
    if (added.length === 0) return;
    const entries = added.map((entry) => ({ trails: trailsOf(entry), text: storableEntry(entry) }));
    const time = new Date(clock()).toISOString();
    const after = await appended({ entries, time, known: known.among(trailsIn({ entries })) });
    for (const [trail, head] of after) known.learn(trail, head);
    if ([...after].some(([trail, { seq }]) => rounds.isDue(trail, seq))) rounds.inBackground(checkpointEvery);
  }

  async function appended(batch: TrailBatch): Promise<ReadonlyMap<string, TrailHead>> {
    try {
      const { before, after } = await store.append(batch);
      for (const [trail, seen] of batch.known) {
        const head = before.get(trail);
        if (head !== undefined) known.check(trail, head, seen);
      }
      if (after === undefined) throw unavailable('the store added nothing, and does not say why');
      const expected = chain(before, batch).after;
      for (const [trail, head] of expected) {
        if (after.get(trail)?.seq === head.seq && after.get(trail)?.hash === head.hash) continue;
        // What has to be there is what is known: the trail is not continued from anything else.
        known.learn(trail, head);
        throw unavailable(`the store chained the trail \`${trail}\` in another way than it has to be`);
      }
      return expected;
    } catch (error) {
      if (error instanceof PortcullisError && error.code === 'audit_unavailable') throw error;
      throw unavailable('the audit trail cannot be written', error);
    }
  }

  return {
    record: (entry) => recordAll([entry]),
    recordAll,
    checkpoint: () => rounds.run(1),
    flush: () => Promise.resolve(),
    close() {
      closing ??= (async () => {
        clearInterval(timer);
        try {
          await rounds.run(1);
        } finally {
          await store.close();
        }
      })();
      return closing;
    },
  };
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

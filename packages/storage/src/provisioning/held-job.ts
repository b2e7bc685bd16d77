import { PortcullisError, type Clock, type TenantId } from '@portcullis/core';
import type { JobJournal } from './job-journal.js';
import { jobRecord, type ArchiveRef, type JobRecord, type TenantJob } from './job.js';
import { journalConflict } from './journal-conflict.js';

/** A change of a job. */
export interface JobChange {
  readonly job?: Partial<TenantJob> | undefined;
  /** An archive that was found whole. */
  readonly archive?: ArchiveRef | undefined;
}

/** A job that this worker, and no other, is at work on. */
export interface HeldJob {
  readonly job: TenantJob;
  /** Ends when another worker may have taken over. */
  readonly signal: AbortSignal;
  /** Writes a change down. @throws PortcullisError `conflict` when another worker has taken over */
  save(change: JobChange): Promise<void>;
  /** Lets others at it. What fails here is left to the lease to end. */
  release(): Promise<void>;
}

/** What holding a job takes. */
export interface HoldOptions {
  readonly journal: JobJournal;
  readonly clock: Clock;
  readonly worker: string;
  readonly leaseMs: number;
}

/**
 * Takes hold of a tenant's job: writes down who is at work, by a compare-and-set of which one worker's alone succeeds,
 * and says so again every third of the lease for as long as the work goes on.
 *
 * @param begin - the record to begin or to go on with; throws when there is nothing to do
 * @throws PortcullisError `conflict` when another worker holds it
 */
export async function holdJob(
  { journal, clock, worker, leaseMs }: HoldOptions,
  tenant: TenantId,
  begin: (record: JobRecord | undefined) => Promise<Omit<JobRecord, 'lease'>>,
): Promise<HeldJob> {
  const entry = await journal.read(tenant);
  const found = entry && jobRecord(tenant, entry);
  if (found?.lease && found.lease.until > clock()) throw journalConflict(tenant);
  let record: JobRecord = { ...(await begin(found)), lease: null };
  let version = entry?.version ?? 0;
  let turn: Promise<unknown> = Promise.resolve();
  const lost = new AbortController();

  const write = (change: (before: JobRecord) => Omit<JobRecord, 'lease'>, held = true): Promise<void> => {
    const mine = turn.then(async () => {
      lost.signal.throwIfAborted();
      const lease = held ? { worker, until: clock() + leaseMs } : null;
      const next: JobRecord = { ...change(record), lease };
      version = await journal.write(tenant, next, version);
      record = next;
    });
    turn = mine.catch(() => undefined);
    return mine;
  };
  await write((before) => before);
  const beat = setInterval(() => {
    write((before) => before).catch((cause: unknown) => {
      lost.abort(cause instanceof Error ? cause : new PortcullisError('conflict', undefined, { cause }));
    });
  }, leaseMs / 3);
  beat.unref();

  return {
    get job() {
      return record.job;
    },
    signal: lost.signal,
    save: ({ job, archive }) =>
      write((before) => ({
        ...before,
        job: { ...before.job, ...job },
        archives: archive === undefined ? before.archives : [...before.archives, archive],
      })),
    async release() {
      clearInterval(beat);
      await write((before) => before, false).catch(() => undefined);
    },
  };
}

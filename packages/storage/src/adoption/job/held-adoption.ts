import { randomUUID } from 'node:crypto';
import { PortcullisError, type Clock, type TenantId } from '@portcullis/core';
import type { JobJournal } from '../../provisioning/job-journal.js';
import { journalConflict } from '../../provisioning/journal-conflict.js';
import { adoptionRecord, type AdoptionJob } from './adoption-job.js';

/** An adoption that this worker, and no other, is at work on. */
export interface HeldAdoption {
  readonly job: AdoptionJob;
  /** Ends when another worker may have taken over. */
  readonly signal: AbortSignal;
  /** Writes a change down. @throws PortcullisError `conflict` when another worker has taken over */
  save(change: Partial<AdoptionJob>): Promise<void>;
  /** Lets others at it. What fails here is left to the lease to end. */
  release(): Promise<void>;
}

/** What holding takes. */
export interface HoldAdoptionOptions {
  readonly jobs: JobJournal;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * Takes hold of a tenant's adoption by a compare-and-set, of which one worker's alone succeeds, and says so again every
 * third of the lease: as jobs of a tenant's life are held.
 *
 * @param begin - the job to begin or to go on with; throws when there is nothing to do
 * @throws PortcullisError `conflict` when another worker holds it
 */
export async function holdAdoption(
  { jobs, clock, leaseMs }: HoldAdoptionOptions,
  tenant: TenantId,
  begin: (found: AdoptionJob | undefined) => AdoptionJob,
): Promise<HeldAdoption> {
  const worker = randomUUID();
  const entry = await jobs.read(tenant);
  const found = entry && adoptionRecord(tenant, entry);
  if (found?.lease && found.lease.until > clock()) throw journalConflict(tenant);
  let job = begin(found?.job);
  let version = entry?.version ?? 0;
  let turn: Promise<unknown> = Promise.resolve();
  const lost = new AbortController();

  const write = (change: Partial<AdoptionJob>, held = true): Promise<void> => {
    const mine = turn.then(async () => {
      lost.signal.throwIfAborted();
      const next = { ...job, ...change };
      const lease = held ? { worker, until: clock() + leaseMs } : null;
      version = await jobs.write(tenant, { tenant, kind: 'adoption', job: next, lease }, version);
      job = next;
    });
    turn = mine.catch(() => undefined);
    return mine;
  };
  await write({});
  const beat = setInterval(() => {
    write({}).catch((cause: unknown) => {
      lost.abort(cause instanceof Error ? cause : new PortcullisError('conflict', undefined, { cause }));
    });
  }, leaseMs / 3);
  beat.unref();

  return {
    get job() {
      return job;
    },
    signal: lost.signal,
    save: (change) => write(change),
    async release() {
      clearInterval(beat);
      await write({}, false).catch(() => undefined);
    },
  };
}

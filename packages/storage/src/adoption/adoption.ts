import { randomUUID } from 'node:crypto';
import { isTenantId, PortcullisError, systemClock, type Clock, type TenantId } from '@portcullis/core';
import { refused, unavailable } from '../access.js';
import type {
  AdoptionAction,
  AdoptionCall,
  AdoptionCounts,
  AdoptionPlan,
  AdoptionStep,
  FinishOptions,
  UndoOptions,
} from './adoption-step.js';
import type { AdoptionJournal } from './job/adoption-journal.js';
import { adoptionRecord, type AdoptionJob } from './job/adoption-job.js';
import { holdAdoption, type HeldAdoption } from './job/held-adoption.js';

/** What an adoption is set up of. */
export interface AdoptionOptions {
  /** Whose the data becomes. */
  readonly tenant: TenantId;
  /** The stores, in the order in which they are adopted. They go back in the opposite one. */
  readonly steps: readonly AdoptionStep[];
  readonly journal: AdoptionJournal;
  /** Records each step before it is taken. Rejects: the step is not taken. @defaultValue nothing is recorded */
  readonly record?: ((event: AdoptionEvent) => Promise<void>) | undefined;
  /** @defaultValue this machine's */
  readonly clock?: Clock | undefined;
  /** How long a worker that does not write any more is taken to be alive, in milliseconds. @defaultValue 60000 */
  readonly leaseMs?: number | undefined;
}

/** A step, as it is recorded. */
export interface AdoptionEvent {
  readonly tenant: TenantId;
  readonly action: AdoptionAction;
  readonly job: string;
  readonly step: string;
}

/** Told when a step begins, on its way, and when it is done. */
export interface AdoptionProgress extends Omit<AdoptionEvent, 'job'> {
  /** Which of the steps that are left in this call it is, from 1. */
  readonly index: number;
  readonly of: number;
  readonly state: 'started' | 'working' | 'done';
  readonly counts?: AdoptionCounts | undefined;
}

/** How one call works. */
export interface AdoptionCallOptions {
  readonly onProgress?: ((progress: AdoptionProgress) => void) | undefined;
  /** Ends the call between two pieces of work. What is done stays, and the next call goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** A step that was taken, or would be. */
export interface AdoptionStepReport {
  readonly step: string;
  readonly counts: AdoptionCounts;
  /** In a dry run: what it would do. */
  readonly plan?: AdoptionPlan | undefined;
}

/** What a call did, or would do. */
export interface AdoptionReport {
  readonly tenant: TenantId;
  readonly action: AdoptionAction;
  /** `planned`: a dry run. */
  readonly state: 'planned' | 'adopted' | 'finished' | 'undone';
  /** The steps that this call took, in order. */
  readonly steps: readonly AdoptionStepReport[];
}

/** The data of a server without tenants, on its way to one tenant and back. */
export interface Adoption {
  /** Says what an action would do, and how much of it there is. Changes nothing. @defaultValue of `run` */
  dryRun(options?: AdoptionCallOptions & UndoOptions & { readonly action?: AdoptionAction }): Promise<AdoptionReport>;
  /** Gives the data to the tenant. Goes on where an earlier call was cut short. */
  run(options?: AdoptionCallOptions): Promise<AdoptionReport>;
  /** Deletes what `run` left in the old places, once the server with tenants has proven itself. */
  finish(options?: AdoptionCallOptions & FinishOptions): Promise<AdoptionReport>;
  /** Brings the data back to where it was: in the middle of a `run`, after it, and after `finish`. */
  undo(options?: AdoptionCallOptions & UndoOptions): Promise<AdoptionReport>;
  /** What the journal has of it; `undefined` when it has nothing. */
  status(): Promise<AdoptionJob | undefined>;
}

/**
 * Sets up an adoption: the data of a server that knew no tenants becomes the data of one.
 *
 * Every action is a row of steps; each is written down before it begins and when it is done, and can be called again
 * after a crash at any point. One worker is at it at a time. Stop the old server before `run`, and the new one before
 * `undo`: nothing keeps them from writing into what is being moved.
 *
 * It works with the rights of whoever holds the stores: the tables' owner, the whole Keyv store, the bucket. Never give
 * any of those to the server.
 *
 * @throws PortcullisError `config_invalid`. The calls reject with `conflict` while another worker is at it,
 * `storage_refused` for what is not to be done, and what the steps reject with.
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { tenantId } from '@portcullis/core';
 * import { adoption, adoptKeys, memoryAdoptionJournal } from '@portcullis/storage/adoption';
 *
 * const keyv = new Keyv();
 * await keyv.set('greeting', 'hello');
 * const move = adoption({ tenant: tenantId('system'), steps: [adoptKeys(keyv)], journal: memoryAdoptionJournal() });
 * console.log((await move.run()).steps); // prints: [ { step: 'keys', counts: { copied: 1 } } ]
 * ```
 */
export function adoption(options: AdoptionOptions): Adoption {
  requireOptions(options);
  const { tenant, steps, journal, record, clock = systemClock, leaseMs = 60_000 } = options;

  const found = async (): Promise<AdoptionJob | undefined> => {
    const entry = await journal.jobs.read(tenant);
    return entry && adoptionRecord(tenant, entry).job;
  };

  const callOf = (step: AdoptionStep, held: HeldAdoption, { signal }: AdoptionCallOptions): AdoptionCall => ({
    tenant,
    signal: signal === undefined ? held.signal : AbortSignal.any([held.signal, signal]),
    ledger: journal.ledger(step.name),
    progress: () => undefined,
  });

  async function take(
    held: HeldAdoption,
    action: AdoptionAction,
    how: AdoptionCallOptions,
    work: (step: AdoptionStep, call: AdoptionCall) => Promise<AdoptionCounts>,
  ): Promise<readonly AdoptionStepReport[]> {
    const left = stepsOf(action, steps, held.job).filter(({ name }) => !held.job.done.includes(name));
    const reports: AdoptionStepReport[] = [];
    for (const [at, step] of left.entries()) {
      const call = callOf(step, held, how);
      call.signal.throwIfAborted();
      await record?.({ tenant, action, job: held.job.id, step: step.name });
      const told = { tenant, action, step: step.name, index: at + 1, of: left.length };
      if (action === 'run' && !held.job.begun.includes(step.name))
        await held.save({ begun: [...held.job.begun, step.name] });
      how.onProgress?.({ ...told, state: 'started' });
      const progress = (counts: AdoptionCounts): void => how.onProgress?.({ ...told, state: 'working', counts });
      const counts = await work(step, { ...call, progress });
      if (action === 'undo') await call.ledger.clear();
      await held.save({ done: [...held.job.done, step.name] });
      how.onProgress?.({ ...told, state: 'done', counts });
      reports.push({ step: step.name, counts });
    }
    return reports;
  }

  async function perform(
    action: AdoptionAction,
    how: AdoptionCallOptions,
    work: (step: AdoptionStep, call: AdoptionCall) => Promise<AdoptionCounts>,
    before?: (step: AdoptionStep, call: AdoptionCall) => Promise<void>,
  ): Promise<AdoptionReport> {
    const { signal } = how;
    const { working, ended } = endings[action];
    try {
      signal?.throwIfAborted();
      if ((await found())?.state === ended && action !== 'undo') return { tenant, action, state: ended, steps: [] };
      let next: AdoptionJob | undefined;
      const held = await holdAdoption({ jobs: journal.jobs, clock, leaseMs }, tenant, (present) => {
        next = begin(action, present, clock());
        return present === undefined || action === 'run' ? next : present;
      });
      try {
        // Until nothing speaks against it, the job is what it was.
        for (const step of stepsOf(action, steps, held.job)) await before?.(step, callOf(step, held, how));
        if (held.job.state !== working) await held.save(next ?? {});
        const taken = await take(held, action, how, work);
        await held.save({ state: ended, done: [] });
        return { tenant, action, state: ended, steps: taken };
      } finally {
        await held.release();
      }
    } catch (error) {
      throw signal?.aborted === true && error === signal.reason ? unavailable(error, 'the caller went away') : error;
    }
  }

  return {
    async dryRun({ action = 'run', signal = new AbortController().signal, ...how } = {}) {
      const job = begin(action, await found(), clock());
      const planned: AdoptionStepReport[] = [];
      for (const step of stepsOf(action, steps, job)) {
        signal.throwIfAborted();
        const ledger = readOnly(journal.ledger(step.name));
        const plan = await step.plan({ tenant, signal, ledger, progress: () => undefined }, action, how);
        planned.push({ step: step.name, counts: plan.counts, plan });
      }
      return { tenant, action, state: 'planned', steps: planned };
    },
    run: (how = {}) => perform('run', how, (step, call) => step.run(call)),
    finish: (how = {}) => perform('finish', how, (step, call) => step.finish(call, how)),
    undo: (how = {}) =>
      perform(
        'undo',
        how,
        (step, call) => step.undo(call, how),
        (step, call) => step.beforeUndo(call, how),
      ),
    status: found,
  };
}

const endings = {
  run: { working: 'running', ended: 'adopted' },
  finish: { working: 'finishing', ended: 'finished' },
  undo: { working: 'undoing', ended: 'undone' },
} as const;

/** From which states an action begins; it goes on from its own. */
const beginnings: Readonly<Record<AdoptionAction, readonly (AdoptionJob['state'] | undefined)[]>> = {
  run: [undefined, 'undone'],
  finish: ['adopted'],
  undo: ['running', 'adopted', 'finishing', 'finished'],
};

function begin(action: AdoptionAction, found: AdoptionJob | undefined, now: number): AdoptionJob {
  const { working } = endings[action];
  if (found?.state === working) return found;
  if (!beginnings[action].includes(found?.state))
    throw refused(
      `\`${action}\` has no place here: the adoption is ${found === undefined ? 'not begun' : `\`${found.state}\``}`,
    );
  if (action === 'run' || found === undefined)
    return { id: randomUUID(), state: working, startedAt: now, begun: [], done: [] };
  return { ...found, state: working, done: [] };
}

/** What has been begun is taken back, the latest first. */
function stepsOf(
  action: AdoptionAction,
  steps: readonly AdoptionStep[],
  { begun }: AdoptionJob,
): readonly AdoptionStep[] {
  if (action === 'run') return steps;
  const missing = begun.filter((name) => !steps.some((step) => step.name === name));
  if (missing.length > 0)
    throw refused(`the adoption was begun with \`${missing.join('`, `')}\`, and no such step is set up`);
  const taken = steps.filter(({ name }) => begun.includes(name));
  return action === 'undo' ? taken.toReversed() : taken;
}

function readOnly(ledger: AdoptionCall['ledger']): AdoptionCall['ledger'] {
  const refuse = (): Promise<never> => Promise.reject(new TypeError('a plan writes nothing'));
  return { read: () => ledger.read(), append: refuse, clear: refuse };
}

function requireOptions({ tenant, steps, leaseMs = 1 }: AdoptionOptions): void {
  if (!isTenantId(tenant)) throw new PortcullisError('config_invalid', 'tenant: not a well-formed tenant id');
  if (!Number.isSafeInteger(leaseMs) || leaseMs < 1)
    throw new PortcullisError('config_invalid', 'leaseMs: must be a whole number of milliseconds, at least 1');
  const names = steps.map(({ name }) => name);
  for (const name of names)
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name))
      throw new PortcullisError('config_invalid', `steps: \`${name}\` is no name for a step`);
  if (names.length === 0 || new Set(names).size !== names.length)
    throw new PortcullisError('config_invalid', 'steps: there must be one at least, and no two of one name');
}

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isSealedOperatorContext,
  systemClock,
  type LifecycleAction,
  type OperatorContext,
  type TenantId,
} from '@portcullis/core';
import { refused, tenantOfOperator, unavailable } from '../access.js';
import { archivingSteps, removingSteps, type DeprovisionParts } from './deprovision-steps.js';
import { holdJob } from './held-job.js';
import {
  beginCancel,
  beginDeprovision,
  beginProvision,
  beginRestore,
  beginRollback,
  type Beginning,
  type BeginningParts,
} from './job-beginnings.js';
import { jobRecord, type JobRecord, type TenantJob } from './job.js';
import { requireLifecycleOptions, type TenantLifecycleOptions } from './lifecycle-options.js';
import type { LifecycleReport, SweepReport } from './lifecycle-report.js';
import type { LifecycleCallOptions, TenantLifecycle } from './lifecycle.js';
import { verifiedManifest, type Manifest } from './manifest.js';
import { provisionSteps, rollbackSteps } from './provision-steps.js';
import { reactivation } from './registration.js';
import { restoreSteps } from './restore-steps.js';
import { runSteps, type Step, type StepReport } from './step.js';
import type { ResourceCall } from './tenant-resource.js';

/** One call, as far as it differs from the others. */
interface Task {
  readonly action: LifecycleAction;
  readonly begin: (found: JobRecord | undefined, parts: BeginningParts) => Promise<Beginning>;
  readonly steps: (job: TenantJob, dryRun: boolean) => readonly Step[];
}

/**
 * Sets up the lives of tenants over the storage that they have.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { keyvStorage } from '@portcullis/storage/keyv';
 * import { keysResource, memoryArchive, memoryJournal, tenantLifecycle } from '@portcullis/storage/provisioning';
 * import { memoryStore } from '@portcullis/tenants';
 *
 * const keys = keyvStorage({ keyv: new Keyv(), operatorAccess: async () => {} });
 * const registry = memoryStore();
 * const lifecycle = tenantLifecycle({
 *   resources: [keysResource(keys)],
 *   registry,
 *   journal: memoryJournal(),
 *   archive: memoryArchive(),
 *   record: async ({ step }) => console.error(step), // recordsLifecycle(audit) of @portcullis/audit
 * });
 * console.log(typeof lifecycle.provision); // prints: function
 * await keys.close();
 * ```
 */
export function tenantLifecycle(options: TenantLifecycleOptions): TenantLifecycle {
  requireLifecycleOptions(options);
  const { resources, registry, archive, journal, record, clock = systemClock } = options;
  const { leaseMs = 60_000, settleMs = 30_000, retentionMs = 30 * 86_400_000, wait = waited } = options;
  const parts: DeprovisionParts = { resources, registry, archive, clock, wait, settleMs, retentionMs };

  /** Vouches for the operator, now; with an event, records it. */
  async function admit(operator: OperatorContext, tenant: TenantId, event?: Event): Promise<void> {
    await tenantOfOperator(operator, tenant, 'lifecycle', {
      clock,
      operatorAccess: () => (event === undefined ? Promise.resolve() : record({ operator, tenant, ...event })),
    });
  }

  async function found(tenant: TenantId): Promise<JobRecord | undefined> {
    const entry = await journal.read(tenant);
    return entry && jobRecord(tenant, entry);
  }

  async function perform(
    operator: OperatorContext,
    tenant: TenantId,
    how: LifecycleCallOptions,
    task: Task,
  ): Promise<LifecycleReport> {
    await admit(operator, tenant);
    const { action, begin, steps } = task;
    const callers = how.signal ?? new AbortController().signal;
    const looking: ResourceCall = { tenant, operator, signal: callers };
    const over: BeginningParts = { resources, registry, now: clock(), call: looking };
    try {
      callers.throwIfAborted();
      if (how.dryRun === true) {
        await admit(operator, tenant, { action, job: 'none', step: 'dry-run' });
        const { job } = await begin(await found(tenant), over);
        return reported(job, tenant, 'planned', await planned(steps(job, true), job, looking));
      }
      const held = await holdJob({ journal, clock, worker: randomUUID(), leaseMs }, tenant, async (before) => {
        const next = await begin(before, over);
        await admit(operator, tenant, { action, job: next.job.id, step: 'begin' });
        return next;
      });
      try {
        const call = { tenant, operator, signal: AbortSignal.any([held.signal, callers]) };
        const taken = await runSteps(steps(held.job, false), {
          held,
          call,
          admit: (step) => admit(operator, tenant, { action, job: held.job.id, step }),
          onProgress: how.onProgress,
        });
        const state = isArchivedOnly(held.job) ? 'retained' : 'done';
        if (state === 'done') await held.save({ job: { state } });
        return reported(held.job, tenant, state, taken);
      } finally {
        await held.release();
      }
    } catch (error) {
      throw callers.aborted && error === callers.reason ? unavailable(error, 'the caller went away') : error;
    }
  }

  async function deprovision(
    operator: OperatorContext,
    tenant: TenantId,
    how: LifecycleCallOptions = {},
  ): Promise<LifecycleReport> {
    await admit(operator, tenant);
    const job = (await found(tenant))?.job;
    if (job?.state === 'retained' && !isDue(job, clock())) return reported(job, tenant, 'retained', []);
    return perform(operator, tenant, how, {
      action: 'deprovision',
      begin: (before, over) => beginDeprovision(over, before),
      steps: (current, dryRun) => [
        ...(current.state === 'retained' ? [] : archivingSteps(parts)),
        ...(current.state === 'retained' || dryRun ? removingSteps(parts, current) : []),
      ],
    });
  }

  return {
    provision: async (operator, tenant, how = {}) =>
      perform(operator, tenant.id, how, {
        action: 'provision',
        begin: (before, over) => beginProvision(over, before, tenant, how.adopt === true),
        steps: () => provisionSteps(resources, registry, tenant),
      }),
    rollback: async (operator, tenant, how = {}) =>
      perform(operator, tenant, how, {
        action: 'rollback',
        begin: (before, over) => beginRollback(over, before),
        steps: (job) => rollbackSteps(resources, registry, job),
      }),
    deprovision,
    cancel: async (operator, tenant, how = {}) =>
      perform(operator, tenant, how, {
        action: 'cancel',
        begin: (before, over) => Promise.resolve(beginCancel(over, before)),
        steps: () => [reactivation(registry)],
      }),
    async restore(operator, tenant, archiveId, how = {}) {
      await admit(operator, tenant);
      const known = (await found(tenant))?.archives.find(({ id }) => id === archiveId);
      if (known === undefined) throw refused(`the journal knows no archive \`${archiveId}\` of the tenant`);
      const manifest = await verifiedManifest(archive, { ...known, tenant });
      requireResources(manifest, options);
      return perform(operator, tenant, how, {
        action: 'restore',
        begin: (before, over) => beginRestore(over, before, known),
        steps: () => restoreSteps(resources, registry, { store: archive, id: archiveId, manifest }),
      });
    },
    async sweep(operator, how = {}) {
      if (!isSealedOperatorContext(operator)) throw refused('not an operator context that was vouched for');
      const reports: SweepReport[] = [];
      for (const tenant of await journal.tenants()) {
        if (!covers(operator, tenant)) continue;
        await admit(operator, tenant);
        try {
          const job = (await found(tenant))?.job;
          if (job?.state !== 'retained' || job.action !== 'deprovision' || !isDue(job, clock())) continue;
          reports.push({ tenant, report: await deprovision(operator, tenant, how) });
        } catch (error) {
          reports.push({ tenant, error });
        }
      }
      return reports;
    },
    async status(operator, tenant) {
      await admit(operator, tenant);
      const entry = await found(tenant);
      return entry && { job: entry.job, archives: entry.archives };
    },
  };
}

interface Event {
  readonly action: LifecycleAction;
  readonly job: string;
  readonly step: string;
}

/** Other tenants' are none of this operator's business, not even as refusals. */
function covers(operator: OperatorContext, tenant: TenantId): boolean {
  return operator.tenants === 'all' || operator.tenants.includes(tenant);
}

function isDue({ retainUntil }: TenantJob, now: number): boolean {
  return retainUntil !== undefined && now >= retainUntil;
}

function isArchivedOnly({ action, done }: TenantJob): boolean {
  return action === 'deprovision' && !done.includes('recheck');
}

function requireResources({ resources }: Manifest, options: TenantLifecycleOptions): void {
  const missing = resources.map(({ name }) => name).filter((name) => !options.resources.some((it) => it.name === name));
  if (missing.length > 0)
    throw refused(`the archive holds \`${missing.join('`, `')}\`, and no such resource is set up`);
}

async function planned(steps: readonly Step[], job: TenantJob, call: ResourceCall): Promise<readonly StepReport[]> {
  const reports: StepReport[] = [];
  for (const step of steps)
    if (!job.done.includes(step.name)) reports.push({ step: step.name, ...(await step.plan(call)) });
  return reports;
}

function reported(
  job: TenantJob,
  tenant: TenantId,
  state: LifecycleReport['state'],
  steps: readonly StepReport[],
): LifecycleReport {
  const { action, id, archive, retainUntil } = job;
  return { tenant, action, job: id, state, steps, archive: archive?.id, retainUntil };
}

async function waited(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

import { randomUUID } from 'node:crypto';
import { PortcullisError, type Clock, type TenantId } from '@portcullis/core';
import type { ArchiveStore } from './archive-store.js';
import type { ArchiveRef, TenantJob } from './job.js';
import { verifiedManifest } from './manifest.js';
import { removal } from './provision-steps.js';
import { requireSuspended, unregistration } from './registration.js';
import { registryEntry } from './registry-entry.js';
import { statusMark } from './status-mark.js';
import type { Step, StepOutcome, StepRun } from './step.js';
import type { TenantRecords } from './tenant-records.js';
import type { Counts, ResourceCall, TenantResource } from './tenant-resource.js';
import { writeArchive } from './write-archive.js';

/** What ending a tenant takes. */
export interface DeprovisionParts {
  readonly resources: readonly TenantResource[];
  readonly registry: TenantRecords;
  readonly archive: ArchiveStore;
  readonly clock: Clock;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly settleMs: number;
  readonly retentionMs: number;
}

/** Shuts the tenant out, and exports what it has into an archive that is read back. Deletes nothing. */
export function archivingSteps(parts: DeprovisionParts): readonly Step[] {
  const { registry, clock, wait, settleMs, retentionMs } = parts;
  return [
    {
      name: 'suspend',
      plan: () => Promise.resolve({ does: 'suspends the tenant in the registry' }),
      async run({ call: { tenant }, held: { job } }) {
        await registry.updateTenant(tenant, { status: statusMark(job.id, 'deprovision') });
        return {};
      },
    },
    {
      name: 'settle',
      plan: () =>
        Promise.resolve({ does: `waits ${String(settleMs)} ms, until no replica has the tenant in its cache` }),
      // From the beginning when it was cut short: another machine's clock is not to be counted on.
      async run({ call }) {
        await wait(settleMs, call.signal);
        return {};
      },
    },
    {
      name: 'archive',
      plan: async (call) => ({ does: 'exports everything into an archive', counts: await describeAll(parts, call) }),
      run: (run) => archived(parts, run),
    },
    {
      name: 'verify',
      plan: () => Promise.resolve({ does: 'reads the archive back and compares every checksum' }),
      async run({ call: { tenant }, held: { job } }) {
        await requireSuspended(registry, tenant, job.id);
        const archive = await verified(parts.archive, tenant, job);
        return { archive, job: { state: 'retained', retainUntil: clock() + retentionMs } };
      },
    },
  ];
}

/** Deletes what an archived tenant has, in the opposite order, and its record last of all. */
export function removingSteps({ resources, registry, archive }: DeprovisionParts, job: TenantJob): readonly Step[] {
  const stillSuspended = ({ tenant }: ResourceCall): Promise<unknown> => requireSuspended(registry, tenant, job.id);
  return [
    {
      name: 'recheck',
      plan: () => Promise.resolve({ does: 'reads the archive again, and looks whether the tenant is still suspended' }),
      async run({ call, held }) {
        await stillSuspended(call);
        await verified(archive, call.tenant, held.job);
        return {};
      },
    },
    ...resources.toReversed().map((resource) => removal(resource, stillSuspended)),
    unregistration(registry),
  ];
}

async function archived({ resources, registry, archive, clock }: DeprovisionParts, run: StepRun): Promise<StepOutcome> {
  const { call, held } = run;
  const { job } = held;
  const present = await requireSuspended(registry, call.tenant, job.id);
  // What an interrupted attempt left is dropped and never trusted: nobody knows who has finished it.
  if (job.archive !== undefined) await archive.remove(job.archive.id);
  const started = { id: randomUUID(), writtenAt: clock() };
  await held.save({ job: { archive: started } });
  const tenant = { ...present, status: job.statusBefore ?? present.status };
  const { checksum, counts } = await writeArchive(archive, {
    ...started,
    job: job.id,
    registry: await registryEntry(registry, tenant),
    resources,
    call,
  });
  return { counts, job: { archive: { ...started, checksum } } };
}

async function verified(store: ArchiveStore, tenant: TenantId, { archive }: TenantJob): Promise<ArchiveRef> {
  if (archive?.checksum === undefined)
    throw new PortcullisError('storage_refused', undefined, { detail: 'the journal has no checksum of the archive' });
  const { id, checksum, writtenAt } = archive;
  await verifiedManifest(store, { id, checksum, tenant });
  return { id, checksum, writtenAt };
}

async function describeAll({ resources }: DeprovisionParts, call: ResourceCall): Promise<Counts> {
  const all: Record<string, number> = {};
  for (const resource of resources)
    for (const [what, count] of Object.entries(await resource.describe(call))) all[`${resource.name}.${what}`] = count;
  return all;
}

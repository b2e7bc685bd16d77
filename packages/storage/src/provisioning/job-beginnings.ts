import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { PortcullisError, type TenantId } from '@portcullis/core';
import { refused } from '../access.js';
import type { JobRecord, TenantJob } from './job.js';
import { isMarked } from './status-mark.js';
import type { NewTenantRecord, TenantRecords } from './tenant-records.js';
import type { ResourceCall, TenantResource } from './tenant-resource.js';

/** A record to begin a job with, or to go on with one. */
export type Beginning = Omit<JobRecord, 'lease'>;

/** What a job begins over. */
export interface BeginningParts {
  readonly resources: readonly TenantResource[];
  readonly registry: TenantRecords;
  readonly now: number;
  readonly call: ResourceCall;
}

const blank = { begun: [], done: [], existed: [], undoes: [] };

function begun(
  { call: { tenant }, now }: BeginningParts,
  found: JobRecord | undefined,
  job: Partial<TenantJob> & Pick<TenantJob, 'action'>,
): Beginning {
  return {
    tenant,
    job: { id: randomUUID(), state: 'running', startedAt: now, ...blank, ...job },
    archives: found?.archives ?? [],
  };
}

/** Begins to make a tenant, or goes on with it. @param adopt - what is there of the tenant becomes the new one's */
export async function beginProvision(
  parts: BeginningParts,
  found: JobRecord | undefined,
  newTenant: NewTenantRecord,
  adopt: boolean,
): Promise<Beginning> {
  // As the journal will have it.
  const record: unknown = JSON.parse(JSON.stringify(newTenant));
  if (found !== undefined && found.job.state !== 'done') {
    if (found.job.action !== 'provision') throw busy(found);
    if (isDeepStrictEqual(found.job.newTenant, record)) return found;
    throw new PortcullisError('conflict', `tenant \`${found.tenant}\` is being made with another record`, {
      detail: 'go on with the same record, or roll back first',
    });
  }
  const existed = await whatExists(parts);
  if (existed.length > 0 && !existed.includes('registry') && !adopt)
    throw new PortcullisError('conflict', `\`${existed.join('`, `')}\` holds something of no registered tenant`, {
      detail: `left by an earlier tenant of the id \`${parts.call.tenant}\`? remove it, or say \`adopt\` to hand it over`,
    });
  return begun(parts, found, { action: 'provision', existed, newTenant: record });
}

/** Begins to restore a tenant, or goes on with it. */
export async function beginRestore(
  parts: BeginningParts,
  found: JobRecord | undefined,
  archive: { readonly id: string; readonly checksum: string; readonly writtenAt: number },
): Promise<Beginning> {
  if (found !== undefined && found.job.state !== 'done') {
    if (found.job.action !== 'restore' || found.job.archive?.id !== archive.id) throw busy(found);
    return found;
  }
  const existed = await whatExists(parts);
  if (existed.length > 0)
    throw new PortcullisError('conflict', `\`${existed.join('`, `')}\` holds something of the tenant already`, {
      detail: 'a restore makes a tenant anew, and writes over nothing',
    });
  return begun(parts, found, { action: 'restore', archive });
}

/** Begins to undo a job that made something and did not come to its end. */
export async function beginRollback(
  { registry, now }: BeginningParts,
  found: JobRecord | undefined,
): Promise<Beginning> {
  if (found === undefined || found.job.state === 'done') throw refused('there is no unfinished job to roll back');
  const { job, tenant } = found;
  if (job.action === 'rollback') return found;
  if (job.action !== 'provision' && job.action !== 'restore')
    throw refused(`a \`${job.action}\` is not rolled back: \`cancel\` ends a retention`);
  const present = await registry.getTenant(tenant);
  if (job.begun.includes('activate') && present !== undefined && !isMarked(present, job.id))
    throw refused('the tenant was let in and may have worked: finish the job, then deprovision');
  return {
    ...found,
    job: { ...job, action: 'rollback', startedAt: now, undoes: job.begun, begun: [], done: [] },
  };
}

/** Begins to end a tenant, or goes on with it. */
export async function beginDeprovision(parts: BeginningParts, found: JobRecord | undefined): Promise<Beginning> {
  if (found !== undefined && found.job.state !== 'done') {
    if (found.job.action !== 'deprovision') throw busy(found);
    return found;
  }
  const { tenant } = parts.call;
  const present = await parts.registry.getTenant(tenant);
  if (present === undefined)
    throw new PortcullisError('tenant_unknown', undefined, { detail: `no tenant \`${tenant}\` is registered` });
  return begun(parts, found, { action: 'deprovision', statusBefore: present.status });
}

/** Begins to take a deprovisioning back. */
export function beginCancel({ now }: BeginningParts, found: JobRecord | undefined): Beginning {
  if (found === undefined || found.job.state === 'done') throw refused('there is no deprovisioning to cancel');
  const { job } = found;
  if (job.action === 'cancel') return found;
  if (job.action !== 'deprovision') throw busy(found);
  if (removalHasBegun(job)) throw refused('the removal has begun: let it end, then restore the archive');
  return { ...found, job: { ...job, action: 'cancel', state: 'running', startedAt: now, begun: [], done: [] } };
}

/** Whether something may be deleted already. */
function removalHasBegun({ begun: steps }: TenantJob): boolean {
  return steps.some((step) => step.startsWith('remove:') || step === 'unregister');
}

async function whatExists({ resources, registry, call }: BeginningParts): Promise<string[]> {
  const existed: string[] = [];
  for (const resource of resources) if (await resource.has(call)) existed.push(resource.name);
  if ((await registry.getTenant(call.tenant)) !== undefined) existed.push('registry');
  return existed;
}

function busy({ tenant, job }: { readonly tenant: TenantId; readonly job: TenantJob }): PortcullisError {
  return new PortcullisError('conflict', `tenant \`${tenant}\` has an unfinished \`${job.action}\``);
}

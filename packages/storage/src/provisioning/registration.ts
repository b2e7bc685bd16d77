import { PortcullisError, type Tenant, type TenantId, type TenantStatus } from '@portcullis/core';
import type { ArchivedRecord } from './registry-entry.js';
import { isMarked, statusMark } from './status-mark.js';
import type { Step } from './step.js';
import type { NewTenantRecord, TenantRecords } from './tenant-records.js';

/**
 * The last two steps of making a tenant: its record, suspended and marked as the job's, and then its status. Until the
 * second the gate lets nobody in, and whose the record is can be told after a crash.
 *
 * @param source - the record, and the members of a restored one
 */
export function registration(
  registry: TenantRecords,
  doing: 'provision' | 'restore',
  source: (
    tenant: TenantId,
  ) => Promise<{ readonly record: NewTenantRecord; readonly members: ArchivedRecord['members'] }>,
): readonly Step[] {
  const register: Step = {
    name: 'register',
    plan: () => Promise.resolve({ does: 'creates the record in the registry, suspended' }),
    async run({ call: { tenant }, held: { job } }) {
      if (job.existed.includes('registry')) return {};
      const { record, members } = await source(tenant);
      const present = await registry.getTenant(tenant);
      if (present === undefined)
        await registry.createTenant({ ...record, id: tenant, status: statusMark(job.id, doing) });
      else if (!isMarked(present, job.id)) throw touched(tenant);
      for (const { userId, roles } of members) await registry.putMember(tenant, userId, roles);
      return { counts: { records: 1, members: members.length } };
    },
  };
  const activate: Step = {
    name: 'activate',
    plan: () => Promise.resolve({ does: 'gives the tenant its status, which lets its users in' }),
    async run({ call: { tenant }, held: { job } }) {
      const present = await registry.getTenant(tenant);
      if (present === undefined) throw touched(tenant);
      // Whatever else it says was said by somebody since.
      if (!isMarked(present, job.id)) return {};
      const { record } = await source(tenant);
      await registry.updateTenant(tenant, { status: record.status ?? { state: 'active' } });
      return {};
    },
  };
  return [register, activate];
}

/** Takes the job's own record away again, as long as nobody could use it. */
export function unregistration(registry: TenantRecords): Step {
  return {
    name: 'unregister',
    plan: () => Promise.resolve({ does: 'deletes the record in the registry' }),
    async run({ call: { tenant }, held: { job } }) {
      const present = await registry.getTenant(tenant);
      if (present === undefined) return {};
      if (!isMarked(present, job.id)) throw touched(tenant);
      await registry.deleteTenant(tenant);
      return { counts: { records: 1 } };
    },
  };
}

/** The tenant’s record, still suspended by this job. @throws PortcullisError `conflict` when it is not */
export async function requireSuspended(registry: TenantRecords, tenant: TenantId, job: string): Promise<Tenant> {
  const present = await registry.getTenant(tenant);
  if (present === undefined || !isMarked(present, job)) throw touched(tenant);
  return present;
}

/** Gives a suspended tenant back the status that it had. */
export function reactivation(registry: TenantRecords): Step {
  return {
    name: 'reactivate',
    plan: () => Promise.resolve({ does: 'gives the tenant back the status that it had' }),
    async run({ call: { tenant }, held: { job } }) {
      const present = await registry.getTenant(tenant);
      const before: TenantStatus | undefined = job.statusBefore;
      if (present === undefined || before === undefined) throw touched(tenant);
      if (isMarked(present, job.id)) await registry.updateTenant(tenant, { status: before });
      return {};
    },
  };
}

function touched(tenant: TenantId): PortcullisError {
  return new PortcullisError('conflict', `the record of tenant \`${tenant}\` is not as this job left it`, {
    detail: 'somebody registered, reactivated or deleted the tenant meanwhile',
  });
}

import type { Tenant, TenantStatus } from '@portcullis/core';

/**
 * The status that a job gives a tenant while it is at work: suspended, with the job named. Whether a record is as this
 * job left it, or somebody has touched it since, can then be told.
 */
export function statusMark(job: string, doing: 'provision' | 'deprovision' | 'restore'): TenantStatus {
  return { state: 'suspended', reason: `${doing} ${job}` };
}

/** Whether a record carries a job's mark. */
export function isMarked(tenant: Tenant, job: string): boolean {
  const { status } = tenant;
  if (status.state !== 'suspended' || status.reason === undefined) return false;
  return /^(?:provision|deprovision|restore) (.+)$/.exec(status.reason)?.[1] === job;
}

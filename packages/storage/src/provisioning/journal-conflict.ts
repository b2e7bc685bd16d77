import { PortcullisError, type TenantId } from '@portcullis/core';

/** Somebody else wrote the tenant's entry meanwhile. */
export function journalConflict(tenant: TenantId): PortcullisError {
  return new PortcullisError('conflict', `another worker is at work on tenant \`${tenant}\``);
}

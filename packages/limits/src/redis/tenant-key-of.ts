import type { TenantId } from '@portcullis/core';

/** Names a key of a tenant's. */
export type TenantKey = (tenant: TenantId, ...parts: readonly string[]) => string;

/**
 * Names keys so that no two meanings meet in one, and all of a tenant's are in one slot of a cluster: the tenant's id,
 * which has no brace, is the hash tag, and what follows is a JSON array.
 *
 * @throws TypeError for a prefix with a brace: the hash tag would be another
 */
export function tenantKeyOf(prefix: string): TenantKey {
  if (/[{}]/.test(prefix)) throw new TypeError('`prefix` must have no brace');
  return (tenant, ...parts) => `${prefix}:{${tenant}}:${JSON.stringify(parts)}`;
}

import type { TenantStore } from '@portcullis/tenants';
import type { MemberCaller } from './caller.js';

/**
 * The roles that a member has now: those of its context may be as old as a cache entry, and who was an owner a moment
 * ago decides nothing any more. Where the token makes the member, nothing is stored, or was not when it came; where a
 * grant does, nothing ever is.
 */
export async function heldRoles(
  store: Pick<TenantStore, 'getMembership'>,
  { context: { tenant, membership, identity, impersonation } }: MemberCaller,
): Promise<readonly string[]> {
  if (impersonation !== undefined) return membership.roles;
  const stored = await store.getMembership(tenant.id, identity.key);
  return stored?.roles ?? (membership.version === 0 ? membership.roles : []);
}

import type { TenantStore } from '@portcullis/tenants';
import type { MemberCaller } from './caller.js';

/**
 * The roles that a member has now: those of its context may be as old as a cache entry, and who was an owner a moment
 * ago decides nothing any more. Where the token makes the member, or a grant, nothing is stored.
 */
export async function heldRoles(
  store: Pick<TenantStore, 'getMembership'>,
  { context: { tenant, membership, identity, impersonation } }: MemberCaller,
): Promise<readonly string[]> {
  if (membership.version === 0 || impersonation !== undefined) return membership.roles;
  return (await store.getMembership(tenant.id, identity.key))?.roles ?? [];
}

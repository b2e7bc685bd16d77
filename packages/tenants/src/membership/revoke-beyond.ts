import type { ConfigurationRecorder, TenantId } from '@portcullis/core';
import type { TenantStore } from '../store/store.js';
import type { Authority } from './actor.js';
import { revokeInvitation } from './revoke-invitation.js';

/** Whoever adds invitations as fast as they are revoked is stopped by `accept`, which looks at who invited. */
const rounds = 5;

/**
 * Revokes the invitations of a member that it could not make any more: a door left open for the day after. For after the
 * member was changed: what it adds in the meantime is found by looking again.
 *
 * @param stays - whether an invitation to these roles stays
 */
export async function revokeBeyond(
  { store, record }: { readonly store: TenantStore; readonly record: ConfigurationRecorder },
  authority: Authority,
  member: { readonly tenant: TenantId; readonly userId: string },
  stays: (roles: readonly string[]) => boolean,
): Promise<void> {
  const { tenant, userId } = member;
  for (let round = 0; round < rounds; round++) {
    const beyond = (await store.getInvitations(tenant)).filter(
      ({ invitedBy, roles }) => invitedBy === userId && !stays(roles),
    );
    if (beyond.length === 0) return;
    for (const invitation of beyond) await revokeInvitation({ store, record }, authority, tenant, invitation);
  }
}

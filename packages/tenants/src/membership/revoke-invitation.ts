import type { ConfigurationRecorder, TenantId } from '@portcullis/core';
import type { TenantStore } from '../store/store.js';
import { recorded, type Authority } from './actor.js';
import type { Invitation } from './invitation.js';

/**
 * Takes an invitation back, and records by whom.
 *
 * @param tenant - the one that the authority was found out in
 */
export async function revokeInvitation(
  { store, record }: { readonly store: TenantStore; readonly record: ConfigurationRecorder },
  authority: Authority,
  tenant: TenantId,
  { id, email, roles }: Invitation,
): Promise<void> {
  const change = {
    ...authority.change,
    action: 'invitation.revoke',
    target: id,
    before: { email, roles },
    after: null,
  };
  await recorded(record, change, () => store.removeInvitation(tenant, id));
}

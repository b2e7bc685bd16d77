import type { Tenant, TenantId } from '@portcullis/core';
import { systemTenant } from '../single-tenant/single-tenant.js';
import type { TenantStore } from '../store/store.js';

/**
 * The roles that a user may have in a tenant of which the store has no membership, beside those of token bindings.
 *
 * @param userId - `Identity.key`
 */
export type UnstoredRoles = (tenant: TenantId, userId: string) => readonly string[];

/**
 * All roles that a user may have in a tenant as long as no membership is stored: what the `token` bindings for its
 * provider map, and what `others` gives. A stored membership comes before them: to store one takes them away, and to
 * remove one gives them back.
 *
 * It says what may be, and not what is: which roles a token has is known only when it is there.
 *
 * @param others - without it, whoever is in no store may be the owner of `system`: a server with one tenant gives roles
 * by a function of its own
 */
export async function unstoredRoles(
  store: Pick<TenantStore, 'getTenant'>,
  tenantId: TenantId,
  userId: string,
  others: UnstoredRoles = ownerOfSystem,
): Promise<readonly string[]> {
  const tenant = await store.getTenant(tenantId);
  const mapped = tenant === undefined ? [] : tokenRoles(tenant, userId);
  return [...new Set([...mapped, ...others(tenantId, userId)])];
}

function tokenRoles({ settings }: Tenant, userId: string): readonly string[] {
  const provider = providerOf(userId);
  return settings.identityProviders
    .filter((binding) => binding.membership === 'token' && binding.provider === provider)
    .flatMap(({ roles }) => Object.values(roles ?? {}));
}

/** The provider of an `Identity.key`: no name of one has a `#`. */
export function providerOf(userId: string): string {
  return userId.slice(0, Math.max(0, userId.indexOf('#')));
}

function ownerOfSystem(tenant: TenantId): readonly string[] {
  return tenant === systemTenant ? ['owner'] : [];
}

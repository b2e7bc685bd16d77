import { builtInRoles, PortcullisError, type IdentityProviderBinding, type Tenant } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';

/**
 * Refuses bindings that map to roles that nobody gives: what is neither a built-in role nor one of the tenant's own.
 *
 * A rule for a role does not ask who made the role, so that names that base policies know are refused where a tenant
 * makes a role (`isReservedRole`). A binding is another way to have such a name. It holds for operators too, who give
 * no such role to a member either. What the platform's own code mapped stays.
 *
 * @throws PortcullisError `request_invalid`
 */
export async function requireMappable(
  store: Pick<TenantStore, 'getRoles'>,
  tenant: Tenant,
  wanted: readonly IdentityProviderBinding[],
): Promise<void> {
  const present = tenant.settings.identityProviders.flatMap(mappings);
  const fresh = wanted.flatMap(mappings).filter((one) => !present.some((other) => one.key === other.key));
  if (fresh.length === 0) return;
  const known = new Set<string>([...builtInRoles, ...(await store.getRoles(tenant.id)).map(({ roleId }) => roleId)]);
  const unknown = fresh.find(({ role }) => !known.has(role));
  if (unknown !== undefined)
    throw new PortcullisError('request_invalid', `identityProviders: there is no role \`${unknown.role}\``, {
      data: { field: 'body.identityProviders' },
    });
}

function mappings({
  provider,
  tenantHint,
  roles = {},
}: IdentityProviderBinding): readonly { readonly key: string; readonly role: string }[] {
  return Object.entries(roles).map(([ofToken, role]) => ({
    key: JSON.stringify([provider, tenantHint ?? null, ofToken, role]),
    role,
  }));
}

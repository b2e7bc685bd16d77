import { PortcullisError, type IdentityProviderBinding, type Tenant } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import type { Caller } from './caller.js';
import { heldRoles } from './held-roles.js';

/**
 * Refuses bindings that a tenant's owner may not make for itself.
 *
 * A binding says whose users are the tenant's. Who names a directory's hint that is not bound yet gets that directory's
 * users, and who makes members of everybody at a shared provider gets other customers' users: both are for an operator,
 * who knows whose directory it is. What is bound already was decided so.
 *
 * @param allowed - the providers that an owner may bind, without a hint
 * @throws PortcullisError `denied`, `conflict`
 */
export async function requireOwnBindings(
  store: Pick<TenantStore, 'getMembership'>,
  caller: Caller,
  tenant: Tenant,
  wanted: readonly IdentityProviderBinding[],
  allowed: readonly string[],
): Promise<void> {
  if (caller.kind !== 'member' || !(await heldRoles(store, caller)).includes('owner'))
    throw new PortcullisError('denied', 'only an owner or an operator changes who may sign in');
  const present = tenant.settings.identityProviders;
  for (const binding of wanted) {
    const known = present.find((each) => isSame(each, binding));
    if (binding.tenantHint === undefined && binding.membership === 'token' && known?.membership !== 'token')
      throw new PortcullisError('denied', 'only an operator makes members of all users of a provider');
    if (known === undefined && (binding.tenantHint !== undefined || !allowed.includes(binding.provider)))
      throw new PortcullisError('denied', 'only an operator binds this identity provider or directory', {
        data: { provider: binding.provider },
      });
  }
  const { provider, tenantHint } = caller.identity;
  if (!wanted.some((binding) => binding.provider === provider && binding.tenantHint === tenantHint))
    throw new PortcullisError('conflict', 'the binding that you signed in by cannot be taken away by you');
}

/** The same users: the same provider, and the same hint, absence included. */
function isSame(a: IdentityProviderBinding, b: IdentityProviderBinding): boolean {
  return a.provider === b.provider && a.tenantHint === b.tenantHint;
}

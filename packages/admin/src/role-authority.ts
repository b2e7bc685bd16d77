import { builtInRoles, PortcullisError, type TenantRole } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import type { Scene } from './endpoint.js';

/** The built-in roles, from the most to the least. */
const ranks: readonly string[] = builtInRoles;

/**
 * Refuses to say what a role is to whoever has not all that the role narrows. To have the role itself is not enough: who
 * could rewrite a role of its own that narrows `owner` would be one.
 *
 * The caller's roles are read anew: those of its context may be as old as a cache entry.
 *
 * @param parents - those that the role has, and those that it is to have
 * @throws PortcullisError `denied`
 */
export async function requireParents(
  store: Pick<TenantStore, 'getMembership' | 'getRoles'>,
  { caller }: Scene,
  roleId: string,
  parents: readonly string[],
): Promise<void> {
  if (caller.kind !== 'member')
    throw new PortcullisError('denied', undefined, { detail: 'roles of a tenant’s own are its own people’s to make' });
  const { tenant, membership, identity } = caller.context;
  const stored = membership.version === 0 ? membership : await store.getMembership(tenant.id, identity.key);
  const own = (await store.getRoles(tenant.id)).filter((role) => role.roleId !== roleId);
  const beyond = parents.find((parent) => !narrows(stored?.roles ?? [], parent, own));
  if (beyond !== undefined)
    throw new PortcullisError('denied', 'nobody makes a role out of one that it does not have', {
      detail: `${identity.key} has not the role ${beyond}`,
    });
}

/** Whether all that a role gives is among what `held` gives. A role that is not there gives nothing. */
function narrows(held: readonly string[], role: string, own: readonly TenantRole[]): boolean {
  const rank = ranks.indexOf(role);
  if (rank >= 0) return held.some((one) => ranks.includes(one) && ranks.indexOf(one) <= rank);
  const rest = own.filter(({ roleId }) => roleId !== role);
  const parents = own.find(({ roleId }) => roleId === role)?.parentRoles ?? [];
  return parents.every((parent) => narrows(held, parent, rest));
}

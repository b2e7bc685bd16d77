import type { TenantStore } from '../store/store.js';
import type { TenantChange } from './invalidations.js';

/**
 * A store whose changes are told, whether they succeed or fail: one that failed may have been made.
 *
 * Invitations and domain claims are told by nobody, because nobody keeps them.
 *
 * @param tell - is called before a change and, `done`, after it
 */
export function tellingStore(
  store: TenantStore,
  tell: (change: TenantChange, moment: 'before' | 'done') => Promise<void>,
): TenantStore {
  async function told<T>(change: TenantChange, work: () => Promise<T>): Promise<T> {
    await tell(change, 'before');
    try {
      return await work();
    } finally {
      await tell(change, 'done');
    }
  }

  return {
    createTenant: (tenant) => told({ tenant: tenant.id }, () => store.createTenant(tenant)),
    getTenant: (id) => store.getTenant(id),
    getTenantByDomain: (domain) => store.getTenantByDomain(domain),
    getTenantsByProvider: (provider, hint) => store.getTenantsByProvider(provider, hint),
    updateTenant: (tenant, ...rest) => told({ tenant }, () => store.updateTenant(tenant, ...rest)),
    deleteTenant: (tenant, ...rest) => told({ tenant }, () => store.deleteTenant(tenant, ...rest)),
    listTenants: (options) => store.listTenants(options),
    addMember: (tenant, userId, ...rest) => told({ tenant, userId }, () => store.addMember(tenant, userId, ...rest)),
    changeMember: (tenant, userId, ...rest) =>
      told({ tenant, userId }, () => store.changeMember(tenant, userId, ...rest)),
    putMember: (tenant, userId, ...rest) => told({ tenant, userId }, () => store.putMember(tenant, userId, ...rest)),
    removeMember: (tenant, userId, ...rest) =>
      told({ tenant, userId }, () => store.removeMember(tenant, userId, ...rest)),
    getMembership: (tenant, userId) => store.getMembership(tenant, userId),
    getMembers: (tenant) => store.getMembers(tenant),
    listMembers: (tenant, options) => store.listMembers(tenant, options),
    getUserMemberships: (userId) => store.getUserMemberships(userId),
    putRole: (role, ...rest) => told({ tenant: role.tenantId }, () => store.putRole(role, ...rest)),
    getRole: (tenant, roleId) => store.getRole(tenant, roleId),
    getRoles: (tenant) => store.getRoles(tenant),
    removeRole: (tenant, ...rest) => told({ tenant }, () => store.removeRole(tenant, ...rest)),
    putInvitation: (invitation) => store.putInvitation(invitation),
    getInvitation: (tenant, id) => store.getInvitation(tenant, id),
    getInvitations: (tenant) => store.getInvitations(tenant),
    removeInvitation: (tenant, id) => store.removeInvitation(tenant, id),
    putDomainClaim: (claim) => store.putDomainClaim(claim),
    getDomainClaim: (tenant, domain) => store.getDomainClaim(tenant, domain),
    getDomainClaims: (tenant) => store.getDomainClaims(tenant),
    removeDomainClaim: (tenant, domain) => store.removeDomainClaim(tenant, domain),
    close: () => store.close(),
  };
}

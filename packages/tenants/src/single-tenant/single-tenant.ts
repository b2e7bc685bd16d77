import {
  isSealedIdentity,
  PortcullisError,
  systemClock,
  tenantId,
  type Clock,
  type Identity,
  type Membership,
  type Tenant,
  type TenantContext,
  type TenantQuery,
  type TenantResolver,
} from '@portcullis/core';
import { sealTenantContext } from '@portcullis/core/seal';
import { requireGoodStanding, type Registry } from '../registry/registry.js';
import { newTenant, type NewTenant } from '../store/record.js';

/**
 * The roles of an identity in the one tenant; `undefined` for one that does not belong.
 *
 * A record is by `Identity.key`. Whoever is not in it has the roles of `otherwise`.
 */
export type SingleTenantRoles =
  | ((identity: Identity) => readonly string[] | undefined | Promise<readonly string[] | undefined>)
  | Readonly<Record<string, readonly string[]>>;

/** How a server with one tenant runs. */
export interface SingleTenantOptions {
  /** Who has which roles. @defaultValue nobody is named, and `otherwise` is for all */
  readonly roles?: SingleTenantRoles | undefined;
  /**
   * The roles of those whom `roles` does not name.
   *
   * @defaultValue `['readonly']`
   */
  readonly otherwise?: readonly string[] | undefined;
  /** What the tenant is, where it is kept in memory: its plan, limits, features. Its id is `system`. */
  readonly tenant?: Partial<Omit<NewTenant, 'id' | 'domains'>> | undefined;
  /**
   * Takes the tenant `system` from here instead, and with it the members that it has: they come before `roles`. It has
   * to be there.
   */
  readonly registry?: Registry | undefined;
  /** The header that names a tenant; `false` for none. @defaultValue `x-tenant-id` */
  readonly header?: string | false | undefined;
  readonly clock?: Clock | undefined;
}

/** The id of the one tenant. */
export const systemTenant = tenantId('system');

const roleGrammar = /^[\w-]{1,100}$/;

/**
 * Puts every verified identity into one tenant, `system`: for a server that has no tenants.
 *
 * Nothing is asked of a client that it did not do before: no header, no subdomain, no organization in its token. A
 * client that does name a tenant is refused if it means another one, since it is not where it thinks.
 *
 * @example
 * ```ts
 * import { singleTenant } from '@portcullis/tenants';
 *
 * const tenants = singleTenant({ roles: { 'auth0#auth0|alice': ['owner'] }, otherwise: ['member'] });
 * ```
 */
export function singleTenant(options: SingleTenantOptions = {}): TenantResolver {
  const { registry, otherwise = ['readonly'], header = 'x-tenant-id' } = options;
  const clock = options.clock ?? registry?.clock ?? systemClock;
  const since = clock();
  const inMemory = newTenant({ name: 'System', ...options.tenant, id: systemTenant, domains: [] }, since);
  requireRoles(otherwise, 'otherwise');
  const named = options.roles;
  if (typeof named === 'object') Object.values(named).forEach((roles) => requireRoles(roles, 'roles'));

  async function theTenant(): Promise<Tenant> {
    if (registry === undefined) return inMemory;
    const tenant = await registry.tenant(systemTenant);
    if (tenant === undefined)
      throw new PortcullisError('tenant_unknown', undefined, { detail: 'the store has no tenant `system`' });
    return tenant;
  }

  async function rolesOf(identity: Identity): Promise<readonly string[] | undefined> {
    if (named === undefined) return otherwise;
    if (typeof named === 'object') return Object.hasOwn(named, identity.key) ? named[identity.key] : otherwise;
    const roles = await named(identity);
    if (roles !== undefined) requireRoles(roles, 'roles');
    return roles;
  }

  async function membershipOf(identity: Identity): Promise<Membership> {
    const stored = await registry?.membership(systemTenant, identity.key);
    if (stored !== undefined) return stored;
    const roles = await rolesOf(identity);
    if (roles === undefined) throw new PortcullisError('not_a_member');
    return {
      tenantId: systemTenant,
      userId: identity.key,
      roles: [...new Set(roles)],
      joinedAt: since,
      version: 0,
    };
  }

  async function contextOf(identity: Identity, requestId: string): Promise<TenantContext> {
    const tenant = await theTenant();
    const membership = await membershipOf(identity);
    requireGoodStanding(tenant, clock());
    return sealTenantContext({ identity, tenant, membership, requestId });
  }

  return {
    async resolve({ identity, requestId, header: read }: TenantQuery) {
      if (!isSealedIdentity(identity)) throw new TypeError('the identity was not made by a verifier');
      const hint = header === false ? undefined : read?.(header);
      if (hint !== undefined && hint !== systemTenant)
        throw new PortcullisError('tenant_mismatch', undefined, {
          detail: 'the server has one tenant, and the request names another',
        });
      return await contextOf(identity, requestId);
    },
    async recheck({ identity, tenant, requestId }) {
      if (clock() >= identity.expiresAt)
        throw new PortcullisError('token_invalid', 'the token has expired', { data: { rule: 'expired' } });
      if (tenant.id !== systemTenant) throw new PortcullisError('tenant_mismatch');
      return await contextOf(identity, requestId);
    },
  };
}

function requireRoles(roles: unknown, option: string): void {
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string' && roleGrammar.test(role)))
    throw new PortcullisError('config_invalid', `${option}: has to be a list of roles`);
}

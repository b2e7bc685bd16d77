import {
  isSealedTenantContext,
  PortcullisError,
  systemClock,
  type Clock,
  type ConfigurationRecorder,
  type Membership,
  type TenantId,
  type TenantRole,
} from '@portcullis/core';
import { covers, isBuiltInRole } from '../roles/covers.js';
import type { ChangeOptions, TenantStore } from '../store/store.js';
import { authorityIn, recorded, type Actor, type Authority } from './actor.js';
import { revokeBeyond } from './revoke-beyond.js';
import { providerOf, unstoredRoles, type UnstoredRoles } from './unstored-roles.js';

/** How members are changed. */
export interface MembersOptions {
  readonly store: TenantStore;
  /** Hears of each change before it is made; one that it does not take is not made. */
  readonly record: ConfigurationRecorder;
  /**
   * Whether somebody of a tenant may add users of a provider that another tenant is bound to without a tenant hint, be
   * it bound itself or not. Where a user belongs to two such tenants, each of its requests has to name one: whoever adds a stranger stops the
   * stranger's clients. Such users are to be invited.
   *
   * @defaultValue `invite`
   */
  readonly sharedProviders?: 'invite' | 'add' | undefined;
  /**
   * The roles that a user may have without being stored, beside those that bindings with `membership: 'token'` map. To
   * add such a user takes them away and to remove it gives them back, so that the actor has to have them.
   *
   * @defaultValue `owner` in the tenant `system`, since `singleTenant` may give anybody any role; none in all others.
   * Give `() => []` where `system` is a tenant like others by now
   */
  readonly unstored?: UnstoredRoles | undefined;
  readonly clock?: Clock | undefined;
}

/** Adds, changes and removes members. Reading them is the store's. */
export interface Members {
  /**
   * @param userId - `Identity.key`
   * @param roles - none of them keeps the user out: whatever its token says, it has no role
   * @throws PortcullisError `denied` for a role that the actor does not have, given or possibly taken away (a `token`
   * binding maps it), and for a user who has to be invited, `request_invalid` for a role that is not there, `conflict` when the user is a member already, `quota_exceeded`, `tenant_unknown`, `cross_tenant`,
   * `not_a_member`, `grant_invalid`
   */
  add(actor: Actor, tenant: TenantId, userId: string, roles: readonly string[]): Promise<Membership>;
  /**
   * Replaces a member's roles; by none, to keep it out.
   *
   * @throws PortcullisError as `add`, and `not_found`, `last_owner`, `precondition_failed` where somebody else changed
   * the member in the meantime
   */
  change(
    actor: Actor,
    tenant: TenantId,
    userId: string,
    roles: readonly string[],
    options?: ChangeOptions,
  ): Promise<Membership>;
  /**
   * Removes a member, itself included, and then the invitations that it made. Who is no member is no error, and loses
   * the invitations that are left and that the actor may revoke. Whom a `token`
   * binding lets in has what its token says again: `change` to no roles keeps somebody out.
   *
   * @throws PortcullisError `denied` for a member with a role that the actor does not have, or may have then,
   * `last_owner`,
   * `precondition_failed`, `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  remove(actor: Actor, tenant: TenantId, userId: string, options?: ChangeOptions): Promise<void>;
}

/**
 * Makes the service that changes a tenant's members.
 *
 * Nobody gives a role that it does not have, and nobody touches a member who has one: an administrator makes no owner,
 * and removes none. The store keeps the last owner and the number of users.
 *
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { members, memoryStore } from '@portcullis/tenants';
 *
 * const store = memoryStore();
 * const acme = tenantId('acme');
 * await store.createTenant({ id: acme, name: 'Acme' });
 * const people = members({ store, record: async ({ action, target }) => console.log(action, target) });
 * await people.add({ system: 'sign-up', requestId: 'r-1' }, acme, 'auth0#auth0|alice', ['owner']);
 * // prints: member.add auth0#auth0|alice
 * ```
 */
export function members(options: MembersOptions): Members {
  const { store, record, clock = systemClock } = options;
  const parts = { store, record };

  async function requireAddable(actor: Actor, tenant: TenantId, userId: string): Promise<void> {
    if (options.sharedProviders === 'add' || !isSealedTenantContext(actor)) return;
    const provider = providerOf(userId);
    const sharing = await store.getTenantsByProvider(provider, undefined);
    // Whether this tenant is bound too does not matter: it may add the member first, and the binding afterwards.
    if (sharing.some(({ id }) => id !== tenant))
      throw new PortcullisError('denied', 'users of a provider that another tenant has too have to be invited', {
        detail: `provider ${provider}`,
      });
  }

  /** What a stored membership takes the place of, and what is there again when it goes. */
  async function requireUnstored(
    authority: Authority,
    tenant: TenantId,
    userId: string,
    own: readonly TenantRole[],
  ): Promise<readonly string[]> {
    const roles = await unstoredRoles(store, tenant, userId, options.unstored);
    // Here a role that is neither built-in nor the tenant's own may be one of the platform's: an owner outranks it.
    if (covers(authority.roles, 'owner', own)) return roles;
    const beyond = roles.find((role) => !covers(authority.roles, role, own));
    if (beyond !== undefined) throw uncovered(authority, beyond);
    return roles;
  }

  return {
    async add(actor, tenant, userId, roles) {
      const authority = await authorityIn(store, tenant, actor, clock);
      refuseOperatorItself(authority, userId);
      const own = await store.getRoles(tenant);
      requireGivable(authority, roles, own);
      const had = await requireUnstored(authority, tenant, userId, own);
      await requireAddable(actor, tenant, userId);
      if ((await store.getMembership(tenant, userId)) !== undefined)
        throw new PortcullisError('conflict', 'the user is a member already');
      const change = { ...authority.change, action: 'member.add', target: userId, before: null, after: { roles } };
      const added = await recorded(record, change, () => store.addMember(tenant, userId, roles));
      if (had.length > 0) await revokeBeyond(parts, authority, { tenant, userId }, mayGive(roles, own));
      return added;
    },
    async change(actor, tenant, userId, roles, options) {
      const authority = await authorityIn(store, tenant, actor, clock);
      refuseOperatorItself(authority, userId);
      const own = await store.getRoles(tenant);
      requireGivable(authority, roles, own);
      const member = await store.getMembership(tenant, userId);
      if (member === undefined) throw new PortcullisError('not_found', 'the user is not a member');
      requireCovered(authority, member.roles, own);
      const ifVersion = versionOf(member, options);
      const change = {
        ...authority.change,
        action: 'member.change',
        target: userId,
        before: { roles: member.roles },
        after: { roles },
      };
      const changed = await recorded(record, change, () => store.changeMember(tenant, userId, roles, { ifVersion }));
      await revokeBeyond(parts, authority, { tenant, userId }, mayGive(roles, own));
      return changed;
    },
    async remove(actor, tenant, userId, options) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const member = await store.getMembership(tenant, userId);
      const own = await store.getRoles(tenant);
      if (member === undefined) {
        // What an earlier removal left when it was cut short; and what a member by token made, as far as may be.
        const mayRevoke = mayGive(authority.roles, own);
        await revokeBeyond(parts, authority, { tenant, userId }, (roles) => !mayRevoke(roles));
        return;
      }
      requireCovered(authority, member.roles, own);
      await requireUnstored(authority, tenant, userId, own);
      const ifVersion = versionOf(member, options);
      const change = {
        ...authority.change,
        action: 'member.remove',
        target: userId,
        before: { roles: member.roles },
        after: null,
      };
      await recorded(record, change, () => store.removeMember(tenant, userId, { ifVersion }));
      await revokeBeyond(parts, authority, { tenant, userId }, () => false);
    },
  };
}

/**
 * Refuses roles that are not there, and those that the actor does not have.
 *
 * @throws PortcullisError `request_invalid`, `denied`
 */
export function requireGivable(authority: Authority, roles: readonly string[], own: readonly TenantRole[]): void {
  const unknown = roles.find((role) => !isBuiltInRole(role) && !own.some(({ roleId }) => roleId === role));
  if (unknown !== undefined)
    throw new PortcullisError('request_invalid', `roles: there is no role \`${unknown.slice(0, 100)}\``, {
      data: { field: 'roles' },
    });
  requireCovered(authority, roles, own);
}

/**
 * Refuses roles that the actor does not have: to give them, and to take them away.
 *
 * @throws PortcullisError `denied`
 */
export function requireCovered(authority: Authority, roles: readonly string[], own: readonly TenantRole[]): void {
  // A role that is no longer there gives nothing, and keeps nobody from being removed.
  const beyond = roles.find(
    (role) => !covers(authority.roles, role, own) && (isBuiltInRole(role) || own.some(({ roleId }) => roleId === role)),
  );
  if (beyond !== undefined) throw uncovered(authority, beyond);
}

/** Whether somebody with the roles that are held could invite to roles. */
function mayGive(held: readonly string[], own: readonly TenantRole[]): (roles: readonly string[]) => boolean {
  return (roles) => roles.every((role) => covers(held, role, own));
}

function uncovered({ key }: Authority, role: string): PortcullisError {
  return new PortcullisError('denied', 'nobody gives or takes away a role that it does not have', {
    detail: `${key} has not the role ${role}`,
  });
}

/** An operator acts in tenants; it does not let itself into one for good. */
function refuseOperatorItself({ isOperator, key }: Authority, userId: string): void {
  if (isOperator && key === userId)
    throw new PortcullisError('denied', 'an operator does not make itself a member', { detail: key });
}

/** The version that the decision rests on: of the member as it was read. */
function versionOf({ version }: Membership, options: ChangeOptions = {}): number {
  if (options.ifVersion !== undefined && options.ifVersion !== version)
    throw new PortcullisError('precondition_failed');
  return version;
}

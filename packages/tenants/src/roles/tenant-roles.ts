import {
  PortcullisError,
  systemClock,
  type AttributeValue,
  type Clock,
  type ConfigurationRecorder,
  type TenantId,
  type TenantRole,
} from '@portcullis/core';
import { authorityIn, recorded, type Actor, type Authority } from '../membership/actor.js';
import type { ChangeOptions, TenantStore } from '../store/store.js';
import { coversParents } from './covers.js';
import { parseRole, type RoleRules } from './role.js';

/** How roles are changed. */
export interface TenantRolesOptions extends RoleRules {
  readonly store: TenantStore;
  /** Hears of each change before it is made; one that it does not take is not made. */
  readonly record: ConfigurationRecorder;
  readonly clock?: Clock | undefined;
}

/** Changes a tenant's own roles. Reading them is the store's. */
export interface TenantRoles {
  /**
   * Stores a role, new or changed.
   *
   * @throws PortcullisError `role_invalid`; `denied` where the actor does not have a role that it narrows, or narrowed;
   * `precondition_failed`, `tenant_unknown`, `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  put(actor: Actor, role: Omit<TenantRole, 'version'>, options?: ChangeOptions): Promise<TenantRole>;
  /**
   * Removes a role. One that is not there is no error.
   *
   * @throws PortcullisError `conflict` while a member has it, a binding maps to it or another role builds on it; `denied`,
   * `precondition_failed`, `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  remove(actor: Actor, tenant: TenantId, roleId: string, options?: ChangeOptions): Promise<void>;
}

/**
 * Makes the service that changes a tenant's own roles.
 *
 * Who says what a role is has every role that it narrows. Otherwise an administrator could take a role that it has given
 * itself, and let it narrow the owner's. The policies follow when `syncRoles` is called.
 *
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { memoryStore } from '@portcullis/tenants';
 * import { tenantRoles } from '@portcullis/tenants/roles';
 *
 * const store = memoryStore();
 * const acme = tenantId('acme');
 * await store.createTenant({ id: acme, name: 'Acme' });
 * const roles = tenantRoles({ store, record: () => Promise.resolve() });
 * const permissions = [{ resource: 'document', action: 'read' }];
 * const role = { tenantId: acme, roleId: 'reviewer', name: 'Reviewer', parentRoles: ['member'], permissions };
 * console.log((await roles.put({ system: 'setup', requestId: 'r-1' }, role)).version); // prints: 1
 * ```
 */
export function tenantRoles(options: TenantRolesOptions): TenantRoles {
  const { store, record, clock = systemClock } = options;
  return {
    async put(actor, input, change) {
      const role = parseRole({ ...input, version: 1 }, options);
      const { tenantId, roleId } = role;
      const authority = await authorityIn(store, tenantId, actor, clock);
      const own = await store.getRoles(tenantId);
      const known = own.find((other) => other.roleId === roleId);
      const others = own.filter((other) => other !== known);
      if (known !== undefined) requireParents(authority, known, own);
      requireParents(authority, role, [...others, role]);
      const ifVersion = versionOf(known, change);
      const { version: _version, ...content } = role;
      const action = { action: 'role.put', target: roleId, before: contentOf(known), after: contentOf(role) };
      return recorded(record, { ...authority.change, ...action }, () => store.putRole(content, { ifVersion }));
    },
    async remove(actor, tenant, roleId, change) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const own = await store.getRoles(tenant);
      const known = own.find((role) => role.roleId === roleId);
      if (known === undefined) return;
      requireParents(authority, known, own);
      const ifVersion = versionOf(known, change);
      const action = { action: 'role.remove', target: roleId, before: contentOf(known), after: null };
      await recorded(record, { ...authority.change, ...action }, () => store.removeRole(tenant, roleId, { ifVersion }));
    },
  };
}

function requireParents({ key, roles }: Authority, role: TenantRole, own: readonly TenantRole[]): void {
  if (!coversParents(roles, role.roleId, own))
    throw new PortcullisError('denied', 'nobody says what a role is that narrows one that it does not have', {
      detail: `${key}, role ${role.roleId} of ${role.parentRoles.join(', ')}`,
    });
}

/** The version that the decision rests on; 0 for a role that is new. */
function versionOf(known: TenantRole | undefined, { ifVersion }: ChangeOptions = {}): number {
  const version = known?.version ?? 0;
  if (ifVersion !== undefined && ifVersion !== version) throw new PortcullisError('precondition_failed');
  return version;
}

function contentOf(role: TenantRole | undefined): AttributeValue {
  if (role === undefined) return null;
  const { name, parentRoles, permissions } = role;
  return {
    name,
    parentRoles,
    permissions: permissions.map(({ resource, action, conditions }) =>
      conditions === undefined ? { resource, action } : { resource, action, conditions },
    ),
  };
}

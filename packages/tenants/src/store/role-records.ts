import type { TenantId, TenantRole } from '@portcullis/core';
import { roleSchema } from '../roles/role.js';
import type { BackendStoreOptions } from './backend-store-options.js';
import { keys } from './keys.js';
import { entriesOf, readAll, readOne } from './read-records.js';
import { tenantSchema } from './record.js';
import { advanceRoll, holdersOf, requireRoll, rollSchema } from './roll.js';
import { requireUnused, requireVersion, roleAfter } from './rules.js';
import type { TenantStore } from './store.js';
import { transact, type Transaction } from './transaction.js';

type RoleRecords = Pick<TenantStore, 'putRole' | 'getRole' | 'getRoles' | 'removeRole'>;

/** The tenants' own roles of a backend store. */
export function roleRecords({ backend }: BackendStoreOptions): RoleRecords {
  return {
    putRole: (input, options) =>
      transact(backend, async (transaction) => {
        const roll = await requireRoll(transaction, input.tenantId);
        const role = roleAfter(input, await rolesIn(transaction, input.tenantId));
        requireVersion(role.version - 1, options);
        transaction.set(keys.role(role.tenantId, role.roleId), role);
        transaction.include(keys.roles(role.tenantId), role.roleId);
        advanceRoll(transaction, role.tenantId, roll);
        return role;
      }),
    getRole: (tenant, roleId) => readOne(backend, keys.role(tenant, roleId), roleSchema),
    getRoles: async (tenant) =>
      readAll(
        backend,
        (await entriesOf(backend, keys.roles(tenant))).map((roleId) => keys.role(tenant, roleId)),
        roleSchema,
      ),
    removeRole: (tenant, roleId, options) =>
      transact(backend, async (transaction) => {
        const roll = await transaction.get(keys.roll(tenant), rollSchema);
        const role = await transaction.get(keys.role(tenant, roleId), roleSchema);
        if (roll === undefined || role === undefined) return;
        requireVersion(role.version, options);
        const record = await transaction.get(keys.tenant(tenant), tenantSchema);
        requireUnused(roleId, holdersOf(roll, roleId), await rolesIn(transaction, tenant), record);
        transaction.delete(keys.role(tenant, roleId));
        transaction.exclude(keys.roles(tenant), roleId);
        advanceRoll(transaction, tenant, roll);
      }),
  };
}

async function rolesIn(transaction: Transaction, tenant: TenantId): Promise<readonly TenantRole[]> {
  const ids = await entriesOf(transaction, keys.roles(tenant));
  const roles = await Promise.all(ids.map((roleId) => transaction.get(keys.role(tenant, roleId), roleSchema)));
  return roles.filter((role) => role !== undefined);
}

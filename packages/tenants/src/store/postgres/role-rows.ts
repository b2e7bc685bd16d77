import { roleSchema } from '../../roles/role.js';
import { isStorable } from '../record.js';
import { requireUnused, requireVersion, roleAfter } from '../rules.js';
import type { TenantStore } from '../store.js';
import { countOf, requireTenant } from './member-rows.js';
import type { SqlStoreOptions } from './sql-store-options.js';
import { firstRecord, records, roleRecord } from './tables.js';
import { lockedTenant } from './tenant-rows.js';

type RoleRows = Pick<TenantStore, 'putRole' | 'getRole' | 'getRoles' | 'removeRole'>;

/** The tenants' own roles of a PostgreSQL store. */
export function roleRows({ sql, tables }: SqlStoreOptions): RoleRows {
  const ofTenant = `SELECT ${roleRecord} FROM ${tables.roles} WHERE tenant_id = $1`;
  return {
    putRole: (input, options) =>
      sql.transaction(async (query) => {
        await requireTenant(query, tables, input.tenantId);
        const role = roleAfter(input, records(roleSchema, await query(ofTenant, [input.tenantId])));
        requireVersion(role.version - 1, options);
        const { tenantId, roleId, name, parentRoles, permissions, version } = role;
        await query(
          `INSERT INTO ${tables.roles} (tenant_id, role_id, name, parent_roles, permissions, version) ` +
            `VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, role_id) ` +
            `DO UPDATE SET name = $3, parent_roles = $4, permissions = $5, version = $6`,
          [tenantId, roleId, name, JSON.stringify(parentRoles), JSON.stringify(permissions), version],
        );
        return role;
      }),
    getRole: async (tenant, roleId) =>
      isStorable(roleId)
        ? firstRecord(roleSchema, await sql.read(`${ofTenant} AND role_id = $2`, [tenant, roleId]))
        : undefined,
    getRoles: async (tenant) => records(roleSchema, await sql.read(`${ofTenant} ORDER BY role_id`, [tenant])),
    removeRole: (tenant, roleId, options) =>
      sql.transaction(async (query) => {
        const record = await lockedTenant(query, tables, tenant);
        const roles = records(roleSchema, await query(ofTenant, [tenant]));
        const role = roles.find((one) => one.roleId === roleId);
        if (role === undefined) return;
        requireVersion(role.version, options);
        const held = `${tables.memberships} WHERE tenant_id = $1 AND roles @> to_jsonb($2::text)`;
        requireUnused(roleId, await countOf(query, held, [tenant, roleId]), roles, record);
        await query(`DELETE FROM ${tables.roles} WHERE tenant_id = $1 AND role_id = $2`, [tenant, roleId]);
      }),
  };
}

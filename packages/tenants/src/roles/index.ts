export { isReservedRole } from './reserved.js';
export { parseRole, requireSoundRoles, roleSchema, type RoleRules } from './role.js';
export {
  importRoles,
  syncRoles,
  type ImportReport,
  type RefusedTenant,
  type SyncOptions,
  type SyncReport,
} from './sync.js';
export { tenantRoles, type TenantRoles, type TenantRolesOptions } from './tenant-roles.js';
export { rolesFromYaml, rolesToYaml, type RoleFile, type RolePolicyOptions } from './yaml.js';

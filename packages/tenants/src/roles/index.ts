export { isReservedRole } from './reserved.js';
export { parseRole, requireSoundRoles, roleSchema, type RoleRules } from './role.js';
export { rolesFromYaml, rolesToYaml, type RoleFile, type RolePolicyOptions } from './yaml.js';

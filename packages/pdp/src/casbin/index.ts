export { casbin, type Casbin, type CasbinOptions, type PolicyWatcher } from './casbin.js';
export type { Explanation } from './decide.js';
export type { MatcherFunction } from './enforcer.js';
export type { PolicyLine } from './line.js';
export { rbacModel } from './rbac-model.js';
export type { LineAdapter } from './read-lines.js';
export type { PolicyEvent } from './reload.js';
export { tenantRoleLines, type RefusedRole, type RoleBase, type TenantRoleLines } from './tenant-role-lines.js';
export { toCasbin } from './to-casbin.js';

import { builtInRoles } from '@portcullis/core';

const names: ReadonlySet<string> = new Set([
  ...builtInRoles,
  // What the engine is told where a principal has no role.
  'none',
  'any',
  'all',
  'anonymous',
  'everyone',
  'guest',
  'public',
  'root',
  'service',
  'superuser',
  'auditor',
  'approver',
  'break_glass',
  'impersonator',
  'support',
  // A derived role of the policies that come with Portcullis.
  'author',
]);

/** `operator_admin`, `support_operator`, `platform`, `tenant_member`: what base policies call roles that are theirs. */
const families = /^(?:operators?|platform|system|portcullis|cerbos|tenant)(?:_|$)|_operator$/;

/**
 * Whether no role of a tenant's own may have this name: in any case, and with `-` for `_`.
 *
 * A principal with a role is what a rule for that role asks for, whoever made the role: a tenant that could call one of
 * its roles `operator` would have what the base policy gives to operators. So every role that a base policy names has to
 * be refused: those of the policies that come with Portcullis are, and the names of a platform's own go into `more`.
 *
 * @example
 * ```ts
 * import { isReservedRole } from '@portcullis/tenants/roles';
 *
 * console.log(isReservedRole('Owner'), isReservedRole('reviewer')); // prints: true false
 * ```
 */
export function isReservedRole(roleId: string, more: readonly string[] = []): boolean {
  const id = foldRole(roleId);
  return names.has(id) || families.test(id) || more.some((name) => foldRole(name) === id);
}

/**
 * The form in which two role ids are told apart: without case, and with `_` for `-`.
 *
 * The engine names a role policy with `_` for `-` and refuses two of one name, whoever made them; and a file system may
 * not know `Reader` from `reader`.
 */
export function foldRole(roleId: string): string {
  return roleId.toLowerCase().replaceAll('-', '_');
}

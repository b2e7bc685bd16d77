import { builtInRoles, type TenantRole } from '@portcullis/core';

/** The built-in roles, from the least to the most. */
const ranks: readonly string[] = [...builtInRoles].reverse();

/** Whether a role is a built-in one. */
export function isBuiltInRole(role: string): boolean {
  return ranks.includes(role);
}

/**
 * Whether whoever has `held` has at least what `role` gives: whether it may give that role, or take it away.
 *
 * A built-in role is covered by itself and by those above it. A role of the tenant's own narrows its parents, so it is
 * covered by itself, and where all of its parents are. It covers no built-in role, since it may be much less than the
 * ones that it narrows. A role that is not there is covered by nothing.
 *
 * @param own - all roles of the tenant's own; `requireSoundRoles` keeps circles out of them
 */
export function covers(held: readonly string[], role: string, own: readonly TenantRole[]): boolean {
  if (isBuiltInRole(role)) return held.some((one) => ranks.indexOf(one) >= ranks.indexOf(role));
  return held.includes(role) || coversParents(held, role, own);
}

/**
 * Whether whoever has `held` may say what `role` is. To have the role is not enough: it narrows its parents by what it
 * says, so that only who has those may change it.
 */
export function coversParents(held: readonly string[], role: string, own: readonly TenantRole[]): boolean {
  const parents = own.find(({ roleId }) => roleId === role)?.parentRoles ?? [];
  const rest = own.filter(({ roleId }) => roleId !== role);
  return parents.length > 0 && parents.every((parent) => covers(held, parent, rest));
}

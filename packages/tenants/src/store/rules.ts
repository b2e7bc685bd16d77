import {
  allowanceOf,
  PortcullisError,
  type Membership,
  type Tenant,
  type TenantId,
  type TenantPlans,
  type TenantRole,
} from '@portcullis/core';
import { requireSoundRoles, roleSchema } from '../roles/role.js';
import { membershipSchema, parseInput } from './record.js';
import type { ChangeOptions, DeleteOptions } from './store.js';

/** Whether a member with these roles owns the tenant. */
export function isOwner(roles: readonly string[] | undefined): boolean {
  return roles?.includes('owner') === true;
}

/**
 * Refuses a change that is based on another version than the present one.
 *
 * @param present - 0 where there is no record
 * @throws PortcullisError `precondition_failed`
 */
export function requireVersion(present: number, { ifVersion }: ChangeOptions = {}): void {
  if (ifVersion !== undefined && ifVersion !== present) throw new PortcullisError('precondition_failed');
}

/**
 * Refuses what would leave a tenant without an owner.
 *
 * @param owners - how many there are, the member itself included
 * @param after - the member's roles after the change; `undefined` where it leaves
 * @throws PortcullisError `last_owner`
 */
export function requireOwner(
  member: Pick<Membership, 'roles'> | undefined,
  after: readonly string[] | undefined,
  owners: number,
): void {
  if (isOwner(member?.roles) && !isOwner(after) && owners <= 1) throw new PortcullisError('last_owner');
}

/**
 * Refuses to delete a tenant that has more than was thought.
 *
 * @param others - how many roles, invitations and domain claims there are
 * @throws PortcullisError `conflict`
 */
export function requireOnly(members: readonly string[], others: number, { ifOnly }: DeleteOptions = {}): void {
  if (ifOnly !== undefined && (others > 0 || members.some((member) => !ifOnly.includes(member))))
    throw new PortcullisError('conflict', 'something else belongs to the tenant');
}

/** How many a tenant may have, members and open invitations together; `undefined` for any number. */
export function maxUsersOf(tenant: Tenant, plans: TenantPlans | undefined): number | undefined {
  return allowanceOf(tenant, plans).quotas.maxUsers;
}

/** The most invitations of one tenant that nobody took, expired ones included: all are read and deleted at once. */
export const maxInvitations = 1000;

/** The most claims of one tenant to domains that it has not proven, expired ones included. As many as it may have. */
const maxClaims = 100;

/** @param others - that there are already @throws PortcullisError `quota_exceeded` */
export function requireInvitationPlace(others: number): void {
  if (others >= maxInvitations)
    throw new PortcullisError(
      'quota_exceeded',
      `the tenant has ${String(maxInvitations)} invitations that nobody took: revoke some`,
      { data: { quota: 'invitations', limit: maxInvitations } },
    );
}

/**
 * @param domain - the claim to be, in canonical form
 * @param claimed - the domains that the tenant has claimed, proven ones included
 * @throws PortcullisError `quota_exceeded`
 */
export function requireClaimPlace(domain: string, claimed: readonly string[], tenant: Tenant | undefined): void {
  if (claimed.includes(domain)) return;
  const open = claimed.filter((one) => tenant?.domains.includes(one) !== true);
  if (open.length >= maxClaims)
    throw new PortcullisError(
      'quota_exceeded',
      `the tenant has ${String(maxClaims)} claims to domains that it has not proven: release some`,
      { data: { quota: 'domainClaims', limit: maxClaims } },
    );
}

/** @param others - that there are already @throws PortcullisError `quota_exceeded` where there is no place for one more */
export function requirePlace(others: number, maxUsers: number | undefined): void {
  if (maxUsers !== undefined && others >= maxUsers)
    throw new PortcullisError('quota_exceeded', `the tenant has the ${String(maxUsers)} users that it may have`, {
      data: { quota: 'maxUsers', limit: maxUsers },
    });
}

/** A membership as it becomes. @throws PortcullisError `request_invalid` */
export function memberAfter(
  tenantId: TenantId,
  userId: string,
  roles: readonly string[],
  known: Membership | undefined,
  now: number,
): Membership {
  return parseInput(membershipSchema, {
    tenantId,
    userId,
    roles: Array.isArray(roles) ? [...new Set(roles)] : roles,
    joinedAt: known?.joinedAt ?? now,
    version: (known?.version ?? 0) + 1,
  });
}

/**
 * A role as it becomes.
 *
 * @param others - the tenant's roles, itself included where it is one already
 * @throws PortcullisError `role_invalid`, which names the member
 */
export function roleAfter(input: Omit<TenantRole, 'version'>, others: readonly TenantRole[]): TenantRole {
  const known = others.find(({ roleId }) => roleId === input.roleId);
  const role = parseInput(roleSchema, { ...input, version: (known?.version ?? 0) + 1 }, 'role_invalid');
  requireSoundRoles([...others.filter(({ roleId }) => roleId !== role.roleId), role]);
  return role;
}

/**
 * @param tenant - `undefined` where there is none, and so no binding
 * @throws PortcullisError `conflict` while a member has the role, a binding maps to it or another role builds on it
 */
export function requireUnused(
  roleId: string,
  holders: number,
  roles: readonly TenantRole[],
  tenant: Tenant | undefined,
): void {
  if (holders > 0) throw new PortcullisError('conflict', `role \`${roleId}\` is held by ${String(holders)} members`);
  const bindings = tenant?.settings.identityProviders ?? [];
  const binding = bindings.find(({ roles: mapped = {} }) => Object.values(mapped).includes(roleId));
  if (binding !== undefined)
    throw new PortcullisError('conflict', `a binding of \`${binding.provider}\` maps to role \`${roleId}\``);
  const child = roles.find((role) => role.roleId !== roleId && role.parentRoles.includes(roleId));
  if (child !== undefined)
    throw new PortcullisError('conflict', `role \`${child.roleId}\` builds on role \`${roleId}\``);
}

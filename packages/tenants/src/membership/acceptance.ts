import { PortcullisError, type Identity, type IdentityProviderBinding, type Tenant } from '@portcullis/core';
import { requireGoodStanding } from '../registry/registry.js';
import { covers, isBuiltInRole } from '../roles/covers.js';
import type { TenantStore } from '../store/store.js';
import type { Invitation } from './invitation.js';
import { systemPrefix } from './actor.js';
import { providerOf, unstoredRoles, type UnstoredRoles } from './unstored-roles.js';

/**
 * Before the key of an operator who invited: an operator is no member, and none that was removed. No `Identity.key`
 * begins with `#`, since no provider is without a name.
 */
export const operatorPrefix = '#operator:';

/** Who comes with an invitation, to which tenant. */
export interface Acceptance {
  readonly invitation: Invitation;
  readonly tenant: Tenant;
  readonly identity: Identity;
  readonly now: number;
  readonly unstored: UnstoredRoles | undefined;
}

/**
 * Refuses an invitation that does not hold any more: for the tenant as it is, for whoever made it, and for whoever comes.
 *
 * @throws PortcullisError `invitation_invalid`
 */
export async function requireAcceptable(store: TenantStore, acceptance: Acceptance): Promise<void> {
  const { invitation, tenant, identity, now } = acceptance;
  requireOpen(tenant, identity, now);
  await requireRoles(store, invitation);
  await requireInviter(store, acceptance);
  if ((await store.getMembership(tenant.id, identity.key)) !== undefined)
    throw invalid('the identity is a member already');
  await requireNoLoss(store, acceptance);
}

/** Whatever is wrong with an invitation, the caller reads the same. @param detail - for operators */
export function invalid(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('invitation_invalid', undefined, { detail, cause });
}

/** @throws PortcullisError `invitation_invalid` */
export function requirePerson(identity: Identity, now: number): void {
  if (identity.kind !== 'user') throw invalid('the identity is a client’s and not a person’s');
  if (now >= identity.expiresAt) throw invalid('the token has expired');
}

/** The provider has to be one that can speak for the tenant: any provider can call an address verified. */
function requireOpen(tenant: Tenant, identity: Identity, now: number): void {
  if (bindingOf(tenant, identity) === undefined)
    throw invalid(`the provider ${identity.provider} is not bound to the tenant`);
  try {
    requireGoodStanding(tenant, now);
  } catch (error) {
    throw invalid(`the tenant is ${tenant.status.state}`, error);
  }
}

function bindingOf(tenant: Tenant, identity: Identity): IdentityProviderBinding | undefined {
  return tenant.settings.identityProviders.find(
    ({ provider, tenantHint }) => provider === identity.provider && tenantHint === identity.tenantHint,
  );
}

async function requireRoles(store: TenantStore, { tenantId, roles }: Invitation): Promise<void> {
  const own = await store.getRoles(tenantId);
  const gone = roles.find((role) => !isBuiltInRole(role) && !own.some(({ roleId }) => roleId === role));
  if (gone !== undefined) throw invalid(`the role ${gone} is gone`);
}

/**
 * An invitation is worth what its maker still is. Where a token makes the maker a member, only what its binding may give
 * is known.
 */
async function requireInviter(
  store: TenantStore,
  { invitation: { tenantId, invitedBy, roles }, tenant, unstored }: Acceptance,
): Promise<void> {
  if (invitedBy.startsWith(operatorPrefix) || invitedBy.startsWith(systemPrefix)) return;
  if (!tenant.settings.identityProviders.some(({ provider }) => provider === providerOf(invitedBy)))
    throw invalid('the provider of whoever invited is not bound to the tenant any more');
  const stored = await store.getMembership(tenantId, invitedBy);
  const held = stored?.roles ?? (await unstoredRoles(store, tenantId, invitedBy, unstored));
  const own = await store.getRoles(tenantId);
  if (!roles.every((role) => covers(held, role, own))) throw invalid('whoever invited could not do so any more');
}

/** What is stored comes before what the token says: nobody is invited out of the roles that it has without. */
async function requireNoLoss(
  store: TenantStore,
  { invitation: { tenantId, roles }, tenant, identity, unstored }: Acceptance,
): Promise<void> {
  const binding = bindingOf(tenant, identity);
  const mapped = new Map(binding?.membership === 'token' ? Object.entries(binding.roles ?? {}) : []);
  const had = [...identity.roles.map((role) => mapped.get(role)), ...(unstored?.(tenantId, identity.key) ?? [])];
  const own = await store.getRoles(tenantId);
  const lost = had.find((role) => role !== undefined && !covers(roles, role, own));
  if (lost !== undefined) throw invalid(`the identity has the role ${lost} without, which it would lose`);
}

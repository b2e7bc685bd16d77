import {
  PortcullisError,
  isSealedTenantContext,
  principalOf,
  type Identity,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';
import { grantOf, type Grant } from '../grant/grant.js';
import { placePattern } from '../grant/record.js';
import type { GrantOwner, GrantPageOptions } from '../grant/store.js';
import { requireAllowed } from './ask.js';
import { authorize, requireOperator, requireSealed } from './authorize.js';
import type { Parts } from './options.js';

/** A part of a list of grants, the newest first. */
export interface GrantPage {
  readonly grants: readonly Grant[];
  /** Hand it in for the next part; absent on the last one. */
  readonly cursor?: string | undefined;
}

/** The grants that an operator asked for itself. */
export async function ownGrants(parts: Parts, identity: Identity, page: GrantPageOptions): Promise<GrantPage> {
  requireSealed(identity);
  requireOperator(parts, identity);
  return listed(parts, { operator: identity.key }, page);
}

/** The grants on a tenant, for an operator who may see them. */
export async function grantsOn(
  parts: Parts,
  identity: Identity,
  tenant: TenantId,
  requestId: string,
  page: GrantPageOptions,
): Promise<GrantPage> {
  await authorize(parts, identity, { action: 'grants:read', tenant, requestId });
  return listed(parts, { tenant }, page);
}

/** The grants on a tenant, for its own administrators. */
export async function tenantGrants(parts: Parts, context: TenantContext, page: GrantPageOptions): Promise<GrantPage> {
  if (!isSealedTenantContext(context)) throw new TypeError('the tenant context was not made by a resolver');
  const { tenant, requestId } = context;
  await requireAllowed(parts.pdp, {
    principal: principalOf(context),
    action: 'grants:read',
    tenant: tenant.id,
    scope: tenant.id,
    requestId,
  });
  return listed(parts, { tenant: tenant.id }, page);
}

async function listed(parts: Parts, owner: GrantOwner, { limit = 50, cursor }: GrantPageOptions): Promise<GrantPage> {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 200)
    throw new PortcullisError('request_invalid', 'limit: has to be 1 to 200', { data: { field: 'limit' } });
  if (cursor !== undefined && !placePattern.test(cursor))
    throw new PortcullisError('request_invalid', 'cursor: is not one of this list', { data: { field: 'cursor' } });
  const found = await parts.store.list(owner, { limit, cursor });
  const now = parts.clock();
  return {
    grants: found.grants.map(({ record, uses }) => grantOf(record, uses, now)),
    ...(found.cursor === undefined ? {} : { cursor: found.cursor }),
  };
}

import { PortcullisError, type Identity, type Tenant } from '@portcullis/core';
import { whyNotLive, type GrantRecord } from '../grant/grant.js';
import { requireAllowed } from './ask.js';
import { attempt } from './attempt.js';
import { requireOperator, requireSealed } from './authorize.js';
import { findGrant, grantInvalid } from './find-grant.js';
import type { Parts } from './options.js';
import { actionOf, attributesOf, requirePerson } from './request-grant.js';
import { tenantInGoodStanding } from './standing.js';

/** A grant that holds, and the tenant that it is for. */
export interface LiveGrant {
  readonly grant: GrantRecord;
  readonly tenant: Tenant;
}

/** Which grant is to be used, and what else the request says. */
export interface GrantUse {
  readonly id: string;
  /** The tenants that the request names, which all have to be the grant's. */
  readonly named?: readonly string[] | undefined;
  readonly requestId: string;
}

/**
 * Uses a grant for one request. Everything is looked at anew: who asks and with which client, the grant and its time,
 * the tenant, the policy. Then it is recorded, and counted only if the grant is still the very one that was looked at:
 * after a revocation has been acknowledged, no use begins.
 */
export async function useGrant(parts: Parts, identity: Identity, use: GrantUse): Promise<LiveGrant> {
  requireSealed(identity);
  const event = { operator: identity, action: 'grant.use', requestId: use.requestId };
  return attempt(parts, event, async (allow, learn) => {
    const { id } = use;
    requireBearer(parts, identity);
    const { record } = await findGrant(parts, id);
    const { kind, tenant, reason, approvedBy, expiresAt } = record;
    learn({ grant: record.id, kind, tenant, reason, approvedBy, expiresAt });
    const live = await judge(parts, identity, record, use);
    await allow();
    requireLive(record, parts.clock());
    if (!(await parts.store.use(record.id, record.version)))
      throw grantInvalid('the grant was changed by somebody else just now');
    requireLive(record, parts.clock());
    return live;
  });
}

/**
 * Looks again whether a grant still holds, for a stream or a session that is open. It is no use of its own: only that it
 * does not hold any more is recorded.
 */
export async function recheckGrant(parts: Parts, identity: Identity, use: GrantUse): Promise<LiveGrant> {
  requireSealed(identity);
  const event = { operator: identity, action: 'grant.use', requestId: use.requestId };
  return attempt(parts, event, async (_allow, learn) => {
    requireBearer(parts, identity);
    if (parts.clock() >= identity.expiresAt)
      throw new PortcullisError('token_invalid', 'the token has expired', { data: { rule: 'expired' } });
    const { record } = await findGrant(parts, use.id);
    const { kind, tenant, reason, approvedBy, expiresAt } = record;
    learn({ grant: record.id, kind, tenant, reason, approvedBy, expiresAt });
    const live = await judge(parts, identity, record, use);
    requireLive(record, parts.clock());
    return live;
  });
}

async function judge(
  parts: Parts,
  identity: Identity,
  record: GrantRecord,
  { named = [], requestId }: GrantUse,
): Promise<LiveGrant> {
  const { tenant: id, kind, ttlMs } = record;
  if (record.operator.key !== identity.key) throw grantInvalid('the grant is for another operator');
  if (record.client !== identity.clientId) throw grantInvalid('the grant is for another client');
  requireLive(record, parts.clock());
  const other = named.find((name) => name !== id);
  if (other !== undefined)
    throw new PortcullisError('tenant_mismatch', undefined, {
      detail: `the grant is for ${id}, the request names ${other}`,
    });
  const tenant = await tenantInGoodStanding(parts, id);
  await requireAllowed(parts.pdp, {
    principal: requireOperator(parts, identity),
    action: actionOf(kind),
    tenant: id,
    attr: attributesOf(tenant, ttlMs),
    scope: id,
    requestId,
  });
  return { grant: record, tenant };
}

/** A grant that somebody presents who is no operator is refused like any other that does not hold. */
function requireBearer(parts: Parts, identity: Identity): void {
  try {
    requireOperator(parts, identity);
    requirePerson(identity);
  } catch (error) {
    throw error instanceof PortcullisError ? grantInvalid(error.detail ?? error.message) : error;
  }
}

function requireLive(record: GrantRecord, now: number): void {
  const problem = whyNotLive(record, now);
  if (problem !== undefined) throw grantInvalid(problem);
}

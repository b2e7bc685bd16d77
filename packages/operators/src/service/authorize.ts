import {
  PortcullisError,
  isSealedIdentity,
  isTenantId,
  type Action,
  type Attributes,
  type Identity,
  type OperatorContext,
  type Principal,
  type TenantId,
} from '@portcullis/core';
import { sealOperatorContext } from '@portcullis/core/seal';
import { operatorPrincipal } from '../principal/operator-principal.js';
import { requireAllowed } from './ask.js';
import { attempt } from './attempt.js';
import type { Parts } from './options.js';
import { readReason, readTtl } from './words.js';

/** What an operator is about to do. */
export interface OperatorAction {
  /** As policies name it: `suspend`, `limits:write`, `tenants:list`. */
  readonly action: Action;
  /** The tenant it is done to; absent for all of them. */
  readonly tenant?: TenantId | undefined;
  /** More that policies may read, as `member`: the key of the user concerned. */
  readonly attr?: Attributes | undefined;
  /** Why, in the operator's own words: held to the same as the reason of a grant. */
  readonly reason?: string | undefined;
  readonly requestId: string;
}

/** What an operator context is wanted for. */
export interface OperatorContextRequest {
  /** `provision`, `deprovision`: a tenant's life. `storage:open`: a tenant's storage, by the adapters' operator methods. */
  readonly action: 'provision' | 'deprovision' | 'storage:open';
  /** The tenants, or `all`: then policy is asked about the platform. */
  readonly tenants: readonly TenantId[] | 'all';
  readonly reason: string;
  /** In milliseconds. */
  readonly ttlMs: number;
  readonly requestId: string;
}

/**
 * The principal of an operator.
 *
 * @throws PortcullisError `denied` for anybody else; TypeError when the identity was not made by a verifier
 */
export function requireOperator({ providers }: Parts, identity: Identity): Principal {
  const principal = operatorPrincipal(identity, providers);
  if (principal === undefined)
    throw new PortcullisError('denied', undefined, { detail: 'the identity is not an operator’s' });
  return principal;
}

/**
 * @throws TypeError when the identity was not made by a verifier: nothing is recorded of what nobody vouches for
 */
export function requireSealed(identity: Identity): void {
  if (!isSealedIdentity(identity)) throw new TypeError('the identity was not made by a verifier');
}

/**
 * Decides and records something that an operator does from outside.
 *
 * @throws PortcullisError `request_invalid` for a reason that is too short, too long, or no line of plain text
 */
export async function authorize(parts: Parts, identity: Identity, wanted: OperatorAction): Promise<void> {
  requireSealed(identity);
  const { action, tenant, attr, requestId } = wanted;
  // It goes into the tenant's trail as it is.
  const reason = wanted.reason === undefined ? undefined : readReason(wanted.reason, parts.minReasonLength);
  const event = {
    operator: identity,
    action: `${tenant === undefined ? 'platform' : 'tenant'}.${action}`,
    tenant,
    reason,
    requestId,
  };
  await attempt(parts, event, async (allow) => {
    const principal = requireOperator(parts, identity);
    await requireAllowed(parts.pdp, { principal, action, tenant, attr, scope: '', requestId });
    await allow();
  });
}

/** Decides, records and seals an operator context. */
export async function contextFor(
  parts: Parts,
  identity: Identity,
  wanted: OperatorContextRequest,
): Promise<OperatorContext> {
  requireSealed(identity);
  const { action, requestId } = wanted;
  const tenants = wanted.tenants === 'all' ? 'all' : [...new Set(wanted.tenants)];
  if (tenants !== 'all' && (tenants.length === 0 || !tenants.every(isTenantId)))
    throw new PortcullisError('request_invalid', 'tenants: has to name at least one tenant, or be `all`');
  const reason = readReason(wanted.reason, parts.minReasonLength);
  const ttlMs = readTtl(wanted.ttlMs, parts.maxContextMs);
  const expiresAt = parts.clock() + ttlMs;
  // One tenant after the other: each has a trail of its own, and the first no ends it.
  for (const tenant of tenants === 'all' ? [undefined] : tenants) {
    const event = {
      operator: identity,
      action: `${tenant === undefined ? 'platform' : 'tenant'}.${action}`,
      tenant,
      reason,
      expiresAt,
      requestId,
    };
    await attempt(parts, event, async (allow) => {
      const principal = requireOperator(parts, identity);
      const attr = tenant === undefined ? undefined : { ttl_ms: ttlMs };
      await requireAllowed(parts.pdp, { principal, action, tenant, attr, scope: '', requestId });
      await allow();
    });
  }
  return sealOperatorContext({ kind: 'operator', identity, reason, tenants, expiresAt, action, requestId });
}

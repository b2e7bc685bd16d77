import { randomBytes } from 'node:crypto';
import {
  PortcullisError,
  isTenantId,
  type Attributes,
  type Identity,
  type Tenant,
  type TenantId,
} from '@portcullis/core';
import { grantOf, type Grant, type GrantKind, type GrantRecord } from '../grant/grant.js';
import { personOf } from '../principal/person.js';
import { requireAllowed } from './ask.js';
import { attempt } from './attempt.js';
import { requireOperator, requireSealed } from './authorize.js';
import type { Parts } from './options.js';
import { tenantInGoodStanding } from './standing.js';
import { readReason, readTtl } from './words.js';

/** What an operator wants to act in a tenant for. */
export interface GrantRequest {
  readonly tenant: TenantId;
  readonly kind: GrantKind;
  /** In the operator's words: a ticket, a request of the customer's. The tenant's administrators read it. */
  readonly reason: string;
  /** In milliseconds. @defaultValue `defaultTtlMs` */
  readonly ttlMs?: number | undefined;
  /** The client (`Identity.clientId`) that the grant will be used with. @defaultValue the one that asks for it */
  readonly client?: string | undefined;
  readonly requestId: string;
}

/** The action that policy decides on, for a kind of grant: when it is asked for, and again on every use. */
export function actionOf(kind: GrantKind): 'act' | 'break_glass' {
  switch (kind) {
    case 'support':
      return 'act';
    case 'break_glass':
      return 'break_glass';
  }
}

/** What policy learns of the grant beside its action. */
export function attributesOf(tenant: Tenant, ttlMs: number): Attributes {
  return { plan: tenant.plan, ttl_ms: ttlMs };
}

/** Grants act for people: a program that acts for itself, or nobody in particular, answers to no one. */
export function requirePerson(identity: Identity): void {
  if (identity.kind !== 'user')
    throw new PortcullisError('denied', undefined, { detail: 'grants are for people, not for clients of their own' });
}

/** Asks for a grant. A support grant holds at once; a break-glass one when a second person has approved it. */
export async function requestGrant(parts: Parts, identity: Identity, wanted: GrantRequest): Promise<Grant> {
  requireSealed(identity);
  const { kind, tenant: id, requestId } = wanted;
  if (!isTenantId(id)) throw new PortcullisError('tenant_unknown');
  const reason = readReason(wanted.reason, parts.minReasonLength);
  const ttlMs = readTtl(wanted.ttlMs ?? Math.min(parts.defaultTtlMs, parts.maxTtlMs[kind]), parts.maxTtlMs[kind]);
  const event = { operator: identity, action: 'grant.request', tenant: id, kind, reason, requestId };
  return attempt(parts, event, async (allow) => {
    const principal = requireOperator(parts, identity);
    requirePerson(identity);
    const tenant = await tenantInGoodStanding(parts, id);
    await requireAllowed(parts.pdp, {
      principal,
      action: actionOf(kind),
      tenant: id,
      attr: attributesOf(tenant, ttlMs),
      scope: id,
      requestId,
    });
    const now = parts.clock();
    const client = wanted.client ?? identity.clientId;
    const record: GrantRecord = {
      id: randomBytes(24).toString('base64url'),
      kind,
      tenant: id,
      operator: personOf(identity),
      ...(client === undefined ? {} : { client }),
      reason,
      ttlMs,
      requestedAt: now,
      ...(kind === 'support' ? { startsAt: now, expiresAt: now + ttlMs } : { approveBy: now + parts.approveWithinMs }),
      version: 1,
    };
    await allow({ grant: record.id, expiresAt: record.expiresAt });
    await parts.store.create(record, ttlMs + parts.approveWithinMs + parts.keepMs);
    return grantOf(record, 0, parts.clock());
  });
}

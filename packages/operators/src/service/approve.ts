import { PortcullisError, type Identity } from '@portcullis/core';
import { grantOf, stateOf, type Grant, type GrantRecord } from '../grant/grant.js';
import { mayBeOnePerson, personOf } from '../principal/person.js';
import { requireAllowed } from './ask.js';
import { attempt } from './attempt.js';
import { requireOperator, requireSealed } from './authorize.js';
import { findGrant, grantInvalid } from './find-grant.js';
import type { Parts } from './options.js';
import { requirePerson } from './request-grant.js';
import { tenantInGoodStanding } from './standing.js';

/** Approves a break-glass grant: once, in time, as another person than the one who asked. It begins now. */
export async function approveGrant(parts: Parts, identity: Identity, id: string, requestId: string): Promise<Grant> {
  requireSealed(identity);
  const event = { operator: identity, action: 'grant.approve', requestId };
  return attempt(parts, event, async (allow, learn) => {
    const principal = requireOperator(parts, identity);
    requirePerson(identity);
    const { record, uses } = await findGrant(parts, id);
    const { kind, tenant, reason } = record;
    learn({ grant: record.id, kind, tenant, reason });
    requireSecondPerson(identity, record);
    await requireAllowed(parts.pdp, {
      principal,
      action: 'approve_break_glass',
      tenant,
      attr: { requested_by: record.operator.key, ttl_ms: record.ttlMs },
      scope: '',
      requestId,
    });
    await tenantInGoodStanding(parts, tenant);
    requirePending(record, parts.clock());
    const expiresAt = parts.clock() + record.ttlMs;
    await allow({ approvedBy: identity.key, expiresAt });
    // Recording takes time, too.
    requirePending(record, parts.clock());
    const approved: GrantRecord = {
      ...record,
      approvedBy: identity.key,
      startsAt: expiresAt - record.ttlMs,
      expiresAt,
      version: record.version + 1,
    };
    if (!(await parts.store.replace(approved, record.version, record.ttlMs + parts.keepMs)))
      throw grantInvalid('the grant was approved or revoked by somebody else just now');
    return grantOf(approved, uses, parts.clock());
  });
}

function requirePending(record: GrantRecord, now: number): void {
  const state = stateOf(record, now);
  // A support grant never is: it holds from the start.
  if (state !== 'pending') throw grantInvalid(`the grant is ${state}, not pending`);
}

/**
 * Somebody else, in person: a delegated token (RFC 8693 `act`) speaks for somebody who may not know of it, and may be
 * in the hands of the very person who asked.
 */
function requireSecondPerson(identity: Identity, { operator }: GrantRecord): void {
  if (identity.actors.length > 0)
    throw new PortcullisError('denied', undefined, { detail: 'an approval has to come from the person itself' });
  if (mayBeOnePerson(personOf(identity), operator))
    throw new PortcullisError('denied', undefined, { detail: 'the person who approves has to be another one' });
}

import { PortcullisError, type Identity } from '@portcullis/core';
import { grantOf, stateOf, type Grant, type GrantRecord } from '../grant/grant.js';
import { requireAllowed } from './ask.js';
import { attempt } from './attempt.js';
import { requireOperator, requireSealed } from './authorize.js';
import { findGrant } from './find-grant.js';
import type { Parts } from './options.js';

/** How often a revocation is tried when others change the grant at the same time. */
const attempts = 5;

/** Ends a grant: one's own, or another's where policy allows it. What is over already is left as it is. */
export async function revokeGrant(parts: Parts, identity: Identity, id: string, requestId: string): Promise<Grant> {
  requireSealed(identity);
  const event = { operator: identity, action: 'grant.revoke', requestId };
  return attempt(parts, event, async (allow, learn) => {
    const principal = requireOperator(parts, identity);
    let { record, uses } = await findGrant(parts, id);
    const { kind, tenant, reason } = record;
    learn({ grant: record.id, kind, tenant, reason });
    if (record.operator.key !== identity.key)
      await requireAllowed(parts.pdp, { principal, action: 'grants:revoke', tenant, scope: '', requestId });
    await allow();
    for (let attempt = 0; attempt < attempts; attempt++) {
      const now = parts.clock();
      // By its own time it may be over here and not yet elsewhere: only a revocation is final on every clock.
      if (stateOf(record, now) === 'revoked') return grantOf(record, uses, now);
      const revoked: GrantRecord = { ...record, revokedBy: identity.key, revokedAt: now, version: record.version + 1 };
      if (await parts.store.replace(revoked, record.version, parts.keepMs + revoked.ttlMs))
        return grantOf(revoked, uses, now);
      ({ record, uses } = await findGrant(parts, id));
    }
    throw new PortcullisError('conflict', 'the grant is being changed by others, try again');
  });
}

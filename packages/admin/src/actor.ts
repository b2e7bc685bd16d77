import { PortcullisError } from '@portcullis/core';
import { sealOperatorContext } from '@portcullis/core/seal';
import type { Scene } from './endpoint.js';
import type { AdminActor } from './ports.js';
import { subjectId } from './subject.js';

/** How long an operator's right to one change holds, in milliseconds: as long as a request may take, and some. */
const lastsMs = 60_000;

/**
 * The caller, as the services of a tenant take it. An operator gets a context for this tenant and this request: policy
 * has permitted the very action by then, and it is on record.
 */
export function actorOf(scene: Scene, action: string, now: number): AdminActor {
  const { caller, requestId } = scene;
  switch (caller.kind) {
    case 'member':
      return caller.context;
    case 'operator':
      return sealOperatorContext({
        kind: 'operator',
        identity: caller.identity,
        reason: caller.reason,
        tenants: [subjectId(scene)],
        expiresAt: now + lastsMs,
        action,
        requestId,
      });
    case 'person':
      throw new PortcullisError('denied', undefined, { detail: 'an identity alone changes nothing in a tenant' });
  }
}

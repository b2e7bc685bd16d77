import { PortcullisError } from '@portcullis/core';
import { sealOperatorContext } from '@portcullis/core/seal';
import type { Scene } from './endpoint.js';
import type { AdminActor } from './ports.js';

/** How long an operator's right to one change holds, in milliseconds: as long as a request may take, and some. */
const lastsMs = 60_000;

/**
 * The caller, as the services of a tenant take it. An operator gets a context for this tenant (or, where the path
 * names none, for all of them) and this request: policy
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
        // Where the path names no tenant, what was permitted is on the platform.
        tenants: scene.subject === undefined ? 'all' : [scene.subject.id],
        expiresAt: now + lastsMs,
        action,
        requestId,
      });
    case 'person':
      throw new PortcullisError('denied', undefined, { detail: 'an identity alone changes nothing in a tenant' });
  }
}

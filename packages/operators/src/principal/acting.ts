import type { Identity } from '@portcullis/core';
import { sealIdentity } from '@portcullis/core/seal';

const acting = new WeakSet<Identity>();

/**
 * The identity that goes into an impersonated context: the same person by every member, and marked. Whoever holds the
 * context holds this and not the operator's own identity, and no operator's service takes it: code that runs in a
 * tenant for an operator cannot ask for grants, approve any, or go on to another tenant in the operator's name.
 */
export function actingIdentity(identity: Identity): Identity {
  const copy = sealIdentity({ ...identity });
  acting.add(copy);
  return copy;
}

/** Whether an identity came out of an impersonated context. */
export function isActing(identity: Identity): boolean {
  return acting.has(identity);
}

import type { CallOptions, PolicyDecisionPoint } from '@portcullis/core';
import { askWithin, type Patience } from './ask-within.js';

/**
 * Says which revision of the policies an engine decides by, as a text that no other set of policies has; `undefined`
 * where nobody knows. It is asked at every question that needs it, so it should answer from memory.
 */
export type RevisionOf = (
  pdp: PolicyDecisionPoint,
  options: CallOptions,
) => string | undefined | Promise<string | undefined>;

/** The revision, or `undefined` if it is not known, not said in time, or empty: then nothing may rest on it. */
export async function knownRevision(
  revisionOf: RevisionOf,
  pdp: PolicyDecisionPoint,
  options: Patience & { readonly deadlineMs: number },
): Promise<string | undefined> {
  try {
    const revision: unknown = await askWithin((signal) => revisionOf(pdp, { signal }), options);
    return typeof revision === 'string' && revision !== '' ? revision : undefined;
  } catch {
    return undefined;
  }
}

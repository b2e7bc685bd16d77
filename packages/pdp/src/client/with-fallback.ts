import { setMaxListeners } from 'node:events';
import type { CallOptions, PolicyDecisionPoint } from '@portcullis/core';
import { answersByPosition } from './answers-by-position.js';
import { askWithin } from './ask-within.js';
import { atLeast } from '../at-least.js';
import { closeAll } from './close-all.js';
import { knownRevision, type RevisionOf } from './revision.js';
import { tell } from './tell.js';
import { isUnavailable } from '../unavailable.js';

/** What happened when the engine was away. */
export type FallbackEvent =
  | { readonly type: 'used'; readonly revision: string }
  | { readonly type: 'refused'; readonly reason: 'revision_unknown' | 'revision_differs' }
  | { readonly type: 'failed'; readonly error: unknown };

/** What `withFallback` may be told. */
export interface WithFallbackOptions {
  /** The engine that decides while the other is away: one in this process. `close` closes it, too. */
  readonly fallback: PolicyDecisionPoint;
  /**
   * The revision of either engine. The one that is away cannot be asked: say what its policies are *now*, from where
   * they are rolled out, and `undefined` when that is not known. What it said last may be out of date.
   */
  readonly revisionOf: RevisionOf;
  /** How long the fallback, and each question for a revision, may take, in milliseconds. @defaultValue 250 */
  readonly deadlineMs?: number | undefined;
  /** Is told of each question that the engine did not answer. */
  readonly onFallback?: ((event: FallbackEvent) => void) | undefined;
}

/**
 * Lets a second engine decide while the first is away, if both decide by the same revision of the policies.
 *
 * Away means `pdp_unavailable`, and not that the caller gave up. If the revisions differ, or one is not known, or one of
 * them changes while the fallback decides, or the fallback fails, the failure of the first engine is passed on: nothing
 * is allowed.
 *
 * @throws PortcullisError `config_invalid`, for a setting that is too small; from `check` and `plan`, what the first
 * engine throws
 * @example
 * ```ts
 * import { withFallback } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const remote = cerbos('pdp.internal:3593');
 * const local = cerbos('unix:/run/cerbos.sock');
 * const revisions = new Map([
 *   [remote, 'r7'], // in truth: what was rolled out last
 *   [local, 'r7'], // in truth: what this process has loaded
 * ]);
 * const pdp = withFallback(remote, { fallback: local, revisionOf: (engine) => revisions.get(engine) });
 * await pdp.close();
 * ```
 */
export function withFallback(
  pdp: PolicyDecisionPoint,
  { fallback, revisionOf, deadlineMs = 250, onFallback }: WithFallbackOptions,
): PolicyDecisionPoint {
  atLeast(1, 'deadlineMs', deadlineMs);
  const closing = new AbortController();
  // Every question listens to it, as many as there are.
  setMaxListeners(0, closing.signal);
  const patience = ({ signal }: CallOptions) => ({ signal, closing: closing.signal, deadlineMs });

  async function sharedRevision(options: CallOptions): Promise<string | FallbackEvent> {
    const within = patience(options);
    const [own, other] = await Promise.all([
      knownRevision(revisionOf, pdp, within),
      knownRevision(revisionOf, fallback, within),
    ]);
    if (own === undefined || other === undefined) return { type: 'refused', reason: 'revision_unknown' };
    return own === other ? own : { type: 'refused', reason: 'revision_differs' };
  }

  async function decide<T>(
    ask: (engine: PolicyDecisionPoint, options: CallOptions) => Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    try {
      return await ask(pdp, options);
    } catch (failure) {
      if (!isUnavailable(failure) || options.signal?.aborted === true) throw failure;
      const before = await sharedRevision(options);
      if (typeof before !== 'string') {
        tell(onFallback, before);
        throw failure;
      }
      let answer: T;
      try {
        answer = await askWithin((signal) => ask(fallback, { signal }), patience(options));
      } catch (error) {
        tell(onFallback, { type: 'failed', error });
        throw failure;
      }
      // Policies may be replaced while it decides: then nobody knows by which it did.
      const after = await sharedRevision(options);
      if (after !== before) {
        tell(onFallback, typeof after === 'string' ? { type: 'refused', reason: 'revision_differs' } : after);
        throw failure;
      }
      tell(onFallback, { type: 'used', revision: before });
      return answer;
    }
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    check: (request, options = {}) =>
      decide(
        async (engine, own) =>
          engine === fallback
            ? answersByPosition(request, await engine.check(request, own))
            : await engine.check(request, own),
        options,
      ),
    plan: (request, options = {}) => decide(async (engine, own) => await engine.plan(request, own), options),
    async close() {
      closing.abort();
      await closeAll([pdp, fallback]);
    },
  };
}

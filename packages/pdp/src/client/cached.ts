import { LRUCache } from 'lru-cache';
import {
  deepFreeze,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { answersByPosition } from './answers-by-position.js';
import { atLeast } from '../at-least.js';
import { canonicalKey, questionKey } from './canonical-key.js';
import { knownRevision, type RevisionOf } from './revision.js';
import { unavailable } from '../unavailable.js';

/** What `cached` is told. */
export interface CachedOptions {
  /**
   * The revision of the policies that the engine decides by. It is asked before and after each question, so it should
   * answer from memory. What was decided by one revision is never the answer at another; while it is not known, nothing
   * is cached.
   */
  readonly revisionOf: RevisionOf;
  /** How long an answer holds, in milliseconds. @defaultValue 1000 */
  readonly ttlMs?: number | undefined;
  /** The most memory that questions and answers may take, in bytes, as far as their text says. @defaultValue 16 777 216 */
  readonly maxBytes?: number | undefined;
  /** How long the question for the revision may take, in milliseconds. @defaultValue 100 */
  readonly revisionDeadlineMs?: number | undefined;
  /** A clock that never jumps, in milliseconds. @defaultValue `performance.now` */
  readonly now?: (() => number) | undefined;
}

type Answer = readonly (readonly Decision[])[];

interface Entry {
  readonly answer: Answer;
  readonly bytes: number;
  readonly until: number;
}

/**
 * Answers the very same question again from memory, for a short time.
 *
 * Only in front of an engine that is far away: in this process a key costs as much as a decision. The question is the
 * whole request but its id: another role, attribute, tenant, action or order is another question. Failures and plans are
 * never cached. Decisions come with their obligations and outputs, and the `callId` and `durationMs` of the call that
 * decided.
 *
 * **A condition that reads the clock may hold up to `ttlMs` longer than it should**, and so may whatever a policy reads
 * that is not in the question.
 *
 * @throws PortcullisError `config_invalid`, for a setting that is too small; from `check` and `plan`, what the engine
 * throws
 * @example
 * ```ts
 * import { cached } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const pdp = cached(cerbos('pdp.internal:3593'), { revisionOf: () => 'r7', ttlMs: 500 });
 * await pdp.close();
 * ```
 */
export function cached(pdp: PolicyDecisionPoint, options: CachedOptions): PolicyDecisionPoint {
  const { revisionOf, now = () => performance.now() } = options;
  const ttlMs = atLeast(1, 'ttlMs', options.ttlMs ?? 1000);
  const deadlineMs = atLeast(1, 'revisionDeadlineMs', options.revisionDeadlineMs ?? 100);
  const entries = new LRUCache<string, Entry>({
    maxSize: atLeast(1, 'maxBytes', options.maxBytes ?? 16_777_216),
    sizeCalculation: ({ bytes }) => bytes,
  });
  let closed = false;

  async function check(request: CheckRequest, own: CallOptions = {}): Promise<Answer> {
    const { signal } = own;
    const question = questionKey(request);
    if (question === undefined || closed) return pdp.check(request, own);
    const revision = await knownRevision(revisionOf, pdp, { signal, deadlineMs });
    if (signal?.aborted === true) throw unavailable('the caller gave up', signal.reason);
    if (revision === undefined) return pdp.check(request, own);
    const key = JSON.stringify([revision, question]);
    const found = entries.get(key);
    if (found !== undefined && now() < found.until) return found.answer;
    const askedAt = now();
    const answer = await pdp.check(request, own);
    // Not if the policies were replaced meanwhile, nor if the caller changed its question: then it is the answer to another.
    const after = await knownRevision(revisionOf, pdp, { signal, deadlineMs });
    if (after === revision && questionKey(request) === question) keep(key, request, answer, askedAt + ttlMs);
    return answer;
  }

  function keep(key: string, request: CheckRequest, answer: Answer, until: number): void {
    const text = canonicalKey(answer);
    if (text === undefined || closed || !isComplete(request, answer)) return;
    // A copy, and frozen: one caller must not be able to change what the next one gets.
    entries.set(key, { answer: deepFreeze(structuredClone(answer)), bytes: 2 * (key.length + text.length), until });
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    check,
    plan: (request, own) => pdp.plan(request, own),
    async close() {
      closed = true;
      entries.clear();
      await pdp.close();
    },
  };
}

function isComplete(request: CheckRequest, answer: Answer): boolean {
  try {
    answersByPosition(request, answer);
    return true;
  } catch {
    return false;
  }
}

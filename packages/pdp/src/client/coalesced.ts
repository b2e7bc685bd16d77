import type { CallOptions, CheckRequest, Decision, PolicyDecisionPoint } from '@portcullis/core';
import { answersByPosition } from './answers-by-position.js';
import { askWithin } from './ask-within.js';
import { atLeast } from '../at-least.js';
import { canonicalKey, principalKey } from './canonical-key.js';
import { whyUnsayable } from './why-unsayable.js';
import { isRefused, isUnavailable } from '../unavailable.js';

/** What `coalesced` may be told. */
export interface CoalescedOptions {
  /** The most resources in one shared check; a question that is larger is asked alone. @defaultValue 50 */
  readonly maxQuestions?: number | undefined;
}

type Answer = readonly (readonly Decision[])[];

interface Waiting {
  readonly request: CheckRequest;
  readonly options: CallOptions;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly waiting: Waiting[];
  size: number;
}

/**
 * Makes one check of all that one principal asks in the same turn of the event loop.
 *
 * Only questions whose engine would see the very same principal, scope and version are put together. Each caller gets the
 * decisions at its own places. A caller that gives up takes nobody along; when all have, the check is given up. If the
 * engine cannot answer a shared check, or not in time, it fails for all in it; if it refuses a question in it, each
 * caller’s are asked alone, once. It carries a request id only if all have the same.
 *
 * @throws PortcullisError `config_invalid`, for a setting that is too small; from `check`, what the engine throws, and
 * `pdp_unavailable` where the engine answers something else than it was asked
 * @example
 * ```ts
 * import { coalesced } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const pdp = coalesced(cerbos('unix:/run/cerbos.sock'));
 * await pdp.close();
 * ```
 */
export function coalesced(pdp: PolicyDecisionPoint, { maxQuestions = 50 }: CoalescedOptions = {}): PolicyDecisionPoint {
  atLeast(1, 'maxQuestions', maxQuestions);
  const open = new Map<string, Batch>();

  function join(key: string, waiting: Waiting): void {
    const size = waiting.request.questions.length;
    const found = open.get(key);
    const batch = found !== undefined && found.size + size <= maxQuestions ? found : { waiting: [], size: 0 };
    if (batch !== found) {
      open.set(key, batch);
      setImmediate(() => {
        if (open.get(key) === batch) open.delete(key);
        void flush(pdp, batch.waiting);
      });
    }
    batch.waiting.push(waiting);
    batch.size += size;
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    async check(request, options = {}) {
      const own = snapshot(request);
      if (own === undefined) return pdp.check(request, options);
      const answer = new Promise<Answer>((resolve, reject) => {
        join(own.key, { request: own.request, options, resolve, reject });
      });
      return options.signal === undefined ? answer : await askWithin(() => answer, options);
    },
    plan: (request, options) => pdp.plan(request, options),
    close: () => pdp.close(),
  };
}

/**
 * The question as it is now: what the caller does to its objects before the check goes out must not change whom the
 * others in it are taken for.
 */
function snapshot(request: CheckRequest): { readonly key: string; readonly request: CheckRequest } | undefined {
  const key = principalKey(request);
  if (key === undefined || request.questions.length === 0) return undefined;
  // What no engine can be told takes nobody along, and of an instance of a class the copy would be something else: such
  // a question goes alone and as it is, and the engine says what it thinks of it.
  if (canonicalKey(request.questions) === undefined || whyUnsayable(request) !== undefined) return undefined;
  return { key, request: structuredClone(request) };
}

async function flush(pdp: PolicyDecisionPoint, all: readonly Waiting[]): Promise<void> {
  const waiting = stillWaiting(all);
  const [first] = waiting;
  if (first === undefined) return;
  if (waiting.length === 1) {
    await alone(pdp, first);
    return;
  }
  const { requestId, ...asker } = first.request;
  const shared: CheckRequest = {
    ...asker,
    questions: waiting.flatMap(({ request }) => request.questions),
    ...(waiting.every(({ request }) => request.requestId === requestId) ? { requestId } : {}),
  };
  try {
    const answer = answersByPosition(
      shared,
      await whileAnyoneWaits(waiting, (signal) => pdp.check(shared, { signal })),
    );
    let start = 0;
    for (const { request, resolve } of waiting) resolve(answer.slice(start, (start += request.questions.length)));
  } catch (error) {
    if (isUnavailable(error) && !isRefused(error)) for (const { reject } of waiting) reject(error);
    else await Promise.all(stillWaiting(waiting).map((caller) => alone(pdp, caller)));
  }
}

function stillWaiting(callers: readonly Waiting[]): readonly Waiting[] {
  return callers.filter(({ options }) => options.signal?.aborted !== true);
}

async function alone(pdp: PolicyDecisionPoint, { request, options, resolve, reject }: Waiting): Promise<void> {
  try {
    resolve(await pdp.check(request, options));
  } catch (error) {
    reject(error);
  }
}

/** Gives the check up with the last caller. */
async function whileAnyoneWaits<T>(waiting: readonly Waiting[], ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const gaveUp = (): void => {
    if (waiting.every(({ options }) => options.signal?.aborted === true)) controller.abort();
  };
  for (const { options } of waiting) options.signal?.addEventListener('abort', gaveUp, { once: true });
  try {
    return await ask(controller.signal);
  } finally {
    for (const { options } of waiting) options.signal?.removeEventListener('abort', gaveUp);
  }
}

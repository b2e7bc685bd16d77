import {
  PortcullisError,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type ResourceQuestion,
} from '@portcullis/core';

type Check = (request: CheckRequest, options?: CallOptions) => Promise<readonly (readonly Decision[])[]>;

interface Waiting {
  readonly questions: readonly ResourceQuestion[];
  readonly resolve: (decisions: readonly (readonly Decision[])[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets questions that one principal asks in the same turn of the event loop share one request.
 *
 * Only questions whose engine would see the very same principal, scope and version are put together: the key is an
 * injective encoding of all of it. A caller that gives up takes nobody along.
 *
 * @see CVE-2026-33729, CVE-2026-34972, CVE-2026-46668, CVE-2026-55866: keys that two different questions shared
 */
export function coalescer(check: Check): Check {
  const open = new Map<string, { readonly request: CheckRequest; readonly waiting: Waiting[] }>();

  function flush(key: string): void {
    const batch = open.get(key);
    open.delete(key);
    if (batch === undefined) return;
    const questions = batch.waiting.flatMap((waiting) => waiting.questions);
    check({ ...batch.request, questions }).then(
      (decisions) => {
        let start = 0;
        for (const { questions: own, resolve } of batch.waiting) {
          resolve(decisions.slice(start, start + own.length));
          start += own.length;
        }
      },
      (error: unknown) => {
        for (const { reject } of batch.waiting) reject(error);
      },
    );
  }

  return (request, { signal } = {}) => {
    const key = principalKey(request);
    const batch = open.get(key) ?? { request, waiting: [] };
    if (!open.has(key)) {
      open.set(key, batch);
      setImmediate(flush, key);
    }
    const answer = new Promise<readonly (readonly Decision[])[]>((resolve, reject) => {
      batch.waiting.push({ questions: request.questions, resolve, reject });
    });
    return signal === undefined ? answer : untilAborted(answer, signal);
  };
}

/** Everything that the engine sees beside the questions, injectively. */
export function principalKey({ principal, scope, policyVersion }: CheckRequest): string {
  return JSON.stringify([principal.id, principal.roles, sorted(principal.attr), scope, policyVersion ?? null]);
}

/** Tagged, so that a list of pairs and an object with those members differ. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return ['list', ...value.map(sorted)];
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return ['object', ...members.map(([name, member]) => [name, sorted(member)])];
}

function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = (): void => {
      reject(new PortcullisError('pdp_unavailable', undefined, { detail: 'the caller gave up', cause: signal.reason }));
    };
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    answer.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', giveUp);
    });
  });
}

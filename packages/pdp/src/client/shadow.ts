import type {
  CheckRequest,
  Decision,
  Effect,
  Obligation,
  PolicyDecisionPoint,
  Principal,
  Resource,
} from '@portcullis/core';
import { answersByPosition } from './answers-by-position.js';
import { askWithin } from './ask-within.js';
import { atLeast } from '../at-least.js';
import { canonicalKey } from './canonical-key.js';
import { closeAll } from './close-all.js';
import { tell } from './tell.js';

/** What two engines may differ in. */
export type ShadowAspect = 'effect' | 'policy' | 'obligations';

/** What one engine decided. */
export interface ShadowSide {
  readonly effect: Effect;
  readonly policy: string;
  readonly obligations: readonly Obligation[];
}

/** What a shadow has to tell. */
export type ShadowEvent =
  | {
      readonly type: 'difference';
      readonly aspects: readonly ShadowAspect[];
      readonly principal: Principal;
      readonly scope: string;
      readonly policyVersion: string | undefined;
      readonly requestId: string | undefined;
      readonly resource: Resource;
      readonly action: string;
      readonly enforced: ShadowSide;
      readonly shadow: ShadowSide;
    }
  /** The shadow failed, was too slow, or answered something else than it was asked. */
  | { readonly type: 'failure'; readonly error: unknown }
  /** As many questions as may were with the shadow already. */
  | { readonly type: 'skipped' };

/** What `shadow` may be told. */
export interface ShadowOptions {
  /** The engine that decides too. `close` closes it, too. */
  readonly engine: PolicyDecisionPoint;
  /** Is told of every difference and failure. A difference carries the principal and its attributes: log with care. */
  readonly onEvent: (event: ShadowEvent) => void;
  /** What is compared. Engines of different kinds name policies differently. @defaultValue all three */
  readonly compare?: readonly ShadowAspect[] | undefined;
  /** The most questions with the shadow at one time; further ones are skipped. @defaultValue 4 */
  readonly maxConcurrent?: number | undefined;
  /** After how many milliseconds the shadow is told to give up. @defaultValue 1000 */
  readonly deadlineMs?: number | undefined;
}

/**
 * Lets a second engine, or the same with other policies, decide too, and tells where it decides differently.
 *
 * The answer is always the first engine's. The shadow is asked after it was given, so that nobody waits for it, and gets
 * a copy of the question. Plans are not compared. An engine that decides in this process still takes its time from it.
 *
 * @throws PortcullisError `config_invalid`, for a setting that is too small; from `check` and `plan`, what the first
 * engine throws
 * @example
 * ```ts
 * import { shadow } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const next = cerbos('unix:/run/cerbos-next.sock');
 * const pdp = shadow(cerbos('unix:/run/cerbos.sock'), { engine: next, onEvent: (event) => console.warn(event.type) });
 * await pdp.close();
 * ```
 */
export function shadow(
  pdp: PolicyDecisionPoint,
  {
    engine,
    onEvent,
    compare = ['effect', 'policy', 'obligations'],
    maxConcurrent = 4,
    deadlineMs = 1000,
  }: ShadowOptions,
): PolicyDecisionPoint {
  atLeast(1, 'maxConcurrent', maxConcurrent);
  atLeast(1, 'deadlineMs', deadlineMs);
  const closing = new AbortController();
  let running = 0;

  async function compareWith(request: CheckRequest, enforced: readonly (readonly Decision[])[]): Promise<void> {
    try {
      const answer = await askWithin(
        async (signal) => {
          // Held until the engine has answered, however late: else one that hangs would gather questions without a bound.
          try {
            return answersByPosition(request, await engine.check(request, { signal }));
          } finally {
            running--;
          }
        },
        { signal: closing.signal, deadlineMs },
      );
      for (const event of differences(request, enforced, answer, compare)) tell(onEvent, event);
    } catch (error) {
      if (!closing.signal.aborted) tell(onEvent, { type: 'failure', error });
    }
  }

  function later(copy: Copy, answer: readonly (readonly Decision[])[]): void {
    if (closing.signal.aborted) return;
    if (copy === 'busy' || running >= maxConcurrent) {
      setImmediate(() => {
        tell(onEvent, { type: 'skipped' });
      });
      return;
    }
    running++;
    // A copy also of the answer: neither the engine nor the observer holds what the caller enforces, nor the other way.
    const enforced = copied(answer);
    setImmediate(() => {
      if (copy !== undefined && enforced !== undefined) {
        void compareWith(copy, enforced);
        return;
      }
      running--;
      tell(onEvent, { type: 'failure', error: new TypeError('the question or the answer cannot be copied') });
    });
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    async check(request, options) {
      // Before it is asked: what the caller does to its objects meanwhile must not make it another question.
      const copy = running < maxConcurrent ? copied(request) : 'busy';
      const answer = await pdp.check(request, options);
      later(copy, answer);
      return answer;
    },
    plan: (request, options) => pdp.plan(request, options),
    async close() {
      closing.abort();
      await closeAll([pdp, engine]);
    },
  };
}

/** A question as it was asked; `busy` where there was no place for it, `undefined` where it cannot be copied. */
type Copy = CheckRequest | 'busy' | undefined;

/** Nothing where a copy would not be the same: of an instance of a class it would be a plain object. */
function copied<T>(value: T): T | undefined {
  return canonicalKey(value) === undefined ? undefined : structuredClone(value);
}

function differences(
  request: CheckRequest,
  enforced: readonly (readonly Decision[])[],
  answer: readonly (readonly Decision[])[],
  compare: readonly ShadowAspect[],
): readonly ShadowEvent[] {
  const { principal, scope, policyVersion, requestId } = request;
  return request.questions.flatMap(({ resource, actions }, place) =>
    actions.flatMap((action, index): readonly ShadowEvent[] => {
      const [one, two] = [enforced[place]?.[index], answer[place]?.[index]];
      if (one === undefined || two === undefined) return [];
      const [own, other] = [sideOf(one), sideOf(two)];
      const aspects = compare.filter((aspect) => !isSame(own[aspect], other[aspect]));
      if (aspects.length === 0) return [];
      const about = { principal, scope, policyVersion, requestId, resource, action };
      return [{ type: 'difference', aspects, ...about, enforced: own, shadow: other }];
    }),
  );
}

function sideOf({ effect, policy, obligations }: Decision): ShadowSide {
  // Obligations are a set; each engine has an order of its own.
  const sorted = obligations.map((one) => [canonicalKey(one) ?? '', one] as const);
  return { effect, policy, obligations: sorted.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one) };
}

function isSame(one: unknown, two: unknown): boolean {
  const key = canonicalKey(one);
  return key !== undefined && key === canonicalKey(two);
}

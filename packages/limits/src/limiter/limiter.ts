import {
  allowanceOf,
  isSealedTenantContext,
  PortcullisError,
  type CallPlace,
  type Clock,
  type Limiter,
  type TenantContext,
  type TenantPlans,
} from '@portcullis/core';
import { checkedLimits, checkedPlans, type Allowance } from './allowance.js';
import type { Caller, LimitStore, PlaceAnswer, StoredPlace } from './limit-store.js';
import { memoryLimits } from './memory-limits.js';
import { callRefused, requestRefused, sessionRefused } from './refused.js';
import { shareOf } from './share.js';
import { StoreOutage } from './store-outage.js';

/** How a limiter is set up. */
export interface LimiterOptions {
  /** `memoryLimits()` for one process; `redisLimits(client)` for several that share them. */
  readonly store: LimitStore;
  /** What each plan gives where a tenant's own settings are silent. @defaultValue plans give no limits */
  readonly plans?: TenantPlans | undefined;
  /**
   * What holds while the store cannot be reached. `deny`: nothing passes that has a limit, with `limits_unavailable`.
   * `local`: counters in this process take over, from zero. Each replica then lets the whole limit through, unless
   * `replicas` says how many there are.
   *
   * @defaultValue `deny`
   */
  readonly onStoreFailure?: 'deny' | 'local' | undefined;
  /**
   * For `local`: among how many replicas a limit is divided, rounded down, and at least 1 where it is not 0.
   *
   * @defaultValue 1
   */
  readonly replicas?: number | undefined;
  /** How long a store that has failed three times in a row is left alone, in milliseconds. @defaultValue 1000 */
  readonly retryMs?: number | undefined;
  /** Hears of a store that cannot be reached, once for each outage. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Tells days and months to the counters of `local`. @defaultValue this machine's */
  readonly clock?: Clock | undefined;
  /** Milliseconds that only grow. @defaultValue `performance.now()` */
  readonly monotonic?: Clock | undefined;
}

/**
 * Holds tenants and users to their limits.
 *
 * The figures are those of the context's tenant, and where it has none, its plan's. They are read at every request:
 * a limit that was changed holds from the next context on that carries it.
 *
 * | figure | what holds, exactly |
 * |---|---|
 * | requests a minute | in no 60 s pass more; none is refused before as many have passed in the last 61 s |
 * | requests a day | in no UTC day pass more; none is refused before as many have passed on that day |
 * | calls that run at one time | never more; after a crash of a replica its places are free when their lease ends |
 * | calls a month | in no UTC month more |
 *
 * A request that is refused is counted nowhere. All limits are looked at together: one that the user meets uses up
 * nothing of the tenant's.
 *
 * @throws PortcullisError `config_invalid` for a plan with a figure that is no whole number
 * @example
 * ```ts
 * import { limiter, memoryLimits } from '@portcullis/limits';
 * import { contextFor } from '@portcullis/testing/contexts';
 *
 * const limits = limiter({
 *   store: memoryLimits(),
 *   plans: { pro: { limits: { requestsPerMinute: 600, userRequestsPerMinute: 60 }, quotas: { callsPerMonth: 10_000 } } },
 * });
 * await limits.request(contextFor({ tenant: 'acme', plan: 'pro' }));
 * ```
 */
export function limiter({
  store,
  plans,
  onStoreFailure = 'deny',
  replicas = 1,
  retryMs = 1000,
  onError,
  clock,
  monotonic = () => performance.now(),
}: LimiterOptions): Limiter {
  if (!Number.isSafeInteger(replicas) || replicas < 1) throw new TypeError('`replicas` must be a positive integer');
  const offered = checkedPlans(plans);
  const fallback = onStoreFailure === 'local' ? memoryLimits({ clock, monotonic }) : undefined;
  const outage = new StoreOutage({ retryMs, monotonic, onError });

  /** Asks the store; where it fails, the fallback; and where nothing is limited, nobody. */
  async function ask<T>(
    { tenant }: Caller,
    allowance: Allowance,
    isLimited: boolean,
    question: (store: LimitStore, allowance: Allowance) => Promise<T>,
  ): Promise<readonly [answer: T | undefined, held: Allowance]> {
    try {
      return [await outage.run(tenant, () => question(store, allowance)), allowance];
    } catch (cause) {
      if (fallback !== undefined) {
        const share = shareOf(allowance, replicas);
        return [await question(fallback, share), share];
      }
      if (!isLimited) return [undefined, allowance];
      throw new PortcullisError('limits_unavailable', undefined, {
        detail: cause instanceof Error ? cause.message : 'the store of the limits failed',
        cause,
      });
    }
  }

  return {
    async request(context) {
      const caller = callerOf(context);
      const allowance = checkedLimits(allowanceOf(context.tenant, offered));
      const { request } = allowance;
      if (Object.keys(request).length === 0) return;
      const [refusal] = await ask(caller, allowance, true, (asked, held) => asked.request(caller, held.request));
      if (refusal !== undefined) throw requestRefused(refusal);
    },
    async call(context) {
      const caller = callerOf(context);
      const allowance = checkedLimits(allowanceOf(context.tenant, offered));
      const isLimited = Object.keys(allowance.call).length > 0;
      const [answer, { call }] = await ask(caller, allowance, isLimited, (asked, held) =>
        asked.call(caller, held.call),
      );
      return placeOf(answer, (refusal) => callRefused(refusal, call));
    },
    async session(context, sessionId) {
      const caller = callerOf(context);
      const allowance = checkedLimits(allowanceOf(context.tenant, offered));
      const isLimited = allowance.maxSessionsPerUser !== undefined;
      const [answer, { maxSessionsPerUser }] = await ask(caller, allowance, isLimited, (asked, held) =>
        asked.session(caller, sessionId, held.maxSessionsPerUser),
      );
      return placeOf(answer, ({ open }) => sessionRefused(open, maxSessionsPerUser ?? 0));
    },
    async close() {
      await Promise.all([store.close(), fallback?.close()]);
    },
  };
}

/** @throws PortcullisError `denied` for anything but a context that a tenant resolver made */
function callerOf(context: TenantContext): Caller {
  if (isSealedTenantContext(context)) return { tenant: context.tenant.id, user: context.identity.key };
  throw new PortcullisError('denied', undefined, { detail: 'not a context that a tenant resolver made' });
}

function placeOf<Refusal>(
  answer: PlaceAnswer<Refusal> | undefined,
  refused: (refusal: Refusal) => PortcullisError,
): CallPlace {
  if (answer !== undefined && 'refusal' in answer) throw refused(answer.refusal);
  let place: StoredPlace | undefined = answer?.place;
  return {
    async release() {
      const held = place;
      place = undefined;
      try {
        await held?.release();
      } catch {
        // The store cannot be reached: the place ends with its lease.
      }
    },
  };
}

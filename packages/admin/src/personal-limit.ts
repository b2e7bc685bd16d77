import { PortcullisError, tenantId, type Identity } from '@portcullis/core';
import { memoryLimits } from '@portcullis/limits';

/** Counts a request that somebody makes about itself. @throws PortcullisError `rate_limited` with `data.retryAfterMs` */
export type PersonalLimit = (identity: Identity) => Promise<void>;

/**
 * Bounds what one person asks about itself, which belongs to no tenant whose limits could bound it.
 *
 * The counters are in this process: with several replicas each lets as much through. They are bounded as well: with
 * more than 10,000 people in one minute, those beyond share one person's allowance.
 *
 * @param perMinute - how many requests one person may make in a minute, with whatever clients
 */
export function personalLimit(perMinute: number): PersonalLimit {
  const store = memoryLimits();
  // The counters are the API's own: no tenant is counted there, and so none is meant.
  const tenant = tenantId('oneself');
  return async ({ key }) => {
    const refusal = await store.request({ tenant, user: key }, { userRequestsPerMinute: perMinute });
    if (refusal === undefined) return;
    const { limit, retryAfterMs } = refusal;
    throw new PortcullisError('rate_limited', undefined, {
      data: { limit, scope: 'user', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    });
  };
}

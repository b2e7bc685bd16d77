import { PortcullisError } from '@portcullis/core';
import type { CallLimits, CallRefusal, RequestRefusal } from './limit-store.js';

/** A request that met a rate limit. */
export function requestRefused({ limit, retryAfterMs }: RequestRefusal): PortcullisError {
  return new PortcullisError('rate_limited', undefined, {
    data: { limit, scope: scopeOf(limit), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}

/** A call that met the month's quota, or as many calls as may run. */
export function callRefused(refusal: CallRefusal, limits: CallLimits): PortcullisError {
  if (refusal.limit !== 'callsPerMonth') {
    const { limit } = refusal;
    return new PortcullisError('concurrency_exceeded', undefined, { data: { limit, scope: scopeOf(limit) } });
  }
  const allowed = limits.callsPerMonth ?? 0;
  return new PortcullisError('quota_exceeded', undefined, {
    data: {
      quota: refusal.limit,
      scope: 'tenant',
      used: refusal.used,
      allowed,
      // A quota of 0 does not come back with time.
      ...(allowed === 0 ? {} : { retryAfterMs: refusal.retryAfterMs }),
    },
  });
}

/** A session beyond those that the user may have. */
export function sessionRefused(used: number, allowed: number): PortcullisError {
  return new PortcullisError('quota_exceeded', undefined, {
    data: { quota: 'maxSessionsPerUser', scope: 'user', used, allowed },
  });
}

function scopeOf(limit: string): 'tenant' | 'user' {
  return limit.startsWith('user') ? 'user' : 'tenant';
}

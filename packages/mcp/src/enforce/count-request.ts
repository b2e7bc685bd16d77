import { PortcullisError, type Limiter, type TenantContext } from '@portcullis/core';

/** Counts messages. Rejects with `rate_limited`, `limits_unavailable`. */
export type CountRequest = (context: TenantContext, messages?: number) => Promise<void>;

/**
 * Counts messages against the rate limits of their tenant and user, before anything is decided: requests and
 * notifications alike, and the opening of a stream as one.
 */
export function countsRequests(limiter: Limiter | undefined): CountRequest {
  return async (context, messages = 1) => {
    for (let count = 0; limiter !== undefined && count < messages; count++) {
      try {
        await limiter.request(context);
      } catch (cause) {
        throw asLimitError(cause);
      }
    }
  };
}

/** A limiter that fails in a way of its own lets nothing through. */
export function asLimitError(error: unknown): PortcullisError {
  return error instanceof PortcullisError
    ? error
    : new PortcullisError('limits_unavailable', undefined, { cause: error });
}

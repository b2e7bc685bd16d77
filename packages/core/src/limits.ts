import type { TenantContext } from './tenant.js';

/**
 * What holds tenants and users to their limits. `@portcullis/limits` makes one; the gate asks it.
 *
 * Each method refuses with a code of its own: `rate_limited`, `quota_exceeded`, `concurrency_exceeded`, and
 * `limits_unavailable` where it cannot tell.
 */
export interface Limiter {
  /**
   * Counts one MCP request, before anything is decided.
   *
   * @throws PortcullisError `rate_limited` with `data.retryAfterMs`; `limits_unavailable`
   */
  request(context: TenantContext): Promise<void>;
  /**
   * Counts one tool call that policy permits, before it runs, and holds its place among those that run.
   *
   * @returns the place: release it when the call is over
   * @throws PortcullisError `quota_exceeded`, `concurrency_exceeded`, `limits_unavailable`; nothing is counted then
   */
  call(context: TenantContext): Promise<CallPlace>;
  /**
   * Holds a place among the user's open sessions.
   *
   * @throws PortcullisError `quota_exceeded`, `limits_unavailable`
   */
  session(context: TenantContext, sessionId: string): Promise<CallPlace>;
  close(): Promise<void>;
}

/** A place among the calls, or the sessions, that are open. */
export interface CallPlace {
  /** Gives the place back. Never rejects; a second time does nothing. */
  release(): Promise<void>;
}

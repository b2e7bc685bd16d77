import type { TenantId } from './tenant-id.js';

/**
 * What became of one MCP request, as it is counted. `limited`: it met a rate limit, a quota or a concurrency limit.
 * `error`: it was allowed, and failed or was abandoned. `denied`: policy, isolation, scope or approval.
 */
export type UsageOutcome = 'allowed' | 'denied' | 'limited' | 'error';

/** One MCP request, for counting. */
export interface UsageEvent {
  readonly tenant: TenantId;
  /** `Identity.key`. */
  readonly user: string;
  /** The tool; for other methods the method, as `tools/list`. */
  readonly tool: string;
  readonly outcome: UsageOutcome;
  /** From arrival to answer, in milliseconds. */
  readonly latencyMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** What counts usage. `@portcullis/limits` makes one; the gate tells it of every request. */
export interface UsageRecorder {
  /** Counts one request. Does not wait, and never throws: counts are buffered. */
  record(event: UsageEvent): void;
}

import type { TenantId } from '@portcullis/core';

/** What was counted for one user and one tool of a tenant, on one day. */
export interface UsageEntry {
  readonly tenant: TenantId;
  /** The UTC day, as `2026-05-31`. */
  readonly day: string;
  /** `Identity.key`; `(other)` for those that were counted together. */
  readonly user: string;
  /** The tool or method; `(other)` for those that were counted together. */
  readonly tool: string;
  readonly allowed: number;
  readonly denied: number;
  readonly limited: number;
  readonly errors: number;
  /** The sum of all latencies, in microseconds: a whole number, so that sums of sums are exact. */
  readonly latencyMicros: number;
  readonly latencyMaxMicros: number;
  /** How many latencies fell into each bucket of `latencyBucket`; those with none are left out. */
  readonly latency: Readonly<Record<string, number>>;
}

/** Entries that are added at once. */
export interface UsageBatch {
  /** Who counted them: another for each tracker that was ever started. */
  readonly writer: string;
  /** One more for each batch of the writer. */
  readonly sequence: number;
  /** No two for the same tenant, day, user and tool. */
  readonly entries: readonly UsageEntry[];
}

/** The name under which is counted what has no entry of its own. */
export const other = '(other)';

import type { LifecycleAction, TenantId } from '@portcullis/core';
import type { ArchiveRef, TenantJob } from './job.js';
import type { StepReport } from './step.js';

/** What a call did, or would do. */
export interface LifecycleReport {
  readonly tenant: TenantId;
  readonly action: LifecycleAction;
  readonly job: string;
  /** `planned`: a dry run. `retained`: archived, and not deleted before `retainUntil`. */
  readonly state: 'planned' | 'retained' | 'done';
  /** The steps that this call took, in order. */
  readonly steps: readonly StepReport[];
  /** The archive that the job wrote or restored. */
  readonly archive?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly retainUntil?: number | undefined;
}

/** What became of one tenant in a sweep: a report, or why it failed. */
export interface SweepReport {
  readonly tenant: TenantId;
  readonly report?: LifecycleReport | undefined;
  readonly error?: unknown;
}

/** What the journal has of a tenant. */
export interface LifecycleStatus {
  readonly job: TenantJob;
  /** Oldest first. */
  readonly archives: readonly ArchiveRef[];
}

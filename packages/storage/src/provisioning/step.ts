import type { LifecycleAction, TenantId } from '@portcullis/core';
import type { HeldJob, JobChange } from './held-job.js';
import type { Counts, ResourceCall } from './tenant-resource.js';

/** What a step works with. */
export interface StepRun {
  readonly call: ResourceCall;
  readonly held: HeldJob;
  /** The step was begun before and did not come to its end, as far as the journal knows. */
  readonly again: boolean;
}

/** What a step leaves. */
export interface StepOutcome extends JobChange {
  readonly counts?: Counts | undefined;
}

/**
 * One step of a job. It can be run again after it was cut short at any point, and does nothing else then than it would
 * have done.
 */
export interface Step {
  readonly name: string;
  /** What it would do, a line each, and how much of it there is. Changes nothing. */
  plan(call: ResourceCall): Promise<StepPlan>;
  run(run: StepRun): Promise<StepOutcome>;
}

/** What a step would do. */
interface StepPlan {
  readonly does: string;
  readonly counts?: Counts | undefined;
}

/** Told before and after each step. */
export interface LifecycleProgress {
  readonly tenant: TenantId;
  readonly action: LifecycleAction;
  readonly step: string;
  /** Which of the steps that are left in this call it is, from 1. */
  readonly index: number;
  /** How many steps were left when the call began. */
  readonly of: number;
  readonly state: 'started' | 'done';
  /** What it made, moved or deleted, when it is done. */
  readonly counts?: Counts | undefined;
}

/** What running steps takes. */
export interface StepsOptions {
  readonly held: HeldJob;
  readonly call: ResourceCall;
  /** Vouches for the operator once more, and records the step. Rejects: the step is not taken. */
  readonly admit: (step: string) => Promise<void>;
  readonly onProgress?: ((progress: LifecycleProgress) => void) | undefined;
}

/**
 * Runs the steps that are not done yet, in order. Each is recorded, then written into the journal as begun, then run,
 * then written as done with what it leaves.
 */
export async function runSteps(
  steps: readonly Step[],
  { held, call, admit, onProgress }: StepsOptions,
): Promise<readonly StepReport[]> {
  const left = steps.filter(({ name }) => !held.job.done.includes(name));
  const reports: StepReport[] = [];
  for (const [at, step] of left.entries()) {
    const { name } = step;
    call.signal.throwIfAborted();
    const told = { tenant: call.tenant, action: held.job.action, step: name, index: at + 1, of: left.length };
    await admit(name);
    const again = held.job.begun.includes(name);
    if (!again) await held.save({ job: { begun: [...held.job.begun, name] } });
    onProgress?.({ ...told, state: 'started' });
    const { job, archive, counts } = await step.run({ call, held, again });
    await held.save({ job: { ...job, done: [...held.job.done, name] }, archive });
    onProgress?.({ ...told, state: 'done', counts });
    reports.push({ step: name, ...(counts && { counts }) });
  }
  return reports;
}

/** A step that was taken, or would be. */
export interface StepReport {
  readonly step: string;
  /** In a dry run: what it would do. */
  readonly does?: string | undefined;
  readonly counts?: Counts | undefined;
}

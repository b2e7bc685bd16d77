import { PortcullisError, type ErrorCode, type OperatorContext, type TenantId } from '@portcullis/core';
import type { AdminJobOptions, AdminJobReport, AdminJobStatus, AdminLifecycle } from './ports.js';

/** A job that runs behind the API, or ran. */
export interface StartedJob {
  readonly status: AdminJobStatus;
  /** Why it stands still: known on the replica that ran it. */
  readonly failure: ErrorCode | undefined;
}

/** Runs jobs of tenants' lives behind the API. */
export interface Jobs {
  /**
   * Starts a job, and waits until its first step begins. What refuses it before that is thrown.
   *
   * @param run - runs it: the lifecycle's own method
   */
  start(
    operator: OperatorContext,
    tenant: TenantId,
    run: (options: AdminJobOptions) => Promise<AdminJobReport>,
  ): Promise<StartedJob>;
  /** A tenant's latest job. @throws PortcullisError `not_found` when there is none */
  status(operator: OperatorContext, tenant: TenantId): Promise<StartedJob>;
  /** Ends the jobs that run, after the step that each is at, and waits for them. The same calls go on from there. */
  close(): Promise<void>;
}

const rememberedFailures = 1000;

/** Makes a runner of jobs. */
export function jobs(lifecycle: AdminLifecycle, onError: (error: Error) => void): Jobs {
  const running = new Set<Promise<unknown>>();
  const failures = new Map<TenantId, { readonly job: string; readonly code: ErrorCode }>();
  const ending = new AbortController();

  async function known(operator: OperatorContext, tenant: TenantId): Promise<AdminJobStatus> {
    const status = await lifecycle.status(operator, tenant);
    if (status === undefined) throw new PortcullisError('not_found');
    return status;
  }

  /** What became of a job that nobody waits for any more. */
  async function failed(operator: OperatorContext, tenant: TenantId, error: unknown): Promise<void> {
    onError(error instanceof Error ? error : new Error('a job failed'));
    try {
      const { job } = await known(operator, tenant);
      const [oldest] = failures.keys();
      if (failures.size >= rememberedFailures && oldest !== undefined) failures.delete(oldest);
      failures.set(tenant, {
        job: job.id,
        code: error instanceof PortcullisError ? error.code : 'storage_unavailable',
      });
    } catch (unread) {
      onError(unread instanceof Error ? unread : new Error('a job failed'));
    }
  }

  return {
    async start(operator, tenant, run) {
      failures.delete(tenant);
      let begin = (): void => undefined;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const work = run({ onProgress: begin, signal: ending.signal });
      let answered = false;
      const kept = work.then(
        () => undefined,
        (error: unknown) => (answered ? failed(operator, tenant, error) : undefined),
      );
      running.add(kept);
      void kept.finally(() => running.delete(kept));
      await Promise.race([begun, work]);
      answered = true;
      return { status: await known(operator, tenant), failure: failures.get(tenant)?.code };
    },
    async status(operator, tenant) {
      const status = await known(operator, tenant);
      const failure = failures.get(tenant);
      return { status, failure: failure?.job === status.job.id ? failure.code : undefined };
    },
    async close() {
      ending.abort(new PortcullisError('storage_unavailable', 'the server is being stopped'));
      await Promise.all(running);
    },
  };
}

import type { OperatorContext, TenantId } from '@portcullis/core';
import type { LifecycleReport, LifecycleStatus, SweepReport } from './lifecycle-report.js';
import type { LifecycleProgress } from './step.js';
import type { NewTenantRecord } from './tenant-records.js';

/** How one call works. */
export interface LifecycleCallOptions {
  /** Only says what would be done, and how much of it there is; changes nothing. @defaultValue `false` */
  readonly dryRun?: boolean | undefined;
  /** Told before and after each step. */
  readonly onProgress?: ((progress: LifecycleProgress) => void) | undefined;
  /** Ends the call after the step that runs, or within it where that is long. The same call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** How a tenant is made. */
export interface ProvisionOptions extends LifecycleCallOptions {
  /**
   * Hands over what resources hold already under the id of a tenant that is not registered. Without, such a leftover
   * is a `conflict`: it may be a former customer's. @defaultValue `false`
   */
  readonly adopt?: boolean | undefined;
}

/**
 * Makes tenants, ends them and brings them back, across all storage. Every call is an operator's, each step is on
 * record before it is taken and in the journal before and after, and a call that was cut short at any point, by an
 * error or by a crash, is gone on with by the same call.
 *
 * All calls reject with `storage_refused` for an operator that was not vouched for, whose right has ended or is for
 * other tenants, with `conflict` while another worker is at work on the tenant or another job of it is not finished,
 * with what the recorder rejects with, and with the resources' and the registry's own errors.
 */
export interface TenantLifecycle {
  /**
   * Makes a tenant's place in every resource, and its record in the registry last: a tenant that is half made is
   * unknown to the gate.
   *
   * @throws PortcullisError `conflict` when a resource holds something under the id of a tenant that is not registered
   */
  provision(operator: OperatorContext, tenant: NewTenantRecord, options?: ProvisionOptions): Promise<LifecycleReport>;
  /**
   * Takes away what an unfinished `provision` or `restore` made. What was there before it stays.
   *
   * @throws PortcullisError `storage_refused` when there is none, or the tenant was let in already
   */
  rollback(operator: OperatorContext, tenant: TenantId, options?: LifecycleCallOptions): Promise<LifecycleReport>;
  /**
   * Ends a tenant, in two calls. The first suspends it, waits until every replica knows, and exports everything into an
   * archive that is read back; after it the tenant is `retained`. The second, when the retention is over, reads the
   * archive again and deletes; before that time it does nothing.
   *
   * @throws PortcullisError `tenant_unknown`; `conflict` when the tenant was reactivated meanwhile; `storage_refused`
   * when the archive is not what was written: nothing is deleted then
   */
  deprovision(operator: OperatorContext, tenant: TenantId, options?: LifecycleCallOptions): Promise<LifecycleReport>;
  /**
   * Takes a deprovisioning back while nothing is deleted: the tenant gets the status that it had. The archive stays.
   *
   * @throws PortcullisError `storage_refused` when there is none, or the removal has begun
   */
  cancel(operator: OperatorContext, tenant: TenantId, options?: LifecycleCallOptions): Promise<LifecycleReport>;
  /**
   * Makes a tenant again from an archive of it. Everything is verified before anything is written.
   *
   * @throws PortcullisError `storage_refused` for an archive that the journal does not know or that is not what was
   * written; `conflict` when the tenant is registered or a resource holds something of it
   */
  restore(
    operator: OperatorContext,
    tenant: TenantId,
    archiveId: string,
    options?: LifecycleCallOptions,
  ): Promise<LifecycleReport>;
  /** Deletes every tenant of the operator's whose retention is over. One that fails does not keep the others. */
  sweep(operator: OperatorContext, options?: LifecycleCallOptions): Promise<readonly SweepReport[]>;
  /** What the journal has of a tenant: its latest job, and its archives. `undefined` when it has nothing. */
  status(operator: OperatorContext, tenant: TenantId): Promise<LifecycleStatus | undefined>;
}

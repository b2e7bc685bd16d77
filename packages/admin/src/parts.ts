import type { TrailStore } from '@portcullis/audit';
import type {
  Clock,
  ConfigurationRecorder,
  OperatorAccessRecorder,
  OperatorRecorder,
  SessionDirectory,
  TenantPlans,
  TenantResolver,
} from '@portcullis/core';
import type { LimitStore, UsageSource } from '@portcullis/limits';
import type { TenantStore } from '@portcullis/tenants';
import type { Jobs } from './jobs.js';
import type {
  AdminDomains,
  AdminInvitations,
  AdminLifecycle,
  AdminMembers,
  AdminOperators,
  AdminRoles,
} from './ports.js';

/** Where usage is read from. */
export interface AdminUsage {
  /** Where the gate's tracker flushes to. */
  readonly source: UsageSource;
  /** The limiter's store: for how far quotas are used up. @defaultValue that is not told */
  readonly limits?: LimitStore | undefined;
}

/** Where trails are read from: a `TrailStore` of `@portcullis/audit`. */
export type AdminTrails = Pick<TrailStore, 'find'>;

/** What endpoints work with. */
export interface Parts {
  readonly store: TenantStore;
  readonly tenants: TenantResolver;
  readonly tenantHeader: string;
  readonly record: ConfigurationRecorder;
  readonly recordOperators: OperatorRecorder;
  readonly operatorAccess: OperatorAccessRecorder;
  readonly plans: TenantPlans | undefined;
  /** The identity providers that a tenant's owner may bind without an operator. */
  readonly providers: readonly string[];
  readonly operators: AdminOperators | undefined;
  readonly members: AdminMembers | undefined;
  readonly roles: AdminRoles | undefined;
  readonly invitations: AdminInvitations | undefined;
  readonly domains: AdminDomains | undefined;
  readonly lifecycle: AdminLifecycle | undefined;
  readonly jobs: Jobs | undefined;
  /** How long an operator's right to a job holds, in milliseconds. */
  readonly jobTtlMs: number;
  readonly sessions: SessionDirectory | undefined;
  readonly usage: AdminUsage | undefined;
  readonly trails: AdminTrails | undefined;
  readonly basePath: string;
  readonly clock: Clock;
}

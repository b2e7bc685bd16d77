import type { Clock, ConfigurationRecorder, SessionDirectory, TenantPlans, TenantResolver } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import type { Jobs } from './jobs.js';
import type { AdminInvitations, AdminLifecycle, AdminMembers, AdminOperators } from './ports.js';

/** What endpoints work with. */
export interface Parts {
  readonly store: TenantStore;
  readonly tenants: TenantResolver;
  readonly tenantHeader: string;
  readonly record: ConfigurationRecorder;
  readonly plans: TenantPlans | undefined;
  /** The identity providers that a tenant's owner may bind without an operator. */
  readonly providers: readonly string[];
  readonly operators: AdminOperators | undefined;
  readonly members: AdminMembers | undefined;
  readonly invitations: AdminInvitations | undefined;
  readonly lifecycle: AdminLifecycle | undefined;
  readonly jobs: Jobs | undefined;
  /** How long an operator's right to a job holds, in milliseconds. */
  readonly jobTtlMs: number;
  readonly sessions: SessionDirectory | undefined;
  readonly basePath: string;
  readonly clock: Clock;
}

import type { TenantLimits, TenantQuotas } from './tenant-limits.js';
import type { Tenant } from './tenant.js';

/** What a plan gives where the tenant's own settings are silent. */
export interface PlanDefaults {
  readonly limits: TenantLimits;
  readonly quotas: TenantQuotas;
}

/** The plans on offer, by name: what `Tenant.plan` refers to. */
export type TenantPlans = Readonly<Record<string, PlanDefaults>>;

/**
 * The limits and quotas that hold for a tenant: its own, and its plan's where it has none.
 *
 * A plan that is not among `plans` gives nothing: everything that the tenant does not set itself is 0, so that a
 * misspelt plan stops calls and never frees them.
 *
 * @param plans - `undefined` where plans carry no limits at all
 * @example
 * ```ts
 * import { allowanceOf, type Tenant, type TenantPlans } from '@portcullis/core';
 *
 * const plans: TenantPlans = { free: { limits: { requestsPerMinute: 60 }, quotas: { maxUsers: 5 } } };
 * const perMinute = (tenant: Tenant): number | undefined => allowanceOf(tenant, plans).limits.requestsPerMinute;
 * ```
 */
export function allowanceOf(tenant: Pick<Tenant, 'plan' | 'settings'>, plans: TenantPlans | undefined): PlanDefaults {
  const plan = plans === undefined ? unlimited : Object.hasOwn(plans, tenant.plan) ? plans[tenant.plan] : nothing;
  return {
    limits: { ...plan?.limits, ...present(tenant.settings.limits) },
    quotas: { ...plan?.quotas, ...present(tenant.settings.quotas) },
  };
}

const unlimited: PlanDefaults = { limits: {}, quotas: {} };

const nothing: PlanDefaults = {
  limits: {
    requestsPerMinute: 0,
    requestsPerDay: 0,
    concurrentCalls: 0,
    userRequestsPerMinute: 0,
    userRequestsPerDay: 0,
    userConcurrentCalls: 0,
  },
  quotas: { maxUsers: 0, maxSessionsPerUser: 0, callsPerMonth: 0 },
};

/** Without members that are spelled out as `undefined`: they say nothing, and would hide the plan's. */
function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

import {
  allowanceOf,
  PortcullisError,
  type Tenant,
  type TenantContext,
  type TenantPlans,
  type TenantQuotas,
} from '@portcullis/core';
import { checkedPlans } from '../limiter/allowance.js';
import type { Caller, CountedUse, LimitStore } from '../limiter/limit-store.js';
import { ownTenant, requireOperator, type OperatorReader } from './reader.js';

/** How far a quota is used up. */
export interface QuotaProgress {
  readonly quota: keyof TenantQuotas;
  readonly used: number;
  /** Absent where it is not limited. */
  readonly allowed?: number;
  /** Never below 0: a quota that was lowered may be exceeded already. Absent where it is not limited. */
  readonly remaining?: number;
  /** When it begins anew, in milliseconds since the Unix epoch. Absent for what does not come back with time. */
  readonly resetsAt?: number;
}

/** What progress is reckoned from. */
export interface QuotaProgressOptions {
  /** The limiter's plans. */
  readonly plans?: TenantPlans | undefined;
  /** How many members the tenant has, open invitations included: the registry knows. Without it users are left out. */
  readonly users?: number | undefined;
}

/**
 * How far the quotas of the context's tenant are used up: calls of this month, by the counter that the limiter goes
 * by; the open sessions of this user; and users, where you say how many there are.
 *
 * @throws PortcullisError `denied` for anything but a context that a tenant resolver made; `limits_unavailable`
 * @example
 * ```ts
 * import { memoryLimits, quotaProgress } from '@portcullis/limits';
 * import { contextFor } from '@portcullis/testing/contexts';
 *
 * const acme = contextFor({ settings: { quotas: { callsPerMonth: 100 } } });
 * const [calls] = await quotaProgress(memoryLimits(), acme);
 * console.log(calls?.quota, calls?.used, calls?.remaining); // prints: callsPerMonth 0 100
 * ```
 */
export async function quotaProgress(
  store: LimitStore,
  context: TenantContext,
  options: QuotaProgressOptions = {},
): Promise<readonly QuotaProgress[]> {
  const { tenant, identity } = ownTenant(context);
  const quotas = quotasOf(tenant, options.plans);
  const counted = await read(store, { tenant: tenant.id, user: identity.key });
  return [
    ...ofTenant(quotas, counted, options),
    { quota: 'maxSessionsPerUser', ...against(counted.openSessions, quotas.maxSessionsPerUser) },
  ];
}

/**
 * The same for an operator, on record, without the sessions, which are a user's.
 *
 * @param tenant - its record, as the registry has it
 * @throws PortcullisError as `quotaProgress`, and what the recorder rejects with
 */
export async function quotaProgressAsOperator(
  store: LimitStore,
  reader: OperatorReader,
  tenant: Tenant,
  options: QuotaProgressOptions = {},
): Promise<readonly QuotaProgress[]> {
  await requireOperator(reader, tenant.id, 'quotas');
  return ofTenant(quotasOf(tenant, options.plans), await read(store, { tenant: tenant.id, user: '' }), options);
}

function quotasOf(tenant: Tenant, plans: TenantPlans | undefined): TenantQuotas {
  return allowanceOf(tenant, checkedPlans(plans)).quotas;
}

async function read(store: LimitStore, caller: Caller): Promise<CountedUse> {
  try {
    return await store.read(caller);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'the store of the limits failed';
    throw new PortcullisError('limits_unavailable', undefined, { detail, cause });
  }
}

function ofTenant(
  quotas: TenantQuotas,
  { callsThisMonth, monthEndsAt }: CountedUse,
  { users }: QuotaProgressOptions,
): readonly QuotaProgress[] {
  return [
    { quota: 'callsPerMonth', ...against(callsThisMonth, quotas.callsPerMonth), resetsAt: monthEndsAt },
    ...(users === undefined ? [] : [{ quota: 'maxUsers' as const, ...against(users, quotas.maxUsers) }]),
  ];
}

function against(used: number, allowed: number | undefined): Omit<QuotaProgress, 'quota'> {
  return allowed === undefined ? { used } : { used, allowed, remaining: Math.max(allowed - used, 0) };
}

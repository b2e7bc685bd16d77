import { PortcullisError, tenantId, type TenantPlans } from '@portcullis/core';
import type { NewTenant, TenantStore } from '@portcullis/tenants';

/** Two stores that share one place, as two replicas of a service do. */
export interface Replicas {
  readonly one: TenantStore;
  /** The same as `one` where the store is for one process only. */
  readonly two: TenantStore;
}

/** Makes an empty place and two stores on it. */
export type MakeReplicas = (options?: { readonly plans?: TenantPlans }) => Promise<Replicas>;

/** The two tenants that take part in every test, so that a store that mixes them up is found. */
export const acme = tenantId('acme');
/** The other one. */
export const globex = tenantId('globex');

/** A tenant with a domain of its own. */
export function tenantNamed(id: typeof acme, more: Partial<NewTenant> = {}): NewTenant {
  return { id, name: id, domains: [`${id}.example`], ...more };
}

/** How something ended: `done`, or the code of the refusal. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : `other: ${String(error)}`;
  }
}

/** How often each end came about. */
export async function tally(promises: readonly Promise<unknown>[]): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const code of await Promise.all(promises.map(codeOf))) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** Does something `count` times at once, by turns on each replica. */
export function atOnce<T>(
  { one, two }: Replicas,
  count: number,
  work: (store: TenantStore, index: number) => Promise<T>,
): readonly Promise<T>[] {
  return Array.from({ length: count }, (_none, index) => work(index % 2 === 0 ? one : two, index));
}

/** An invitation that is open for an hour. */
export function invitationTo(tenant: typeof acme, id: string, expiresAt = Date.now() + 3_600_000) {
  return {
    tenantId: tenant,
    id,
    email: `${id}@example.com`,
    roles: ['member'],
    invitedBy: 'test#alice',
    secretHash: 'A'.repeat(43),
    createdAt: 0,
    expiresAt,
  };
}

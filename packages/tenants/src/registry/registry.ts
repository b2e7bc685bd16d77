import {
  PortcullisError,
  systemClock,
  type Clock,
  type Membership,
  type Tenant,
  type TenantId,
} from '@portcullis/core';
import type { TenantStore } from '../store/store.js';
import { AnswerCache, type CacheOptions } from './cache.js';

/** How the registry keeps answers. */
export interface RegistryOptions {
  readonly store: TenantStore;
  /** How long an answer is kept, in milliseconds: the bound within which every replica sees a change. @defaultValue 10000 */
  readonly maxAgeMs?: number | undefined;
  /** How long "there is none" is kept, in milliseconds. @defaultValue 2000 */
  readonly negativeMaxAgeMs?: number | undefined;
  /** The most entries of each kind. @defaultValue 10000 */
  readonly maxEntries?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** Looks tenants up, from a cache where it can. */
export interface Registry {
  readonly clock: Clock;
  tenant(id: TenantId): Promise<Tenant | undefined>;
  tenantByDomain(domain: string): Promise<Tenant | undefined>;
  tenantsByProvider(provider: string, tenantHint: string | undefined): Promise<readonly Tenant[]>;
  membership(tenant: TenantId, userId: string): Promise<Membership | undefined>;
  userMemberships(userId: string): Promise<readonly Membership[]>;
  /** Forgets what is kept of a tenant, on this replica. */
  invalidate(tenant: TenantId): void;
  /** The store, with every change forgotten at once on this replica. */
  readonly store: TenantStore;
}

/**
 * A tenant registry: the store behind a bounded cache. Only lookups are kept; whether a tenant is suspended or its
 * trial is over is compared on every use, by `requireGoodStanding`.
 *
 * @example
 * ```ts
 * import { memoryStore, registry } from '@portcullis/tenants';
 *
 * const tenants = registry({ store: memoryStore(), maxAgeMs: 5000 });
 * ```
 */
export function registry(options: RegistryOptions): Registry {
  const { store } = options;
  const clock = options.clock ?? systemClock;
  const cache: CacheOptions = {
    maxAgeMs: options.maxAgeMs ?? 10_000,
    negativeMaxAgeMs: options.negativeMaxAgeMs ?? 2_000,
    maxEntries: options.maxEntries ?? 10_000,
    clock,
  };
  const byId = new AnswerCache<Tenant | undefined>(cache, isAbsent);
  const byDomain = new AnswerCache<Tenant | undefined>(cache, isAbsent);
  const byProvider = new AnswerCache<readonly Tenant[]>(cache, isEmpty);
  const memberships = new AnswerCache<Membership | undefined>(cache, isAbsent);
  const byUser = new AnswerCache<readonly Membership[]>(cache, isEmpty);

  function invalidate(tenant: TenantId): void {
    byId.invalidate(tenant);
    // Which domains, providers and users pointed to the tenant before a change is not known here: forget them all.
    byDomain.clear();
    byProvider.clear();
    memberships.clear();
    byUser.clear();
  }

  async function thenForget<T>(tenant: TenantId, change: Promise<T>): Promise<T> {
    invalidate(tenant);
    try {
      return await change;
    } finally {
      invalidate(tenant);
    }
  }

  return {
    clock,
    tenant: (id) => byId.get(id, () => store.getTenant(id)),
    tenantByDomain: (domain) => byDomain.get(domain, () => store.getTenantByDomain(domain)),
    tenantsByProvider: (provider, hint) =>
      byProvider.get(hint === undefined ? JSON.stringify([provider]) : JSON.stringify([provider, hint]), () =>
        store.getTenantsByProvider(provider, hint),
      ),
    membership: (tenant, userId) =>
      memberships.get(JSON.stringify([tenant, userId]), () => store.getMembership(tenant, userId)),
    userMemberships: (userId) => byUser.get(userId, () => store.getUserMemberships(userId)),
    invalidate,
    store: {
      ...store,
      createTenant: (tenant) => thenForget(tenant.id, store.createTenant(tenant)),
      updateTenant: (id, ...rest) => thenForget(id, store.updateTenant(id, ...rest)),
      deleteTenant: (id, ...rest) => thenForget(id, store.deleteTenant(id, ...rest)),
      addMember: (tenant, ...rest) => thenForget(tenant, store.addMember(tenant, ...rest)),
      changeMember: (tenant, ...rest) => thenForget(tenant, store.changeMember(tenant, ...rest)),
      putMember: (tenant, ...rest) => thenForget(tenant, store.putMember(tenant, ...rest)),
      removeMember: (tenant, ...rest) => thenForget(tenant, store.removeMember(tenant, ...rest)),
    },
  };
}

/**
 * Refuses a tenant that is not in good standing now.
 *
 * @param now - in milliseconds since the Unix epoch
 * @throws PortcullisError `tenant_suspended`, `tenant_expired`
 */
export function requireGoodStanding(tenant: Tenant, now: number): void {
  switch (tenant.status.state) {
    case 'active':
      return;
    case 'suspended':
      throw new PortcullisError('tenant_suspended');
    case 'trial':
      // At the very instant at which it ends, it has ended.
      if (now >= tenant.status.expiresAt) throw new PortcullisError('tenant_expired');
      return;
  }
}

function isAbsent(value: unknown): boolean {
  return value === undefined;
}

function isEmpty(value: readonly unknown[]): boolean {
  return value.length === 0;
}

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
import type { Invalidations, TenantChange } from './invalidations.js';
import { tellingStore } from './telling-store.js';

/** How the registry keeps answers. */
export interface RegistryOptions {
  readonly store: TenantStore;
  /** How long an answer is kept, in milliseconds from when it was asked for: the bound within which every replica sees a change. @defaultValue 10000 */
  readonly maxAgeMs?: number | undefined;
  /** How long "there is none" is kept, in milliseconds. @defaultValue 2000 */
  readonly negativeMaxAgeMs?: number | undefined;
  /** The most entries of each kind. @defaultValue 10000 */
  readonly maxEntries?: number | undefined;
  /**
   * What tells the replicas of one another's changes: each then sees a change as soon as it is told, and at the latest
   * after `maxAgeMs`, also while nothing can be told. Without, `maxAgeMs` is the bound. `close` of the registry leaves
   * it open.
   */
  readonly invalidations?: Invalidations | undefined;
  /** Is told what could not be published. The change itself was made all the same. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
  /** Milliseconds that only grow, whatever is done to the clock. @defaultValue `performance.now()` */
  readonly elapsed?: (() => number) | undefined;
}

/** Looks tenants up, from a cache where it can. */
export interface Registry {
  readonly clock: Clock;
  tenant(id: TenantId): Promise<Tenant | undefined>;
  tenantByDomain(domain: string): Promise<Tenant | undefined>;
  tenantsByProvider(provider: string, tenantHint: string | undefined): Promise<readonly Tenant[]>;
  membership(tenant: TenantId, userId: string): Promise<Membership | undefined>;
  userMemberships(userId: string): Promise<readonly Membership[]>;
  /** Forgets what is kept of a tenant, or of one user's place in it, on this replica. */
  invalidate(tenant: TenantId, userId?: string): void;
  /** The store; what is changed through it is forgotten at once on this replica, and told to the others. */
  readonly store: TenantStore;
  /** Ends listening for the changes of others. */
  close(): void;
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
    elapsed: options.elapsed ?? (() => performance.now()),
  };
  const byId = new AnswerCache<Tenant | undefined>(cache, isAbsent);
  const byDomain = new AnswerCache<Tenant | undefined>(cache, isAbsent);
  const byHint = new AnswerCache<readonly Tenant[]>(cache, isEmpty);
  const withoutHint = new AnswerCache<readonly Tenant[]>(cache, isEmpty);
  const memberships = new AnswerCache<Membership | undefined>(cache, isAbsent);
  const byUser = new AnswerCache<readonly Membership[]>(cache, isEmpty);

  function invalidate(tenant: TenantId, userId?: string): void {
    if (userId !== undefined) {
      memberships.invalidate(memberKey(tenant, userId));
      byUser.invalidate(userId);
      return;
    }
    byId.invalidate(tenant);
    // A domain or a hint that belonged to nobody may be the tenant's now. One that is another's is told by its own change.
    byDomain.invalidateWhere((found) => found === undefined || found.id === tenant);
    byHint.invalidateWhere((found) => found.length === 0 || found.some(({ id }) => id === tenant));
    withoutHint.clear();
    memberships.invalidateWhere((_found, key) => key.startsWith(memberKey(tenant)));
    byUser.invalidateWhere((found) => found.some(({ tenantId }) => tenantId === tenant));
  }

  function hear(change: TenantChange | 'unknown'): void {
    if (change !== 'unknown') invalidate(change.tenant, change.userId);
    else for (const kept of [byId, byDomain, byHint, withoutHint, memberships, byUser]) kept.clear();
  }

  async function tell(change: TenantChange, moment: 'before' | 'done'): Promise<void> {
    invalidate(change.tenant, change.userId);
    if (moment === 'before') return;
    try {
      await options.invalidations?.publish(change);
    } catch (error) {
      options.onError?.(error);
    }
  }

  const close = options.invalidations?.subscribe(hear);
  return {
    clock,
    tenant: (id) => byId.get(id, () => store.getTenant(id)),
    tenantByDomain: (domain) => byDomain.get(domain, () => store.getTenantByDomain(domain)),
    tenantsByProvider: (provider, hint) =>
      hint === undefined
        ? withoutHint.get(provider, () => store.getTenantsByProvider(provider, undefined))
        : byHint.get(JSON.stringify([provider, hint]), () => store.getTenantsByProvider(provider, hint)),
    membership: (tenant, userId) =>
      memberships.get(memberKey(tenant, userId), () => store.getMembership(tenant, userId)),
    userMemberships: (userId) => byUser.get(userId, () => store.getUserMemberships(userId)),
    invalidate,
    store: tellingStore(store, tell),
    close: () => close?.(),
  };
}

/** No tenant id contains the slash: no two memberships have one key, and no tenant's keys begin with another's. */
function memberKey(tenant: TenantId, userId = ''): string {
  return `${tenant}/${userId}`;
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

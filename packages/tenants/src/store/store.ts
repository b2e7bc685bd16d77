import type { Membership, Tenant, TenantId, TenantStatus } from '@portcullis/core';
import type { NewTenant, TenantUpdate } from './record.js';

/** Which tenants to list. */
export interface ListOptions {
  readonly state?: TenantStatus['state'] | undefined;
  /** The most in one page. @defaultValue 100 */
  readonly limit?: number | undefined;
  /** Where the previous page ended. */
  readonly cursor?: string | undefined;
}

/** A page of tenants, ordered by id. */
export interface TenantPage {
  readonly tenants: readonly Tenant[];
  readonly cursor?: string | undefined;
}

/**
 * Where tenants and memberships are kept.
 *
 * A store that cannot be read rejects with `store_unavailable`: a failure never looks like a record that is not there.
 * Every tenant argument is required.
 */
export interface TenantStore {
  /** @throws PortcullisError `conflict` when the id, a domain or a binding is taken; `request_invalid` */
  createTenant(tenant: NewTenant): Promise<Tenant>;
  getTenant(id: TenantId): Promise<Tenant | undefined>;
  /** The tenant that has claimed a domain, in any spelling of it. */
  getTenantByDomain(domain: string): Promise<Tenant | undefined>;
  /** The tenants that are bound to a provider with exactly this hint; `undefined` for those bound without one. */
  getTenantsByProvider(provider: string, tenantHint: string | undefined): Promise<readonly Tenant[]>;
  /** @throws PortcullisError `tenant_unknown`, `conflict`, `request_invalid` */
  updateTenant(id: TenantId, update: TenantUpdate): Promise<Tenant>;
  /** Deletes the record and all memberships. Deleting what is not there is no error. */
  deleteTenant(id: TenantId): Promise<void>;
  listTenants(options?: ListOptions): Promise<TenantPage>;
  /** Adds a member, or replaces its roles. @throws PortcullisError `tenant_unknown`, `request_invalid` */
  putMember(tenant: TenantId, userId: string, roles: readonly string[]): Promise<Membership>;
  removeMember(tenant: TenantId, userId: string): Promise<void>;
  getMembership(tenant: TenantId, userId: string): Promise<Membership | undefined>;
  getMembers(tenant: TenantId): Promise<readonly Membership[]>;
  /** All memberships of a user. */
  getUserMemberships(userId: string): Promise<readonly Membership[]>;
  close(): Promise<void>;
}

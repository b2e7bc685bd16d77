import type { Membership, Tenant, TenantId, TenantSettings, TenantStatus } from '@portcullis/core';

/** What a tenant's record is made from; the registry has the defaults. */
export type NewTenantRecord = Pick<Tenant, 'id' | 'name'> &
  Partial<Omit<Tenant, 'id' | 'name' | 'settings' | 'createdAt' | 'updatedAt' | 'version'>> & {
    readonly settings?: Partial<TenantSettings> | undefined;
  };

/**
 * As much of a tenant registry as a lifecycle needs. A `TenantStore` of `@portcullis/tenants` is one as it is.
 *
 * A registry that cannot be read rejects: a failure never looks like a record that is not there.
 */
export interface TenantRecords {
  /** @throws PortcullisError `conflict` when there is one */
  createTenant(tenant: NewTenantRecord): Promise<Tenant>;
  getTenant(id: TenantId): Promise<Tenant | undefined>;
  updateTenant(id: TenantId, update: { readonly status: TenantStatus }): Promise<Tenant>;
  /** Deletes the record and all memberships. What is gone already is no error. */
  deleteTenant(id: TenantId): Promise<void>;
  putMember(tenant: TenantId, userId: string, roles: readonly string[]): Promise<Membership>;
  getMembers(tenant: TenantId): Promise<readonly Membership[]>;
}

import type { Membership, Tenant, TenantId, TenantRole, TenantStatus } from '@portcullis/core';
import type { DomainClaim } from '../membership/domain-claim.js';
import type { Invitation } from '../membership/invitation.js';
import type { NewTenant, TenantUpdate } from './record.js';

/** What a change is conditional on. */
export interface ChangeOptions {
  /** The version that the change is based on; the change is refused when the record has another one. */
  readonly ifVersion?: number | undefined;
}

/** How a tenant is deleted. */
export interface DeleteOptions extends ChangeOptions {
  /**
   * Deletes the tenant only if nothing belongs to it but these members: no other member, no role, no invitation, no domain
   * claim. Looked at within the deletion, so that what is added meanwhile does not go with it.
   */
  readonly ifOnly?: readonly string[] | undefined;
}

/** How much of a list to give. */
export interface PageOptions {
  /** The most in one page, 1 to 1000. @defaultValue 100 */
  readonly limit?: number | undefined;
  /** Where the previous page ended; a cursor of another list is refused. */
  readonly cursor?: string | undefined;
}

/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; absent at the end. */
  readonly cursor?: string | undefined;
}

/** Which tenants to list, and in what order. */
export interface ListOptions extends PageOptions {
  readonly state?: TenantStatus['state'] | undefined;
  readonly plan?: string | undefined;
  /** Text that the id or the name contains, in any case. */
  readonly search?: string | undefined;
  /** @defaultValue `id` */
  readonly orderBy?: 'id' | 'name' | 'createdAt' | undefined;
  /** @defaultValue `asc` */
  readonly direction?: 'asc' | 'desc' | undefined;
}

/** A page of tenants. */
export interface TenantPage {
  readonly tenants: readonly Tenant[];
  readonly cursor?: string | undefined;
}

/** How a member is added. */
export interface AddMemberOptions {
  /** Takes the place of this open invitation, which is deleted with it, all or nothing. */
  readonly invitation?: string | undefined;
}

/**
 * Where tenants, memberships, roles, invitations and domain claims are kept.
 *
 * A store that cannot be read rejects with `store_unavailable`: a failure never looks like a record that is not there.
 * Every change is whole or not at all, on all replicas that share the store; two that meet do not lose one another's
 * work. Every tenant argument is required.
 */
export interface TenantStore {
  /** @throws PortcullisError `conflict` when the id, a domain or a binding is taken; `request_invalid` */
  createTenant(tenant: NewTenant): Promise<Tenant>;
  getTenant(id: TenantId): Promise<Tenant | undefined>;
  /** The tenant that has claimed a domain, in any spelling of it. */
  getTenantByDomain(domain: string): Promise<Tenant | undefined>;
  /** The tenants that are bound to a provider with exactly this hint; `undefined` for those bound without one. */
  getTenantsByProvider(provider: string, tenantHint: string | undefined): Promise<readonly Tenant[]>;
  /** @throws PortcullisError `tenant_unknown`, `conflict`, `request_invalid`, `precondition_failed` */
  updateTenant(id: TenantId, update: TenantUpdate, options?: ChangeOptions): Promise<Tenant>;
  /**
   * Deletes the record and all that belongs to it: memberships, roles, invitations, claims. Deleting what is not there
   * is no error.
   *
   * @throws PortcullisError `precondition_failed`; `conflict` where more belongs to it than `ifOnly` says
   */
  deleteTenant(id: TenantId, options?: DeleteOptions): Promise<void>;
  /** @throws PortcullisError `request_invalid` for a limit or a cursor that is none */
  listTenants(options?: ListOptions): Promise<TenantPage>;

  /**
   * Adds a member.
   *
   * @throws PortcullisError `tenant_unknown`, `conflict` when it is one already, `quota_exceeded` when members and open
   * invitations together are as many as the tenant may have, `invitation_invalid` when the invitation of the options is
   * not there, `request_invalid`
   */
  addMember(
    tenant: TenantId,
    userId: string,
    roles: readonly string[],
    options?: AddMemberOptions,
  ): Promise<Membership>;
  /** Changes a member's roles. @throws PortcullisError `not_found`, `last_owner`, `precondition_failed`, `request_invalid` */
  changeMember(
    tenant: TenantId,
    userId: string,
    roles: readonly string[],
    options?: ChangeOptions,
  ): Promise<Membership>;
  /**
   * Adds a member, or replaces its roles, whatever it was: for restoring, seeding and migrating.
   *
   * @throws PortcullisError `tenant_unknown`, `last_owner`, `quota_exceeded`, `request_invalid`
   */
  putMember(tenant: TenantId, userId: string, roles: readonly string[]): Promise<Membership>;
  /** Removing who is not there is no error. @throws PortcullisError `last_owner`, `precondition_failed` */
  removeMember(tenant: TenantId, userId: string, options?: ChangeOptions): Promise<void>;
  getMembership(tenant: TenantId, userId: string): Promise<Membership | undefined>;
  /** All members. */
  getMembers(tenant: TenantId): Promise<readonly Membership[]>;
  /** The members page by page, ordered by user id. */
  listMembers(tenant: TenantId, options?: PageOptions): Promise<Page<Membership>>;
  /** All memberships of a user. */
  getUserMemberships(userId: string): Promise<readonly Membership[]>;

  /**
   * Stores a role of a tenant's own, new or changed.
   *
   * @throws PortcullisError `tenant_unknown`, `role_invalid`, `precondition_failed`; `ifVersion: 0` means that it has to be new
   */
  putRole(role: Omit<TenantRole, 'version'>, options?: ChangeOptions): Promise<TenantRole>;
  getRole(tenant: TenantId, roleId: string): Promise<TenantRole | undefined>;
  /** All roles of a tenant's own, ordered by id. */
  getRoles(tenant: TenantId): Promise<readonly TenantRole[]>;
  /** @throws PortcullisError `conflict` while a member has it, a binding maps to it or another role builds on it; `precondition_failed` */
  removeRole(tenant: TenantId, roleId: string, options?: ChangeOptions): Promise<void>;

  /** Stores an invitation. @throws PortcullisError `tenant_unknown`, `conflict`, `quota_exceeded` as `addMember`, and above 1000 that nobody took */
  putInvitation(invitation: Invitation): Promise<void>;
  getInvitation(tenant: TenantId, id: string): Promise<Invitation | undefined>;
  /** All invitations that were not taken, expired ones included, ordered by id. */
  getInvitations(tenant: TenantId): Promise<readonly Invitation[]>;
  removeInvitation(tenant: TenantId, id: string): Promise<void>;

  /** Stores a domain claim, in place of an earlier one of that tenant for that domain. @throws PortcullisError `tenant_unknown`, `quota_exceeded` above 100 to domains that it has not proven */
  putDomainClaim(claim: DomainClaim): Promise<void>;
  getDomainClaim(tenant: TenantId, domain: string): Promise<DomainClaim | undefined>;
  getDomainClaims(tenant: TenantId): Promise<readonly DomainClaim[]>;
  removeDomainClaim(tenant: TenantId, domain: string): Promise<void>;

  close(): Promise<void>;
}

import type { Identity } from './identity.js';
import type { TenantId } from './tenant-id.js';
import type { TenantLimits, TenantQuotas } from './tenant-limits.js';

/** The life of a tenant. A trial ends by the clock, compared on every use. */
export type TenantStatus =
  | { readonly state: 'active' }
  | { readonly state: 'suspended'; readonly reason?: string | undefined }
  | { readonly state: 'trial'; readonly expiresAt: number };

/** How a tenant's data is kept apart. */
export type IsolationStrategy = 'row_level_security' | 'schema_per_tenant' | 'prefix';

/**
 * Which identities may speak for a tenant: those of one provider, with exactly this tenant hint.
 *
 * Without `tenantHint` it binds the identities of that provider that carry no hint at all (a provider of the
 * tenant's own, or one shared by many tenants where the membership decides).
 */
export interface IdentityProviderBinding {
  /** `Identity.provider`: the name of the configured issuer. */
  readonly provider: string;
  /** `Identity.tenantHint` that this tenant answers to. */
  readonly tenantHint?: string | undefined;
  /**
   * `required` (the default): the user needs a membership record. `token`: whoever the provider vouches for is a
   * member, with the roles that `roles` maps from the token's.
   */
  readonly membership?: 'required' | 'token' | undefined;
  /** For `membership: 'token'`: from a role of the token to a role in the tenant. Others are dropped. */
  readonly roles?: Readonly<Record<string, string>> | undefined;
}

/** What a tenant may be configured with. */
export interface TenantSettings {
  /** The tools this tenant has. Absent: all of them. Empty: none. */
  readonly allowedTools?: readonly string[] | undefined;
  readonly features: Readonly<Record<string, boolean>>;
  /** The tenant's own; what is absent comes from its plan. */
  readonly limits: TenantLimits;
  /** The tenant's own; what is absent comes from its plan. */
  readonly quotas: TenantQuotas;
  readonly isolation: IsolationStrategy;
  readonly identityProviders: readonly IdentityProviderBinding[];
}

/** A customer organization. */
export interface Tenant {
  readonly id: TenantId;
  readonly name: string;
  /** Lower-case domain names. A domain routes; it never authorizes. */
  readonly domains: readonly string[];
  readonly status: TenantStatus;
  readonly plan: string;
  readonly settings: TenantSettings;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch. */
  readonly updatedAt: number;
  /** 1 at creation, one more with every change: what a change is conditional on. */
  readonly version: number;
}

/** The built-in roles; a tenant may have others of its own. */
export const builtInRoles = ['owner', 'admin', 'member', 'readonly'] as const;

/** A user's place in one tenant. */
export interface Membership {
  readonly tenantId: TenantId;
  /** `Identity.key` of the user. */
  readonly userId: string;
  /** Roles in this tenant: `owner`, `admin`, `member`, `readonly` or the tenant's own. */
  readonly roles: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly joinedAt: number;
  /** 1 when the member joins, one more with every change; 0 where the token makes the member and nothing is stored. */
  readonly version: number;
}

/**
 * The mark of a context in which an operator acts in a tenant that it does not belong to. It is visible to policies
 * (`P.attr.impersonation`), to tools and in every audit record.
 */
export interface Impersonation {
  /** The grant that this rests on. */
  readonly grant: string;
  /** `support`: granted by policy alone. `break_glass`: a second person approved it. */
  readonly kind: 'support' | 'break_glass';
  /** `Identity.key` of the operator: the same as the context's identity. */
  readonly operator: string;
  /** The operator's own words. */
  readonly reason: string;
  /** `Identity.key` of the person who approved it; always there for `break_glass`. */
  readonly approvedBy?: string | undefined;
  /** When it ends, in milliseconds since the Unix epoch: compared on every use. */
  readonly expiresAt: number;
}

/**
 * An identity acting in one tenant. Made only by `@portcullis/tenants`, and frozen: whoever holds one may take it
 * that the token was verified, the tenant is in good standing, and the identity belongs to it.
 */
export interface TenantContext {
  readonly identity: Identity;
  readonly tenant: Tenant;
  readonly membership: Membership;
  /** Present where an operator acts in the tenant; absent for its own users. */
  readonly impersonation?: Impersonation | undefined;
  /** Correlates everything that happens for one request. */
  readonly requestId: string;
}

/** What a tenant may be resolved from: the identity, and what the caller says. */
export interface TenantQuery {
  readonly identity: Identity;
  readonly requestId: string;
  /** The `Host` of the request, as the HTTP edge established it. */
  readonly host?: string | undefined;
  /** Request headers, by lower-case name. */
  readonly header?: (name: string) => string | undefined;
  /** The address of the direct peer, for deciding whether forwarded headers count. */
  readonly peerAddress?: string | undefined;
}

/**
 * Turns an identity and the caller's hints into a tenant context.
 *
 * @throws PortcullisError `tenant_required`, `tenant_unknown`, `tenant_suspended`, `tenant_expired`, `not_a_member`,
 * `tenant_mismatch`, `host_refused`, `request_invalid`, `store_unavailable`
 */
export interface TenantResolver {
  resolve(query: TenantQuery): Promise<TenantContext>;
  /**
   * Looks again whether the context still holds: the tenant's status, its binding, the membership. For long-lived
   * sessions and streams. Throws as `resolve` does; returns the context as it is now.
   */
  recheck(context: TenantContext): Promise<TenantContext>;
}

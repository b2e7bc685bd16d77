import type {
  Attributes,
  Identity,
  Impersonation,
  Membership,
  OperatorContext,
  TenantContext,
  TenantId,
  TenantRole,
} from '@portcullis/core';
import type { ChangeOptions, NewTenant } from '@portcullis/tenants';

interface Request {
  readonly requestId: string;
}

/** A part of a list of grants. */
interface GrantPage {
  readonly grants: readonly AdminGrant[];
  readonly cursor?: string | undefined;
}

/** A grant to act in a tenant. Times are in milliseconds since the Unix epoch. */
export interface AdminGrant {
  readonly id: string;
  readonly kind: Impersonation['kind'];
  readonly tenant: TenantId;
  /** `Identity.key`. */
  readonly operator: string;
  readonly client?: string | undefined;
  readonly reason: string;
  readonly state: 'pending' | 'active' | 'lapsed' | 'revoked' | 'ended';
  readonly ttlMs: number;
  readonly requestedAt: number;
  readonly approveBy?: number | undefined;
  readonly approvedBy?: string | undefined;
  readonly startsAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly revokedBy?: string | undefined;
  readonly revokedAt?: number | undefined;
  readonly uses: number;
}

/** What operators may do: `operators()` of `@portcullis/operators` is one. */
export interface AdminOperators {
  isOperator(identity: Identity): boolean;
  /** Whether an identity provider vouches for operators: none of its users becomes a member, and no tenant is bound to it. */
  isOperatorProvider(name: string): boolean;
  /** Decides and records what an operator is about to do. @throws PortcullisError `denied`, `obligation_failed` */
  authorize(
    identity: Identity,
    action: Request & {
      readonly action: string;
      readonly tenant?: TenantId | undefined;
      readonly attr?: Attributes | undefined;
      readonly reason?: string | undefined;
    },
  ): Promise<void>;
  /** Makes an operator context. @throws PortcullisError `denied`, `obligation_failed`, `request_invalid` */
  contextFor(
    identity: Identity,
    request: Request & {
      readonly action: 'provision' | 'deprovision';
      readonly tenants: readonly TenantId[];
      readonly reason: string;
      readonly ttlMs: number;
    },
  ): Promise<OperatorContext>;
  requestGrant(
    identity: Identity,
    request: Request & {
      readonly tenant: TenantId;
      readonly kind: Impersonation['kind'];
      readonly reason: string;
      readonly ttlMs?: number | undefined;
      readonly client?: string | undefined;
    },
  ): Promise<AdminGrant>;
  approve(identity: Identity, grant: string, request: Request): Promise<AdminGrant>;
  revoke(identity: Identity, grant: string, request: Request): Promise<AdminGrant>;
  /** The operator's own. */
  grants(identity: Identity, page: GrantPageOptions): Promise<GrantPage>;
  /** Those on a tenant, for an operator. */
  grantsOn(identity: Identity, tenant: TenantId, request: Request & GrantPageOptions): Promise<GrantPage>;
  /** Those on a tenant, for its own administrators. */
  tenantGrants(context: TenantContext, page: GrantPageOptions): Promise<GrantPage>;
}

interface GrantPageOptions {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** What a job of a tenant's life did, or would do. */
export interface AdminJobReport {
  readonly tenant: TenantId;
  readonly action: string;
  readonly job: string;
  /** `planned`: a dry run. `retained`: archived, and not deleted before `retainUntil`. */
  readonly state: 'planned' | 'retained' | 'done';
  readonly steps: readonly {
    readonly step: string;
    readonly does?: string | undefined;
    readonly counts?: Readonly<Record<string, number | undefined>> | undefined;
  }[];
  readonly archive?: string | undefined;
  readonly retainUntil?: number | undefined;
}

/** What is known of a tenant's jobs. */
export interface AdminJobStatus {
  readonly job: {
    readonly id: string;
    readonly action: string;
    readonly state: 'running' | 'retained' | 'done';
    readonly startedAt: number;
    readonly begun: readonly string[];
    readonly done: readonly string[];
    readonly archive?: { readonly id: string } | undefined;
    readonly retainUntil?: number | undefined;
  };
  readonly archives: readonly { readonly id: string; readonly writtenAt: number }[];
}

/** How a job is run. */
export interface AdminJobOptions {
  readonly dryRun?: boolean | undefined;
  /** Told before and after each step. */
  readonly onProgress?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Makes, ends and restores tenants: `tenantLifecycle()` of `@portcullis/storage/provisioning` is one. */
export interface AdminLifecycle {
  provision(operator: OperatorContext, tenant: NewTenant, options?: AdminJobOptions): Promise<AdminJobReport>;
  rollback(operator: OperatorContext, tenant: TenantId, options?: AdminJobOptions): Promise<AdminJobReport>;
  deprovision(operator: OperatorContext, tenant: TenantId, options?: AdminJobOptions): Promise<AdminJobReport>;
  cancel(operator: OperatorContext, tenant: TenantId, options?: AdminJobOptions): Promise<AdminJobReport>;
  restore(
    operator: OperatorContext,
    tenant: TenantId,
    archive: string,
    options?: AdminJobOptions,
  ): Promise<AdminJobReport>;
  status(operator: OperatorContext, tenant: TenantId): Promise<AdminJobStatus | undefined>;
}

/** Who changes members: somebody of the tenant, or an operator whose context names it. */
export type AdminActor = TenantContext | OperatorContext;

/** Changes members, and keeps everybody from giving more than it has: `members()` of `@portcullis/tenants` is one. */
export interface AdminMembers {
  add(actor: AdminActor, tenant: TenantId, userId: string, roles: readonly string[]): Promise<Membership>;
  change(
    actor: AdminActor,
    tenant: TenantId,
    userId: string,
    roles: readonly string[],
    options?: ChangeOptions,
  ): Promise<Membership>;
  remove(actor: AdminActor, tenant: TenantId, userId: string, options?: ChangeOptions): Promise<void>;
}

/** Changes roles of a tenant's own: `tenantRoles()` of `@portcullis/tenants/roles` is one. */
export interface AdminRoles {
  put(actor: AdminActor, role: Omit<TenantRole, 'version'>, options?: ChangeOptions): Promise<TenantRole>;
  remove(actor: AdminActor, tenant: TenantId, roleId: string, options?: ChangeOptions): Promise<void>;
}

/** An invitation. Times are in milliseconds since the Unix epoch. */
export interface AdminInvitation {
  readonly id: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly invitedBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Invites people, and lets them in: `invitations()` of `@portcullis/tenants` is one. */
export interface AdminInvitations {
  create(
    actor: AdminActor,
    tenant: TenantId,
    invitation: { readonly email: string; readonly roles: readonly string[]; readonly ttlMs?: number | undefined },
  ): Promise<{ readonly invitation: AdminInvitation; readonly token: string }>;
  revoke(actor: AdminActor, tenant: TenantId, id: string): Promise<void>;
  accept(identity: Identity, token: string, requestId: string): Promise<Membership>;
}

/** Proves that a tenant has a domain: `domainClaims()` of `@portcullis/tenants` is one. */
export interface AdminDomains {
  claim(
    actor: AdminActor,
    tenant: TenantId,
    domain: string,
  ): Promise<{ readonly domain: string; readonly name: string; readonly value: string; readonly expiresAt: number }>;
  verify(actor: AdminActor, tenant: TenantId, domain: string): Promise<unknown>;
  release(actor: AdminActor, tenant: TenantId, domain: string): Promise<void>;
}

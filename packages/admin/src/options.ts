import type { AuditSink } from '@portcullis/audit';
import type {
  Clock,
  ConfigurationRecorder,
  IdentityVerifier,
  Limiter,
  PolicyDecisionPoint,
  SessionDirectory,
  TenantPlans,
  TenantResolver,
} from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import type { IdempotencyStore } from './idempotency/store.js';
import type { AdminTrails, AdminUsage } from './parts.js';
import type {
  AdminDomains,
  AdminInvitations,
  AdminLifecycle,
  AdminMembers,
  AdminOperators,
  AdminRoles,
} from './ports.js';
import type { AdminScopes } from './scopes.js';

/** What an administration API works with. A part that is left out has no endpoints. */
export interface AdminOptions {
  /**
   * The public URL that the API is mounted at, as `https://api.example.com/admin`: the resource identifier of its own
   * tokens (RFC 8707). Give it an audience of its own: a token that an agent got for the MCP server then administers
   * nothing.
   */
  readonly resource: string;
  /** The issuers of the authorization servers that clients may get tokens from. At least one. */
  readonly authorizationServers: readonly string[];
  readonly identity: IdentityVerifier;
  /**
   * Finds the tenant of the path among those of the caller: a resolver that reads `x-tenant-id`, and without base
   * domains, since here the path names the tenant. For operators who act in tenants by grants:
   * `operatorResolver` of `@portcullis/operators`.
   */
  readonly tenants: TenantResolver;
  /** The registry's store, so that this replica forgets at once what it changes. The API does not close it. */
  readonly store: TenantStore;
  readonly pdp: PolicyDecisionPoint;
  /** Where decisions and outcomes are recorded. The API does not close it. */
  readonly audit: AuditSink;
  /** Records each change before it is made. @defaultValue with `audit` */
  readonly record?: ConfigurationRecorder | undefined;
  /** The operators' service. @defaultValue there are no operators, and nobody reaches more than its own tenant */
  readonly operators?: AdminOperators | undefined;
  /** Changes members: `members` of `@portcullis/tenants`, over the same store. */
  readonly members?: AdminMembers | undefined;
  /** Changes roles of a tenant's own: `tenantRoles` of `@portcullis/tenants/roles`, over the same store. */
  readonly roles?: AdminRoles | undefined;
  /** Invites people: `invitations` of `@portcullis/tenants`, over the same store. */
  readonly invitations?: AdminInvitations | undefined;
  /** Makes and ends tenants across all storage. @defaultValue a tenant is its record in the store, and nothing else */
  readonly lifecycle?: AdminLifecycle | undefined;
  /** Proves domains: `domainClaims` of `@portcullis/tenants`, over the same store. */
  readonly domains?: AdminDomains | undefined;
  readonly usage?: AdminUsage | undefined;
  readonly trails?: AdminTrails | undefined;
  readonly sessions?: SessionDirectory | undefined;
  /** The plans on offer. @defaultValue plans carry no limits, and any name is one */
  readonly plans?: TenantPlans | undefined;
  /** Names of identity providers that a tenant's owner may bind without an operator. @defaultValue none */
  readonly providers?: readonly string[] | undefined;
  /** Holds members to their tenants' limits here, too. The API does not close it. @defaultValue no limits */
  readonly limiter?: Limiter | undefined;
  /**
   * How many requests a minute one person may make about itself, which count for no tenant. Each replica counts for
   * itself.
   *
   * @defaultValue 60
   */
  readonly personalRequestsPerMinute?: number | undefined;
  /** Remembers requests by their idempotency keys. @defaultValue in this process */
  readonly idempotency?: IdempotencyStore | undefined;
  /**
   * How long an answer is remembered for a key, in milliseconds. A refusal is forgotten after twice `timeoutMs`.
   *
   * @defaultValue 24 hours
   */
  readonly idempotencyTtlMs?: number | undefined;
  /** The scopes that a client needs. @defaultValue none: the audience alone tells what a token is for */
  readonly scopes?: AdminScopes | undefined;
  /** Browser origins that may call, as `https://console.example.com`. The resource's own origin always may. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The header that names a tenant, as the resolver reads it, in lower case. @defaultValue `x-tenant-id` */
  readonly tenantHeader?: string | undefined;
  /** The header that names a grant, as the resolver reads it, in lower case. @defaultValue `x-operator-grant` */
  readonly grantHeader?: string | undefined;
  /** The largest request body, in bytes. @defaultValue 256 KiB */
  readonly maxBodyBytes?: number | undefined;
  /** How long a request may take after it was permitted, in milliseconds. @defaultValue 30000 */
  readonly timeoutMs?: number | undefined;
  /** How long an operator's right to a job holds, in milliseconds. @defaultValue 1 hour */
  readonly jobTtlMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Hears of what no caller may read. @defaultValue standard error */
  readonly onError?: ((error: Error) => void) | undefined;
}

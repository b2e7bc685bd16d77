import type { Identity, OperatorContext, TenantContext, TenantId } from '@portcullis/core';
import type { Grant } from '../grant/grant.js';
import type { GrantPageOptions } from '../grant/store.js';
import { operatorPrincipal } from '../principal/operator-principal.js';
import { approveGrant } from './approve.js';
import { authorize, contextFor, type OperatorAction, type OperatorContextRequest } from './authorize.js';
import { grantsOn, ownGrants, tenantGrants, type GrantPage } from './list-grants.js';
import { partsOf, type OperatorsOptions } from './options.js';
import { requestGrant, type GrantRequest } from './request-grant.js';
import { revokeGrant } from './revoke.js';
import { recheckGrant, useGrant, type GrantUse, type LiveGrant } from './use-grant.js';

/** What correlates an operation with its request. */
interface Request {
  readonly requestId: string;
}

/**
 * What operators may do, decided by policies of their own and recorded before it takes effect: the denied attempts too.
 *
 * Every method throws `denied` for whoever is no operator, `pdp_unavailable`, `audit_unavailable` and, where grants are
 * concerned, `grants_unavailable`; and a TypeError for an identity that no verifier made.
 */
export interface Operators {
  /** Whether an identity is an operator's: of a provider that vouches for operators, with a role that means something. */
  isOperator(identity: Identity): boolean;
  /** Whether an identity provider vouches for operators: of such a one, no tenant should have members. */
  isOperatorProvider(name: string): boolean;
  /**
   * Decides on something that an operator does from outside of tenants, and records it. It may be done when this
   * resolves.
   *
   * @throws PortcullisError `denied`, `obligation_failed`
   */
  authorize(identity: Identity, action: OperatorAction): Promise<void>;
  /**
   * Makes the context that storage and lifecycle operations take, for a reason and a time.
   *
   * @throws PortcullisError `denied`, `obligation_failed`, `request_invalid`
   */
  contextFor(identity: Identity, request: OperatorContextRequest): Promise<OperatorContext>;
  /**
   * Asks for a grant to act in a tenant. `support` holds at once; `break_glass` is pending until another person approves.
   *
   * @throws PortcullisError `denied`, `obligation_failed`, `request_invalid`, `tenant_unknown`, `tenant_suspended`,
   * `tenant_expired`
   */
  requestGrant(identity: Identity, request: GrantRequest): Promise<Grant>;
  /**
   * Approves a pending break-glass grant, which begins at this moment.
   *
   * @throws PortcullisError `denied` (the same person, or policy), `grant_invalid` (unknown, lapsed, decided already),
   * `tenant_unknown`, `tenant_suspended`, `tenant_expired`
   */
  approve(identity: Identity, grant: string, request: Request): Promise<Grant>;
  /**
   * Ends a grant, pending or active: the operator's own, or another's with `grants:revoke`. After it has resolved no use
   * begins; what an open stream may still do ends with its next recheck.
   *
   * @throws PortcullisError `denied`, `grant_invalid`, `conflict`
   */
  revoke(identity: Identity, grant: string, request: Request): Promise<Grant>;
  /** The operator's own grants. @throws PortcullisError `denied`, `request_invalid` */
  grants(identity: Identity, page?: GrantPageOptions): Promise<GrantPage>;
  /** The grants on a tenant, for operators with `grants:read`. @throws PortcullisError `denied`, `request_invalid` */
  grantsOn(identity: Identity, tenant: TenantId, request: Request & GrantPageOptions): Promise<GrantPage>;
  /** The grants on a tenant, for its administrators with `grants:read`. @throws PortcullisError `denied`, `request_invalid` */
  tenantGrants(context: TenantContext, page?: GrantPageOptions): Promise<GrantPage>;
  /**
   * Uses a grant for one request; for `operatorResolver`.
   *
   * @throws PortcullisError `grant_invalid`, `tenant_mismatch`, `denied`, `obligation_failed`, `tenant_unknown`,
   * `tenant_suspended`, `tenant_expired`
   */
  use(identity: Identity, use: GrantUse): Promise<LiveGrant>;
  /** Looks again whether a grant holds, without using it; for `operatorResolver`. Throws as `use` does, and `token_invalid`. */
  recheck(identity: Identity, use: GrantUse): Promise<LiveGrant>;
}

/**
 * Makes the operators' service.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```ts
 * import { memoryAudit } from '@portcullis/audit';
 * import { memoryGrants, operators } from '@portcullis/operators';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 * import { memoryStore, registry } from '@portcullis/tenants';
 *
 * const tenants = registry({ store: memoryStore() });
 * const staff = operators({
 *   pdp: cerbos('unix:/run/cerbos.sock'),
 *   providers: { staff: { roles: { 'Platform.Support': 'operator_support', 'Platform.Admin': 'operator_admin' } } },
 *   store: memoryGrants(),
 *   record: () => Promise.resolve(), // recordsOperators(audit) of `@portcullis/audit`
 *   tenant: (id) => tenants.tenant(id),
 * });
 * ```
 */
export function operators(options: OperatorsOptions): Operators {
  const parts = partsOf(options);
  return {
    isOperator: (identity) => operatorPrincipal(identity, parts.providers) !== undefined,
    isOperatorProvider: (name) => Object.hasOwn(parts.providers, name),
    authorize: (identity, action) => authorize(parts, identity, action),
    contextFor: (identity, request) => contextFor(parts, identity, request),
    requestGrant: (identity, request) => requestGrant(parts, identity, request),
    approve: (identity, grant, { requestId }) => approveGrant(parts, identity, grant, requestId),
    revoke: (identity, grant, { requestId }) => revokeGrant(parts, identity, grant, requestId),
    grants: (identity, page = {}) => ownGrants(parts, identity, page),
    grantsOn: (identity, tenant, { requestId, ...page }) => grantsOn(parts, identity, tenant, requestId, page),
    tenantGrants: (context, page = {}) => tenantGrants(parts, context, page),
    use: (identity, use) => useGrant(parts, identity, use),
    recheck: (identity, use) => recheckGrant(parts, identity, use),
  };
}

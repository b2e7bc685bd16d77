import {
  PortcullisError,
  type Action,
  type Attributes,
  type PolicyDecisionPoint,
  type Principal,
  type TenantId,
} from '@portcullis/core';

/** One question about a tenant as a whole, or about the platform. */
export interface TenantQuestion {
  readonly principal: Principal;
  readonly action: Action;
  /** Absent for all tenants at once. */
  readonly tenant?: TenantId | undefined;
  readonly attr?: Attributes | undefined;
  /** The scope whose policies decide: the tenant's, where its own may narrow what operators do in it. */
  readonly scope: string;
  readonly requestId: string;
}

/**
 * The owner of the `platform` resource, which has none: every resource needs one. A tenant of that name gets nothing by
 * it, since no rule about the platform speaks of a tenant.
 */
const platform = 'platform' as TenantId;

/**
 * Asks the PDP one question, and throws unless the answer is a plain yes.
 *
 * @throws PortcullisError `denied`; `obligation_failed` when the yes has a condition, which nobody here could carry
 * out; `pdp_unavailable`
 */
export async function requireAllowed(pdp: PolicyDecisionPoint, question: TenantQuestion): Promise<void> {
  const { principal, action, tenant, attr, scope, requestId } = question;
  const resource =
    tenant === undefined
      ? { kind: 'platform', id: 'platform', tenant: platform, attr }
      : { kind: 'tenant', id: tenant, tenant, attr };
  const [decisions] = await pdp.check({
    principal,
    scope,
    questions: [{ resource, actions: [action] }],
    requestId,
  });
  const [decision] = decisions ?? [];
  if (decision?.action !== action)
    throw new PortcullisError('pdp_unavailable', undefined, { detail: 'the engine did not answer the question' });
  if (decision.effect !== 'allow')
    throw new PortcullisError('denied', undefined, {
      detail: `no policy allows \`${action}\` on ${resource.kind} ${resource.id} (${decision.policy || 'none matched'})`,
    });
  if (decision.obligations.length > 0)
    throw new PortcullisError('obligation_failed', undefined, {
      detail: `\`${decision.obligations[0]?.type ?? ''}\` cannot be carried out here`,
    });
}

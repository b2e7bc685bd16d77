import {
  PortcullisError,
  isSealedIdentity,
  isSealedTenantContext,
  type Identity,
  type TenantContext,
  type TenantQuery,
  type TenantResolver,
} from '@portcullis/core';
import { sealTenantContext } from '@portcullis/core/seal';
import { actingIdentity, isActing } from '../principal/acting.js';
import type { Operators } from '../service/operators.js';
import type { LiveGrant } from '../service/use-grant.js';

/** How operators get into tenants. */
export interface OperatorResolverOptions {
  /** Resolves everybody who does not name a grant. */
  readonly resolver: TenantResolver;
  readonly operators: Operators;
  /** What the request says of the tenant: as the resolver reads it, so that the two agree. A hint never adds anything. */
  readonly hints: (query: TenantQuery) => {
    readonly header: string | undefined;
    readonly subdomain: string | undefined;
  };
  /** The header that names a grant. @defaultValue `x-operator-grant` */
  readonly header?: string | undefined;
  /** The role in the tenant that a break-glass grant gives; a support grant gives `readonly`. @defaultValue `admin` */
  readonly breakGlassRole?: 'admin' | 'member' | 'readonly' | undefined;
}

/** The identity behind each impersonated context that was made here: the context itself holds a marked copy. */
const behind = new WeakMap<TenantContext, Identity>();

/**
 * A tenant resolver that lets operators act in tenants with a grant, and changes nothing for anybody else.
 *
 * A request that names a grant is the operator's or is refused: the grant has to hold now, for this identity and this
 * client, and every hint has to be its tenant. The context has a mark (`context.impersonation`, `P.attr.impersonation`)
 * and a role below `owner`, whatever the operator may be in that tenant otherwise. An operator who belongs to no tenant
 * and names no grant is told `grant_required`.
 *
 * @throws PortcullisError as the resolver underneath, and `grant_required`, `grant_invalid`, `grants_unavailable`,
 * `denied`, `audit_unavailable`; `config_invalid` when it is made with a role that it may not give
 * @example
 * ```text
 * const tenants = operatorResolver({ resolver: resolver({ registry }), operators: staff, hints: hintReader({}) });
 * ```
 */
export function operatorResolver(options: OperatorResolverOptions): TenantResolver {
  const { resolver, operators, hints } = options;
  const header = options.header ?? 'x-operator-grant';
  const breakGlassRole = options.breakGlassRole ?? 'admin';
  if (!['admin', 'member', 'readonly'].includes(breakGlassRole))
    throw new PortcullisError(
      'config_invalid',
      `breakGlassRole: \`${breakGlassRole}\` is none of \`admin\`, \`member\`, \`readonly\``,
    );

  function impersonated({ grant, tenant }: LiveGrant, identity: Identity, requestId: string): TenantContext {
    const { id, kind, reason, approvedBy, startsAt, expiresAt } = grant;
    if (startsAt === undefined || expiresAt === undefined) throw new TypeError('the grant does not hold');
    const context = sealTenantContext({
      identity: actingIdentity(identity),
      tenant,
      membership: {
        tenantId: tenant.id,
        userId: identity.key,
        roles: [kind === 'support' ? 'readonly' : breakGlassRole],
        joinedAt: startsAt,
        version: 0,
      },
      impersonation: {
        grant: id,
        kind,
        operator: identity.key,
        reason,
        ...(approvedBy === undefined ? {} : { approvedBy }),
        expiresAt,
      },
      requestId,
    });
    behind.set(context, identity);
    return context;
  }

  /** Who may be an operator is told what is missing; to others, that there are grants is none of their business. */
  async function withoutGrant(query: TenantQuery): Promise<TenantContext> {
    try {
      return await resolver.resolve(query);
    } catch (error) {
      const belongsNowhere =
        error instanceof PortcullisError && (error.code === 'not_a_member' || error.code === 'tenant_unknown');
      if (belongsNowhere && operators.isOperator(query.identity))
        throw new PortcullisError('grant_required', undefined, { cause: error });
      throw error;
    }
  }

  return {
    async resolve(query) {
      const { identity, requestId } = query;
      if (!isSealedIdentity(identity)) throw new TypeError('the identity was not made by a verifier');
      if (isActing(identity))
        throw new PortcullisError('grant_invalid', undefined, { detail: 'an operator in a tenant goes nowhere else' });
      const grant = query.header?.(header);
      if (grant === undefined) return withoutGrant(query);
      const { header: named, subdomain } = hints(query);
      const live = await operators.use(identity, {
        id: grant,
        named: [named, subdomain].filter((name) => name !== undefined),
        requestId,
      });
      return impersonated(live, identity, requestId);
    },
    async recheck(context) {
      if (!isSealedTenantContext(context)) throw new TypeError('the tenant context was not made by a resolver');
      const { impersonation, tenant, requestId } = context;
      const identity = behind.get(context);
      if (impersonation === undefined && identity === undefined) return resolver.recheck(context);
      if (impersonation === undefined || identity === undefined)
        throw new PortcullisError('grant_invalid', undefined, { detail: 'the context was not made of a grant' });
      const live = await operators.recheck(identity, { id: impersonation.grant, named: [tenant.id], requestId });
      return impersonated(live, identity, requestId);
    },
  };
}

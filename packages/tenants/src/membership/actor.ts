import {
  builtInRoles,
  isSealedOperatorContext,
  isSealedTenantContext,
  PortcullisError,
  type Clock,
  type ConfigurationChange,
  type ConfigurationRecorder,
  type OperatorContext,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';
import type { TenantStore } from '../store/store.js';

/** The system itself, by name: a scheduled job, a migration. It is for code and never for a request. */
export interface SystemActor {
  readonly system: string;
  readonly requestId: string;
  readonly reason?: string | undefined;
}

/**
 * Who changes members, roles, invitations and domains: somebody of the tenant, an operator whose context names the
 * tenant, or the system. Whether it may at all is for policy to say, before; here it is kept from giving more than it
 * has.
 */
export type Actor = TenantContext | OperatorContext | SystemActor;

/** Before the name of a system in the place of a key. No `Identity.key` begins with `#`. */
export const systemPrefix = '#system:';

/** An actor in one tenant. */
export interface Authority {
  /** What it has in the tenant, now. */
  readonly roles: readonly string[];
  /** `Identity.key`, or `systemPrefix` and the name. */
  readonly key: string;
  readonly isOperator: boolean;
  /** What its changes are recorded with. */
  readonly change: Pick<ConfigurationChange, 'author' | 'tenant' | 'requestId' | 'impersonation' | 'reason'>;
}

/**
 * Finds out what an actor is in a tenant. The roles of a member are read anew: those in its context may be as old as a
 * cache entry, and who was an administrator a moment ago must not make one now.
 *
 * @throws PortcullisError `cross_tenant`, `not_a_member`, `grant_invalid`; TypeError for a context that was not made by
 * a resolver
 */
export async function authorityIn(
  store: TenantStore,
  tenant: TenantId,
  actor: Actor,
  clock: Clock,
): Promise<Authority> {
  if (isSealedTenantContext(actor)) return ofTenant(store, tenant, actor, clock);
  if (isSealedOperatorContext(actor)) return ofOperator(tenant, actor, clock);
  if (!('system' in actor) || 'identity' in actor || actor.system.trim() === '')
    throw new TypeError('an actor is a tenant context of a resolver, an operator context, or the system by name');
  const { system, requestId, reason } = actor;
  return {
    roles: builtInRoles,
    key: `${systemPrefix}${system}`,
    isOperator: false,
    change: { author: { system }, tenant, requestId, ...(reason === undefined ? {} : { reason }) },
  };
}

async function ofTenant(
  store: TenantStore,
  tenant: TenantId,
  context: TenantContext,
  clock: Clock,
): Promise<Authority> {
  const { identity, membership, impersonation, requestId } = context;
  if (context.tenant.id !== tenant)
    throw new PortcullisError('cross_tenant', undefined, {
      detail: `a context of ${context.tenant.id}, not ${tenant}`,
    });
  if (impersonation !== undefined && clock() >= impersonation.expiresAt)
    throw new PortcullisError('grant_invalid', undefined, { detail: 'the impersonation has ended' });
  // An operator who acts in the tenant is stored nowhere. A member that its token makes is not either, or was not when
  // the context was made.
  const found = impersonation === undefined ? await store.getMembership(tenant, identity.key) : membership;
  const stored = found ?? (membership.version === 0 ? membership : undefined);
  if (stored === undefined) throw new PortcullisError('not_a_member');
  return {
    roles: stored.roles,
    key: identity.key,
    isOperator: impersonation !== undefined,
    change: {
      author: identity,
      tenant,
      requestId,
      ...(impersonation === undefined ? {} : { impersonation, reason: impersonation.reason }),
    },
  };
}

function ofOperator(tenant: TenantId, operator: OperatorContext, clock: Clock): Authority {
  const { identity, requestId, reason, tenants, expiresAt, action } = operator;
  if (clock() >= expiresAt)
    throw new PortcullisError('grant_invalid', undefined, { detail: 'the operator context has ended' });
  if (action !== undefined && !action.endsWith(':write'))
    throw new PortcullisError('denied', undefined, { detail: `an operator context that was decided for ${action}` });
  if (tenants !== 'all' && !tenants.includes(tenant))
    throw new PortcullisError('cross_tenant', undefined, { detail: `an operator context that is not for ${tenant}` });
  return {
    roles: builtInRoles,
    key: identity.key,
    isOperator: true,
    change: { author: identity, tenant, requestId, reason },
  };
}

/**
 * Records a change, and makes it. One that fails after it was recorded is recorded once more, as `….failed`, so that
 * the trail does not tell of a change that never was.
 */
export async function recorded<T>(
  record: ConfigurationRecorder,
  change: ConfigurationChange,
  make: () => Promise<T>,
): Promise<T> {
  await record(change);
  try {
    return await make();
  } catch (error) {
    await record({ ...change, action: `${change.action}.failed`, after: change.before }).catch(() => undefined);
    throw error;
  }
}

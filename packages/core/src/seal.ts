import type { Identity } from './identity.js';
import type { OperatorContext } from './operator.js';
import { isTenantId } from './tenant-id.js';
import type { TenantContext } from './tenant.js';

const identities = new WeakSet<Identity>();
const contexts = new WeakSet<TenantContext>();
const operators = new WeakSet<OperatorContext>();

/**
 * Freezes a value and all that it holds. Built-in collections and class instances are left out: outside data that has
 * been parsed consists of plain objects and arrays.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}

/**
 * Makes an identity that the rest of Portcullis accepts. For `@portcullis/claims`, after every check, and for nobody
 * else: to call it is to vouch for the person. It lives behind a path of its own so that a search finds its callers.
 */
export function sealIdentity(identity: Identity): Identity {
  deepFreeze(identity);
  identities.add(identity);
  return identity;
}

/** Whether `value` came out of a verifier: an object of the same shape that somebody wrote down did not. */
export function isSealedIdentity(value: unknown): value is Identity {
  return typeof value === 'object' && value !== null && identities.has(value as Identity);
}

/**
 * Makes a tenant context that the rest of Portcullis accepts. For `@portcullis/tenants`, after every check.
 *
 * @throws TypeError when the identity was not made by a verifier
 */
export function sealTenantContext(context: TenantContext): TenantContext {
  if (!isSealedIdentity(context.identity)) throw new TypeError('a tenant context needs an identity made by a verifier');
  Object.freeze(context);
  deepFreeze(context.tenant);
  deepFreeze(context.membership);
  deepFreeze(context.impersonation);
  contexts.add(context);
  return context;
}

/** Whether `value` came out of a tenant resolver. */
export function isSealedTenantContext(value: unknown): value is TenantContext {
  return typeof value === 'object' && value !== null && contexts.has(value as TenantContext);
}

/**
 * Makes an operator context that storage accepts. For the step that has decided that the operator may, and for nobody
 * else: to call it is to vouch for that.
 *
 * @throws TypeError when the identity was not made by a verifier, the reason is empty, a tenant id is malformed, or
 * the end is not a time
 */
export function sealOperatorContext(context: OperatorContext): OperatorContext {
  if (!isSealedIdentity(context.identity))
    throw new TypeError('an operator context needs an identity made by a verifier');
  if (context.reason.trim() === '') throw new TypeError('an operator context needs a reason');
  if (context.tenants !== 'all' && !context.tenants.every(isTenantId))
    throw new TypeError('an operator context names a malformed tenant id');
  if (!Number.isFinite(context.expiresAt)) throw new TypeError('an operator context needs an end');
  if (context.tenants !== 'all') Object.freeze(context.tenants);
  Object.freeze(context);
  operators.add(context);
  return context;
}

/** Whether `value` is an operator context that was vouched for. */
export function isSealedOperatorContext(value: unknown): value is OperatorContext {
  return typeof value === 'object' && value !== null && operators.has(value as OperatorContext);
}

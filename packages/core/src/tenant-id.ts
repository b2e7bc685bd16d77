import { PortcullisError } from './errors.js';

declare const tenantIdBrand: unique symbol;

/**
 * The id of a tenant: 1 to 64 characters, letters, digits, `-` and `_`, the first a letter or a digit.
 *
 * The grammar is narrow on purpose. Every place that derives something from a tenant id (a policy scope, a key
 * prefix, a schema name) can then use it as it is, and two tenants can never meet in one derived name. Ids that an
 * identity provider chose (`org_…`, a GUID, a domain) are mapped to a tenant id by the tenant's identity-provider
 * bindings. Case is significant.
 *
 * @see https://docs.cerbos.dev/cerbos/latest/policies/scoped_policies — a scope segment matches `[0-9a-zA-Z][\w-]*`
 */
export type TenantId = string & { readonly [tenantIdBrand]: true };

const grammar = /^[0-9A-Za-z][\w-]{0,63}$/;

/** Whether `value` is a well-formed tenant id. */
export function isTenantId(value: unknown): value is TenantId {
  return typeof value === 'string' && grammar.test(value);
}

/**
 * Reads a tenant id from outside data.
 *
 * @throws PortcullisError `tenant_unknown` when the value is not a well-formed tenant id: no such tenant can exist.
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 *
 * const acme = tenantId('acme');
 * ```
 */
export function tenantId(value: unknown): TenantId {
  if (isTenantId(value)) return value;
  throw new PortcullisError('tenant_unknown', 'not a well-formed tenant id', {
    detail: `a tenant id is 1 to 64 letters, digits, "-" or "_", got ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value}`,
  });
}

import { createHash } from 'node:crypto';
import { isTenantId, PortcullisError, type TenantId } from '@portcullis/core';
import { refused } from '../../access.js';

/**
 * The name of a tenant's schema and role.
 *
 * The prefix and the tenant id as it is, case and all; where that is more than PostgreSQL's 63 bytes, the beginning of
 * the id, a `~` and 128 bits of its SHA-256. No id contains a `~`, so that no short id can be chosen to look like a
 * long one's name. Two tenants never share a name, and nothing is ever cut off by the server.
 *
 * @throws PortcullisError `storage_refused` for a malformed tenant id, `config_invalid` for a prefix that leaves no room
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { schemaName } from '@portcullis/storage/postgres';
 *
 * console.log(schemaName(tenantId('acme'))); // prints: tenant_acme
 * ```
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function schemaName(tenant: TenantId, prefix = 'tenant_'): string {
  if (!isTenantId(tenant)) throw refused('not a well-formed tenant id');
  if (!/^[a-z][a-z0-9_]{0,19}$/.test(prefix) || prefix.startsWith('pg_'))
    throw new PortcullisError(
      'config_invalid',
      `prefix: \`${prefix}\` is not 1 to 20 lower-case letters, digits or \`_\``,
    );
  const plain = `${prefix}${tenant}`;
  if (plain.length <= 63) return plain;
  const hash = createHash('sha256').update(tenant).digest('hex').slice(0, 32);
  return `${prefix}${tenant.slice(0, 63 - prefix.length - 33)}~${hash}`;
}

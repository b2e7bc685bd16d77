import { PortcullisError } from '@portcullis/core';
import type { OperatorAccessOptions } from '../../access.js';
import { sourceOf, type PgPool } from '../pg-source.js';
import { quoteIdentifier, quoteLiteral } from '../quote.js';
import { tenantDatabase, type TenantDatabase } from '../tenant-database.js';
import type { TransactionSource } from '../transaction-source.js';
import { inspect, type InspectOptions } from './inspect.js';

/** How row-level security is set up. */
export interface RowLevelSecurityOptions extends OperatorAccessOptions {
  /** The setting that the policies read the tenant from. @defaultValue `app.tenant_id` */
  readonly setting?: string | undefined;
  /**
   * The role that the work runs as: one that the policies bind. @defaultValue the role that the pool connects as,
   * which must then be one
   */
  readonly role?: string | undefined;
  /** The schemas that unqualified names are looked up in. `pg_temp` comes last. @defaultValue `['public']` */
  readonly searchPath?: readonly string[] | undefined;
  /** How long one transaction may take by default, in milliseconds. @defaultValue 15000 */
  readonly timeoutMs?: number | undefined;
}

/** One database for all tenants, each row of which belongs to one of them. */
export type RowLevelSecurity = TenantDatabase<InspectOptions>;

/**
 * Isolation by PostgreSQL row-level security, over a `pg` pool or PGlite.
 *
 * The tenant is a setting of the transaction (`SET LOCAL`), so that it ends with it, also behind a pooler in
 * transaction mode. Policies on the tables compare it with the tenant column; `conformingSql` writes them. `verify`
 * looks at the roles, the tables and their policies, views, functions and indexes.
 *
 * @throws PortcullisError `config_invalid`
 * @see https://www.postgresql.org/docs/current/ddl-rowsecurity.html
 * @example
 * ```ts
 * import pg from 'pg';
 * import { rowLevelSecurity } from '@portcullis/storage/postgres';
 *
 * const pool = new pg.Pool({ connectionString: 'postgresql://app@localhost/app' });
 * const rls = rowLevelSecurity(pool);
 * await pool.end();
 * ```
 * @example
 * ```text
 * await rls.withTenant(context, (sql) => sql.query('SELECT title FROM notes WHERE id = $1', [id]));
 *
 *   BEGIN; SET LOCAL search_path = "public", pg_temp; SET LOCAL app.tenant_id = 'acme'; SET LOCAL ROLE "app"; …
 *   SELECT title FROM notes WHERE id = $1
 *   COMMIT
 * ```
 */
export function rowLevelSecurity(
  pool: PgPool | TransactionSource,
  options: RowLevelSecurityOptions = {},
): RowLevelSecurity {
  const { setting = 'app.tenant_id', role, searchPath = ['public'], timeoutMs, ...access } = options;
  // A setting of an application's own has a prefix; the server's have none.
  if (!/^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+$/.test(setting))
    throw new PortcullisError('config_invalid', `setting: \`${setting}\` is not of the form \`app.tenant_id\``);
  const source = sourceOf(pool);
  const path = [...searchPath.map(quoteIdentifier), 'pg_temp'].join(', ');
  return tenantDatabase<InspectOptions>({
    ...access,
    source,
    storage: 'postgres/row-level-security',
    timeoutMs,
    settings: (tenant) => [
      `SET LOCAL search_path = ${path}`,
      `SET LOCAL ${setting} = ${quoteLiteral(tenant)}`,
      ...(role === undefined ? [] : [`SET LOCAL ROLE ${quoteIdentifier(role)}`]),
    ],
    look: (how) => inspect(source, { setting, role, searchPath, ...how }),
  });
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { PortcullisError, type OperatorContext, type TenantContext, type TenantId } from '@portcullis/core';
import { tenantOf, tenantOfOperator, type OperatorAccessOptions } from '../../access.js';
import { pgSource, type PgPool } from '../pg-source.js';
import { quoteIdentifier, quoteLiteral } from '../quote.js';
import { runTransaction, type TransactionOptions } from '../run-transaction.js';
import type { Flow, TenantSql } from '../tenant-sql.js';
import type { TransactionSource } from '../transaction-source.js';
import { assertVerified, type Verification } from '../findings.js';
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
export interface RowLevelSecurity {
  /**
   * Runs work in one transaction that sees the rows of the context's tenant alone.
   *
   * The callback gets the connection, and nothing else of the pool. It is committed when the callback returns and
   * rolled back when it throws. Inside another `withTenant` of the same tenant it is a savepoint of that one.
   *
   * @throws PortcullisError `storage_refused`, `storage_unavailable`, `storage_conflict`; what the work throws
   * @example
   * ```text
   * await rls.withTenant(context, (sql) => sql.query('SELECT title FROM notes WHERE id = $1', [id]));
   *
   *   BEGIN; SET LOCAL search_path = "public", pg_temp; SET LOCAL app.tenant_id = 'acme'; SET LOCAL ROLE "app"; …
   *   SELECT title FROM notes WHERE id = $1
   *   COMMIT
   * ```
   */
  withTenant<T>(context: TenantContext, work: (sql: TenantSql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** The same for an operator, in one tenant, on record. */
  withTenantAsOperator<T>(
    operator: OperatorContext,
    tenant: TenantId,
    work: (sql: TenantSql) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /**
   * Looks whether the database isolates tenants: the roles, the tables and their policies, views, functions, indexes.
   * For a report; `verify` is for start-up.
   *
   * @throws PortcullisError `storage_unavailable`
   */
  inspect(options?: InspectOptions): Promise<Verification>;
  /**
   * Proves the isolation at start-up, instead of assuming it.
   *
   * @throws PortcullisError `storage_unproven`, whose `detail` names each table, role and setting that falls short
   */
  verify(options?: InspectOptions): Promise<Verification>;
}

/**
 * Isolation by PostgreSQL row-level security, over a `pg` pool or PGlite.
 *
 * The tenant is a setting of the transaction (`SET LOCAL`), so that it ends with it, also behind a pooler in
 * transaction mode. Policies on the tables compare it with the tenant column; `conformingSql` writes them.
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
 */
export function rowLevelSecurity(
  pool: PgPool | TransactionSource,
  options: RowLevelSecurityOptions = {},
): RowLevelSecurity {
  const { setting = 'app.tenant_id', role, searchPath = ['public'], timeoutMs, ...access } = options;
  // A setting of an application's own has a prefix; the server's have none.
  if (!/^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+$/.test(setting))
    throw new PortcullisError('config_invalid', `setting: \`${setting}\` is not of the form \`app.tenant_id\``);
  const source = 'begin' in pool ? pool : pgSource(pool);
  const flow: Flow = new AsyncLocalStorage();
  const path = [...searchPath.map(quoteIdentifier), 'pg_temp'].join(', ');

  function run<T>(tenant: TenantId, work: (sql: TenantSql) => Promise<T>, how: TransactionOptions = {}): Promise<T> {
    const settings = [
      `SET LOCAL search_path = ${path}`,
      `SET LOCAL ${setting} = ${quoteLiteral(tenant)}`,
      ...(role === undefined ? [] : [`SET LOCAL ROLE ${quoteIdentifier(role)}`]),
    ];
    return runTransaction({ source, tenant, settings, flow }, { timeoutMs, ...how }, work);
  }

  const look = (how: InspectOptions = {}): Promise<Verification> =>
    inspect(source, { setting, role, searchPath, ...how });
  return {
    withTenant: async (context, work, how) => run(tenantOf(context), work, how),
    withTenantAsOperator: async (operator, tenant, work, how) =>
      run(await tenantOfOperator(operator, tenant, 'postgres/row-level-security', access), work, how),
    inspect: look,
    verify: async (how) => assertVerified(await look(how)),
  };
}

import { AsyncLocalStorage } from 'node:async_hooks';
import type { OperatorContext, TenantContext, TenantId } from '@portcullis/core';
import { tenantOf, tenantOfOperator, type OperatorAccessOptions } from '../../access.js';
import { pgSource, type PgPool } from '../pg-source.js';
import { quoteIdentifier } from '../quote.js';
import { runTransaction, type TransactionOptions } from '../run-transaction.js';
import type { Flow, TenantSql } from '../tenant-sql.js';
import type { TransactionSource } from '../transaction-source.js';
import { assertVerified, type Verification } from '../findings.js';
import { inspectSchemas, type InspectSchemasOptions } from './inspect-schemas.js';
import { schemaName } from './schema-name.js';

/** How a schema per tenant is set up. */
export interface SchemaPerTenantOptions extends OperatorAccessOptions {
  /** What the names of schemas and roles begin with. @defaultValue `tenant_` */
  readonly prefix?: string | undefined;
  /** Schemas that every tenant may read, looked up after its own. @defaultValue none */
  readonly sharedSchemas?: readonly string[] | undefined;
  /** How long one transaction may take by default, in milliseconds. @defaultValue 15000 */
  readonly timeoutMs?: number | undefined;
}

/** One database for all tenants, with a schema and a role for each. */
export interface SchemaPerTenant {
  /**
   * Runs work in one transaction, as the tenant's own role and in its own schema.
   *
   * The search path finds the tenant's tables by their short names. It is the role that keeps others out: a qualified
   * name into another schema fails for want of privilege.
   *
   * @throws PortcullisError `storage_not_provisioned`, `storage_refused`, `storage_unavailable`, `storage_conflict`;
   * what the work throws
   * @example
   * ```text
   * await schemas.withTenant(context, (sql) => sql.query('SELECT title FROM notes'));
   *
   *   BEGIN; SET LOCAL search_path = "tenant_acme", pg_temp; SET LOCAL ROLE "tenant_acme"; …
   *   SELECT title FROM notes
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
   * Looks whether roles and schemas isolate tenants. For a report; `verify` is for start-up.
   *
   * @throws PortcullisError `storage_unavailable`
   */
  inspect(options?: InspectSchemasOptions): Promise<Verification>;
  /**
   * Proves the isolation at start-up, instead of assuming it.
   *
   * @throws PortcullisError `storage_unproven`, whose `detail` names each role and schema that falls short
   */
  verify(options?: InspectSchemasOptions): Promise<Verification>;
}

/**
 * Isolation by a schema and a role per tenant, over a `pg` pool or PGlite. `tenantSchemas` makes and upgrades them.
 *
 * @throws PortcullisError `config_invalid`
 * @see https://www.postgresql.org/docs/current/ddl-schemas.html
 * @example
 * ```ts
 * import pg from 'pg';
 * import { schemaPerTenant } from '@portcullis/storage/postgres';
 *
 * const pool = new pg.Pool({ connectionString: 'postgresql://app@localhost/app' });
 * const schemas = schemaPerTenant(pool);
 * await pool.end();
 * ```
 */
export function schemaPerTenant(
  pool: PgPool | TransactionSource,
  { prefix, sharedSchemas = [], timeoutMs, ...access }: SchemaPerTenantOptions = {},
): SchemaPerTenant {
  const source = 'begin' in pool ? pool : pgSource(pool);
  const flow: Flow = new AsyncLocalStorage();
  const shared = sharedSchemas.map(quoteIdentifier);

  function run<T>(tenant: TenantId, work: (sql: TenantSql) => Promise<T>, how: TransactionOptions = {}): Promise<T> {
    const own = quoteIdentifier(schemaName(tenant, prefix));
    const settings = [`SET LOCAL search_path = ${[own, ...shared, 'pg_temp'].join(', ')}`, `SET LOCAL ROLE ${own}`];
    return runTransaction({ source, tenant, settings, flow }, { timeoutMs, ...how }, work);
  }

  const look = (how: InspectSchemasOptions = {}): Promise<Verification> =>
    inspectSchemas(source, prefix ?? 'tenant_', how);
  return {
    inspect: look,
    verify: async (how) => assertVerified(await look(how)),
    withTenant: async (context, work, how) => run(tenantOf(context), work, how),
    withTenantAsOperator: async (operator, tenant, work, how) =>
      run(await tenantOfOperator(operator, tenant, 'postgres/schema-per-tenant', access), work, how),
  };
}

import type { OperatorAccessOptions } from '../../access.js';
import { sourceOf, type PgPool } from '../pg-source.js';
import { quoteIdentifier } from '../quote.js';
import { tenantDatabase, type TenantDatabase } from '../tenant-database.js';
import type { TransactionSource } from '../transaction-source.js';
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
export type SchemaPerTenant = TenantDatabase<InspectSchemasOptions>;

/**
 * Isolation by a schema and a role per tenant, over a `pg` pool or PGlite. `tenantSchemas` makes and upgrades them.
 *
 * The search path finds the tenant's tables by their short names. It is the role that keeps others out: a qualified
 * name into another schema fails for want of privilege. `verify` looks at the login, the roles and the schemas.
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
 * @example
 * ```text
 * await schemas.withTenant(context, (sql) => sql.query('SELECT title FROM notes'));
 *
 *   BEGIN; SET LOCAL search_path = "tenant_acme", pg_temp; SET LOCAL ROLE "tenant_acme"; …
 *   SELECT title FROM notes
 *   COMMIT
 * ```
 */
export function schemaPerTenant(
  pool: PgPool | TransactionSource,
  { prefix, sharedSchemas = [], timeoutMs, ...access }: SchemaPerTenantOptions = {},
): SchemaPerTenant {
  const source = sourceOf(pool);
  const shared = sharedSchemas.map(quoteIdentifier);
  return tenantDatabase<InspectSchemasOptions>({
    ...access,
    source,
    storage: 'postgres/schema-per-tenant',
    timeoutMs,
    settings(tenant) {
      const own = quoteIdentifier(schemaName(tenant, prefix));
      return [`SET LOCAL search_path = ${[own, ...shared, 'pg_temp'].join(', ')}`, `SET LOCAL ROLE ${own}`];
    },
    look: (how = {}) => inspectSchemas(source, prefix ?? 'tenant_', how),
  });
}

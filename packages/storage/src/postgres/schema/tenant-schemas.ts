import { AsyncLocalStorage } from 'node:async_hooks';
import { PortcullisError, tenantId, type TenantId } from '@portcullis/core';
import { refused } from '../../access.js';
import { nobody } from '../nobody.js';
import { sourceOf, type PgPool } from '../pg-source.js';
import { quoteIdentifier, quoteLiteral } from '../quote.js';
import { runTransaction, type TransactionOptions } from '../run-transaction.js';
import { sqlState } from '../sql-state.js';
import type { Flow, TenantSql } from '../tenant-sql.js';
import type { TransactionSource } from '../transaction-source.js';
import type { Migration } from './migrations.js';
import type { SchemaChange } from './schema-change.js';
import { schemaName } from './schema-name.js';
import { upgradeTenants, type UpgradeOptions, type UpgradeReport } from './upgrade.js';

/** How tenants' schemas are made. */
export interface TenantSchemasOptions {
  /** The role that the application connects as. It may take on each tenant's role, and inherits none. */
  readonly login: string;
  /** The steps of the application's schema, in order: `readMigrations` or a list. */
  readonly migrations?: readonly Migration[] | undefined;
  /**
   * Another migrator, as Kysely's or Drizzle's, beside or in place of `migrations`. It runs in the tenant's transaction,
   * with the tenant's schema first in the search path, and has to leave a schema that is up to date alone.
   */
  readonly migrate?: ((sql: TenantSql, schema: string) => Promise<void>) | undefined;
  /** @defaultValue `tenant_` */
  readonly prefix?: string | undefined;
  /** How long one tenant may take, in milliseconds. @defaultValue 60000 */
  readonly timeoutMs?: number | undefined;
}

/** Makes, upgrades and removes tenants' schemas: for the role that owns them, which no tenant's work runs as. */
export interface TenantSchemas {
  /** Makes what the database needs once: a schema `portcullis` that records the others. Can be run again. */
  install(): Promise<void>;
  /**
   * Makes a tenant's role and schema, and brings the schema up to date: in one transaction, all or nothing. What is
   * there already is left alone.
   *
   * @throws PortcullisError `storage_refused` when a schema or role of that name exists and is not this tenant's, or a
   * migration was changed after it was applied; `storage_unavailable`; the database's error of a migration that fails
   */
  provision(tenant: TenantId): Promise<SchemaChange>;
  /** Whether the tenant has its schema. */
  has(tenant: TenantId): Promise<boolean>;
  /** All tenants that have a schema, in order. */
  tenants(): Promise<readonly TenantId[]>;
  /** Brings every tenant's schema up to date. What was done stays done: to resume after a failure, run it again. */
  upgrade(options?: UpgradeOptions): Promise<UpgradeReport>;
  /** Deletes the tenant's schema with all that is in it, and its role. What is gone already is no error. */
  remove(tenant: TenantId): Promise<boolean>;
  /** Runs work in the tenant's schema, as its owner: for exports and restores. */
  asOwner<T>(
    tenant: TenantId,
    work: (sql: TenantSql, schema: string) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
}

const installText = `
  CREATE SCHEMA IF NOT EXISTS portcullis;
  REVOKE ALL ON SCHEMA portcullis FROM PUBLIC;
  CREATE TABLE IF NOT EXISTS portcullis.tenant_schemas (
    tenant text COLLATE "C" PRIMARY KEY,
    schema text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS portcullis.tenant_migrations (
    tenant text COLLATE "C" NOT NULL REFERENCES portcullis.tenant_schemas ON DELETE CASCADE,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name));`;

/**
 * Makes the schemas that `schemaPerTenant` opens.
 *
 * @param pool - connects as a role with CREATEROLE that may create schemas: not the application's
 * @example
 * ```ts
 * import pg from 'pg';
 * import { migration, tenantSchemas } from '@portcullis/storage/postgres';
 *
 * const admin = new pg.Pool({ connectionString: 'postgresql://migrator@localhost/app' });
 * const schemas = tenantSchemas(admin, {
 *   login: 'app',
 *   migrations: [migration('0001-notes', 'CREATE TABLE notes (id text PRIMARY KEY, title text)')],
 * });
 * await admin.end();
 * ```
 */
export function tenantSchemas(pool: PgPool | TransactionSource, options: TenantSchemasOptions): TenantSchemas {
  const source = sourceOf(pool);
  const flow: Flow = new AsyncLocalStorage();
  const { prefix, timeoutMs = 60_000 } = options;

  /** One transaction of the owner's. The tenant is for the record: nothing here is bound by it. */
  function owner<T>(
    tenant: TenantId,
    settings: readonly string[],
    work: (sql: TenantSql) => Promise<T>,
    how: TransactionOptions = {},
  ): Promise<T> {
    return runTransaction({ source, tenant, settings, flow, defining: true }, { timeoutMs, ...how }, work);
  }
  const catalogs = ['SET LOCAL search_path = pg_catalog, pg_temp'];
  const inSchema = (schema: string): readonly string[] => [
    `SET LOCAL search_path = ${quoteIdentifier(schema)}, pg_temp`,
  ];

  async function provision(tenant: TenantId): Promise<SchemaChange> {
    const schema = schemaName(tenant, prefix);
    return owner(tenant, catalogs, async (sql) => {
      await lock(sql, schema);
      const created = await made(sql, tenant, schema, options.login);
      const applied = await migrated(sql, tenant, schema, options);
      return { tenant, schema, created, applied };
    });
  }

  async function tenants(): Promise<readonly TenantId[]> {
    const { rows } = await owner(nobody, catalogs, (sql) =>
      sql.query<{ tenant: string }>('SELECT tenant FROM portcullis.tenant_schemas ORDER BY tenant'),
    );
    return rows.map(({ tenant }) => tenantId(tenant));
  }

  return {
    async install() {
      await owner(nobody, catalogs, async (sql) => {
        await lock(sql, 'portcullis');
        await sql.query(installText);
      });
    },
    provision,
    async has(tenant) {
      const { rows } = await owner(tenant, catalogs, (sql) =>
        sql.query('SELECT FROM portcullis.tenant_schemas WHERE tenant = $1 AND schema = $2', [
          tenant,
          schemaName(tenant, prefix),
        ]),
      );
      return rows.length > 0;
    },
    tenants,
    upgrade: async (how = {}) => upgradeTenants(how.tenants ?? (await tenants()), provision, how),
    remove: (tenant) => owner(tenant, catalogs, (sql) => removed(sql, tenant, schemaName(tenant, prefix))),
    asOwner(tenant, work, how) {
      const schema = schemaName(tenant, prefix);
      return owner(
        tenant,
        inSchema(schema),
        async (sql) => {
          await requireRecorded(sql, tenant, schema);
          return work(sql, schema);
        },
        how,
      );
    },
  };
}

/** Two that provision one tenant at once: the second waits, and finds it done. */
async function lock(sql: TenantSql, name: string): Promise<void> {
  await sql.query('SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))', [
    `portcullis:${name}`,
  ]);
}

interface Present {
  readonly schema: boolean;
  readonly role: boolean;
  readonly comment: string | null;
  readonly recorded: string | null;
  readonly database: string;
}

async function present(sql: TenantSql, tenant: TenantId, schema: string): Promise<Present> {
  const { rows } = await sql.query<Present>(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $2) AS schema,
       EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS role,
       (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $2) AS comment,
       (SELECT schema FROM portcullis.tenant_schemas WHERE tenant = $1) AS recorded, current_database()::text AS database`,
    [tenant, schema],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the catalog told nothing');
  return row;
}

/** What a role says of whose it is. Roles belong to the whole server, so the database is a part of it. */
const roleMark = (database: string, tenant: TenantId): string => `portcullis tenant ${database}/${tenant}`;

/** @returns whether the schema was made now */
async function made(sql: TenantSql, tenant: TenantId, schema: string, login: string): Promise<boolean> {
  const is = await present(sql, tenant, schema);
  if (is.recorded !== null && is.recorded !== schema)
    throw refused(
      `the tenant has the schema \`${is.recorded}\`, and now would get \`${schema}\`: was the prefix changed?`,
    );
  if (is.schema !== (is.recorded !== null))
    throw refused(
      is.schema
        ? `a schema \`${schema}\` exists that is not recorded as this tenant’s`
        : `the schema \`${schema}\` is recorded and gone`,
    );
  if (is.role && is.comment !== roleMark(is.database, tenant))
    throw refused(`a role \`${schema}\` exists that is not this tenant’s in this database`);
  if (is.recorded !== null && is.role) return false;
  const own = quoteIdentifier(schema);
  if (!is.role) {
    await sql.query(`CREATE ROLE ${own} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE`);
    await sql.query(`COMMENT ON ROLE ${own} IS ${quoteLiteral(roleMark(is.database, tenant))}`);
    await grantRole(sql, own, login);
  }
  if (!is.schema) {
    await sql.query(`CREATE SCHEMA ${own}`);
    await sql.query('INSERT INTO portcullis.tenant_schemas (tenant, schema) VALUES ($1, $2)', [tenant, schema]);
  }
  await sql.query(
    `REVOKE ALL ON SCHEMA ${own} FROM PUBLIC; GRANT USAGE ON SCHEMA ${own} TO ${own};
     ALTER DEFAULT PRIVILEGES IN SCHEMA ${own} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${own};
     ALTER DEFAULT PRIVILEGES IN SCHEMA ${own} GRANT USAGE, SELECT ON SEQUENCES TO ${own};`,
  );
  return true;
}

/** The login may become the tenant's role and has none of its rights before it does. */
async function grantRole(sql: TenantSql, role: string, login: string): Promise<void> {
  const { rows } = await sql.query<{ version: number; inherits: boolean | null }>(
    `SELECT current_setting('server_version_num')::int AS version,
       (SELECT rolinherit AND NOT rolsuper FROM pg_roles WHERE rolname = $1) AS inherits`,
    [login],
  );
  const [server] = rows;
  const inherits = server?.inherits ?? null;
  if (server === undefined || inherits === null)
    throw new PortcullisError('config_invalid', `login: there is no role \`${login}\``);
  if (server.version >= 160_000)
    await sql.query(`GRANT ${role} TO ${quoteIdentifier(login)} WITH INHERIT FALSE, SET TRUE`);
  else if (inherits)
    throw new PortcullisError('config_invalid', `login: \`${login}\` would have the rights of all tenants at once`, {
      detail: `ALTER ROLE ${quoteIdentifier(login)} NOINHERIT`,
    });
  else await sql.query(`GRANT ${role} TO ${quoteIdentifier(login)}`);
}

async function migrated(
  sql: TenantSql,
  tenant: TenantId,
  schema: string,
  { migrations = [], migrate }: TenantSchemasOptions,
): Promise<readonly string[]> {
  const { rows } = await sql.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM portcullis.tenant_migrations WHERE tenant = $1',
    [tenant],
  );
  const before = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const began = await transactionId(sql);
  const applied: string[] = [];
  for (const { name, sql: text, checksum } of migrations) {
    const known = before.get(name);
    if (known === checksum) continue;
    if (known !== undefined) throw refused(`the migration \`${name}\` was changed after it was applied`);
    await inOwnSchema(sql, schema, () => run(sql, name, text));
    if ((await transactionId(sql)) !== began)
      throw refused(`the migration \`${name}\` ended the transaction: leave BEGIN and COMMIT out`);
    await sql.query('INSERT INTO portcullis.tenant_migrations (tenant, name, checksum) VALUES ($1, $2, $3)', [
      tenant,
      name,
      checksum,
    ]);
    applied.push(name);
  }
  if (migrate !== undefined) await inOwnSchema(sql, schema, () => sql.transaction((inner) => migrate(inner, schema)));
  return applied;
}

async function transactionId(sql: TenantSql): Promise<string> {
  const { rows } = await sql.query<{ id: string }>('SELECT pg_catalog.pg_current_xact_id()::text AS id');
  return rows[0]?.id ?? '';
}

async function run(sql: TenantSql, name: string, text: string): Promise<void> {
  try {
    await sql.query(text);
  } catch (error) {
    if (sqlState(error) !== undefined && error instanceof Error)
      error.message = `migration \`${name}\`: ${error.message}`;
    throw error;
  }
}

async function inOwnSchema(sql: TenantSql, schema: string, work: () => Promise<void>): Promise<void> {
  await sql.query(`SET LOCAL search_path = ${quoteIdentifier(schema)}, pg_temp`);
  await work();
  await sql.query('SET LOCAL search_path = pg_catalog, pg_temp');
}

async function requireRecorded(sql: TenantSql, tenant: TenantId, schema: string): Promise<void> {
  const { rows } = await sql.query('SELECT FROM portcullis.tenant_schemas WHERE tenant = $1 AND schema = $2', [
    tenant,
    schema,
  ]);
  if (rows.length === 0)
    throw new PortcullisError('storage_not_provisioned', undefined, {
      detail: `no schema is recorded for \`${tenant}\``,
    });
}

async function removed(sql: TenantSql, tenant: TenantId, schema: string): Promise<boolean> {
  await lock(sql, schema);
  const is = await present(sql, tenant, schema);
  const own = quoteIdentifier(schema);
  // Only what is recorded is this tenant's to delete.
  if (is.recorded === schema && is.schema) await sql.query(`DROP SCHEMA ${own} CASCADE`);
  if (is.role && is.comment === roleMark(is.database, tenant)) await sql.query(`DROP ROLE ${own}`);
  const { rowCount } = await sql.query('DELETE FROM portcullis.tenant_schemas WHERE tenant = $1 AND schema = $2', [
    tenant,
    schema,
  ]);
  return (rowCount ?? 0) > 0;
}

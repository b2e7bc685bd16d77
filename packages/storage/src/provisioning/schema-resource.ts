import { z } from 'zod';
import { refused } from '../access.js';
import { quoteIdentifier } from '../postgres/quote.js';
import type { TransactionOptions } from '../postgres/run-transaction.js';
import type { TenantSchemas } from '../postgres/schema/tenant-schemas.js';
import type { TenantSql } from '../postgres/tenant-sql.js';
import { bytesOfLines, linesOfBytes } from './entry-lines.js';
import { exportTable, tableEntry } from './export-table.js';
import { insertStaged, stageTable } from './restore-tables.js';
import { exactText, tableOf, type SqlTable } from './sql-tables.js';
import type { Counts, ResourceCall, ResourceEntry, TenantResource } from './tenant-resource.js';

/** How a schema is exported and restored. */
export interface SchemaResourceOptions {
  /** @defaultValue `schema` */
  readonly name?: string | undefined;
  /** How long one export or restore may take, in milliseconds. @defaultValue an hour */
  readonly timeoutMs?: number | undefined;
}

/**
 * A schema of the tenant's own.
 *
 * An export is an entry of JSON lines for each table, and one for the sequences' values, all in one snapshot. A restore
 * makes the schema by the application's migrations as they are now and fills its tables, in one transaction: what the
 * migrations had put there is replaced, triggers do not fire, and a column that is gone by now is a refusal. Foreign
 * tables and large objects are in no export; materialized views are refreshed.
 *
 * @example
 * ```ts
 * import pg from 'pg';
 * import { tenantSchemas } from '@portcullis/storage/postgres';
 * import { schemaResource } from '@portcullis/storage/provisioning';
 *
 * const admin = new pg.Pool({ connectionString: 'postgresql://migrator@localhost/app' });
 * console.log(schemaResource(tenantSchemas(admin, { login: 'app' })).name); // prints: schema
 * await admin.end();
 * ```
 */
export function schemaResource(schemas: TenantSchemas, options: SchemaResourceOptions = {}): TenantResource {
  const { name = 'schema', timeoutMs = 3_600_000 } = options;
  const reading = ({ signal }: ResourceCall): TransactionOptions => ({
    isolation: 'repeatable read',
    retries: 0,
    timeoutMs,
    signal,
  });
  return {
    name,
    has: ({ tenant }) => schemas.has(tenant),
    async provision({ tenant }) {
      await schemas.provision(tenant);
    },
    export: (call, write) =>
      schemas.asOwner(call.tenant, (sql, schema) => exportSchema(sql, schema, write), reading(call)),
    async restore(call, entries) {
      await schemas.provision(call.tenant);
      // Entries are read once: the work is not to be run again.
      const how = { retries: 0, timeoutMs, signal: call.signal };
      await schemas.asOwner(call.tenant, (sql, schema) => restoreSchema(sql, schema, entries), how);
    },
    async remove({ tenant }) {
      await schemas.remove(tenant);
    },
    async describe(call) {
      if (!(await schemas.has(call.tenant))) return {};
      return schemas.asOwner(call.tenant, (sql, schema) => described(sql, schema), reading(call));
    },
  };
}

const sequencesEntry = 'sequences';
const sequenceLine = z.tuple([z.string(), z.string().regex(/^-?\d+$/), z.boolean()]);

async function exportSchema(
  sql: TenantSql,
  schema: string,
  write: (entry: ResourceEntry) => Promise<void>,
): Promise<void> {
  await prepare(sql);
  // ONLY: the rows of partitions, and of tables that inherit, are in entries of their own.
  for (const table of await tablesOf(sql, schema)) await write(exportTable(sql, table, `ONLY ${table.quoted} AS t`));
  const values: string[] = [];
  for (const name of await namesOf(sql, schema, 'S')) {
    const { rows } = await sql.query<{ value: string; called: boolean }>(
      `SELECT last_value::text AS value, is_called AS called FROM ${qualified(schema, name)}`,
    );
    for (const { value, called } of rows) values.push(JSON.stringify([name, value, called]));
  }
  await write({ name: sequencesEntry, content: bytesOfLines(values) });
}

async function restoreSchema(sql: TenantSql, schema: string, entries: AsyncIterable<ResourceEntry>): Promise<void> {
  await prepare(sql);
  const tables = await tablesOf(sql, schema);
  const awake = await triggersOff(sql, schema);
  if (tables.length > 0) await sql.query(`TRUNCATE ${tables.map(({ quoted }) => quoted).join(', ')}`);
  const staged = [];
  for await (const { name, content } of entries) {
    sql.signal.throwIfAborted();
    if (name === sequencesEntry) {
      await restoreSequences(sql, schema, content);
      continue;
    }
    const table = tables.find((each) => tableEntry(each.name) === name);
    if (table === undefined) throw refused(`the schema has no place for \`${name}\` any more`);
    staged.push(await stageTable(sql, { table, content, index: staged.length }));
  }
  await insertStaged(sql, staged);
  // A table whose triggers are still to come cannot be altered.
  await sql.query('SET CONSTRAINTS ALL IMMEDIATE');
  for (const statement of awake) await sql.query(statement);
  for (const view of await namesOf(sql, schema, 'm'))
    await sql.query(`REFRESH MATERIALIZED VIEW ${qualified(schema, view)}`);
}

async function restoreSequences(sql: TenantSql, schema: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const known = new Set(await namesOf(sql, schema, 'S'));
  for await (const text of linesOfBytes(content)) {
    const [name, value, called] = sequenceLine.parse(JSON.parse(text));
    if (!known.has(name)) throw refused(`the schema has no sequence \`${name}\` any more`);
    await sql.query('SELECT setval($1::regclass, $2::bigint, $3::boolean)', [qualified(schema, name), value, called]);
  }
}

/** Silences the application's triggers, and returns the statements that wake each as it was. */
async function triggersOff(sql: TenantSql, schema: string): Promise<readonly string[]> {
  const { rows } = await sql.query<{ table: string; trigger: string; enabled: string }>(
    `SELECT c.relname::text AS table, t.tgname::text AS trigger, t.tgenabled::text AS enabled
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r' AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY c.oid, t.oid`,
    [schema],
  );
  const awake: string[] = [];
  for (const { table, trigger, enabled } of rows) {
    const alter = `ALTER TABLE ONLY ${qualified(schema, table)}`;
    const mode = enabled === 'A' ? 'ALWAYS ' : enabled === 'R' ? 'REPLICA ' : '';
    await sql.query(`${alter} DISABLE TRIGGER ${quoteIdentifier(trigger)}`);
    awake.push(`${alter} ENABLE ${mode}TRIGGER ${quoteIdentifier(trigger)}`);
  }
  return awake;
}

/** Rows that a policy would leave out are an error, not a smaller export. */
async function prepare(sql: TenantSql): Promise<void> {
  for (const setting of [...exactText, 'SET LOCAL row_security = off']) await sql.query(setting);
}

async function tablesOf(sql: TenantSql, schema: string): Promise<readonly SqlTable[]> {
  const tables: SqlTable[] = [];
  for (const name of await namesOf(sql, schema, 'r')) tables.push(await tableOf(sql, name, qualified(schema, name)));
  return tables;
}

/** @param kind - `r` tables and partitions, `S` sequences, `m` materialized views */
async function namesOf(sql: TenantSql, schema: string, kind: 'r' | 'S' | 'm'): Promise<readonly string[]> {
  const { rows } = await sql.query<{ name: string }>(
    `SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = $2 ORDER BY c.oid`,
    [schema, kind],
  );
  return rows.map(({ name }) => name);
}

async function described(sql: TenantSql, schema: string): Promise<Counts> {
  const tables = await namesOf(sql, schema, 'r');
  let rows = 0;
  let bytes = 0;
  for (const table of tables) {
    const place = qualified(schema, table);
    const { rows: found } = await sql.query<{ rows: string; bytes: string }>(
      `SELECT (SELECT count(*) FROM ONLY ${place})::text AS rows, pg_total_relation_size($1::regclass)::text AS bytes`,
      [place],
    );
    rows += Number(found[0]?.rows);
    bytes += Number(found[0]?.bytes);
  }
  return { tables: tables.length, rows, bytes };
}

function qualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { PortcullisError } from '@portcullis/core';
import { refused } from '../access.js';
import { sourceOf, type PgPool } from '../postgres/pg-source.js';
import { quoteIdentifier, quoteLiteral } from '../postgres/quote.js';
import { runTransaction, type TransactionOptions } from '../postgres/run-transaction.js';
import type { Flow, TenantSql } from '../postgres/tenant-sql.js';
import type { TransactionSource } from '../postgres/transaction-source.js';
import { exportTable, tableEntry } from './export-table.js';
import { insertStaged, stageTable } from './restore-tables.js';
import { exactText, tableOf, type SqlTable } from './sql-tables.js';
import type { ResourceCall, TenantResource } from './tenant-resource.js';

/** Whose rows they are, and where. */
export interface RowsResourceOptions {
  /** Every table that holds rows of tenants. What is not named is neither exported nor deleted. */
  readonly tables: readonly string[];
  /** The column that says whose a row is, in each of them. @defaultValue `tenant_id` */
  readonly tenantColumn?: string | undefined;
  /** The setting that the policies read the tenant from. @defaultValue `app.tenant_id` */
  readonly setting?: string | undefined;
  /** The schemas that the tables are looked up in. @defaultValue `['public']` */
  readonly searchPath?: readonly string[] | undefined;
  /** @defaultValue `rows` */
  readonly name?: string | undefined;
  /** How long one export, restore or removal may take, in milliseconds. @defaultValue an hour */
  readonly timeoutMs?: number | undefined;
}

/**
 * The rows of a tenant in tables that all tenants share.
 *
 * Everything runs in one transaction with the tenant set as row-level security wants it, and says the tenant column's
 * value in each statement besides: neither of the two alone keeps the others' rows out of reach. A restore takes rows
 * of this tenant alone, and is the application's own insert: its triggers fire. Sequences are shared, and stay.
 *
 * @param pool - connects as a role that the tables' policies bind (their owner, where security is forced) and that may
 * read, insert and delete in them and make temporary tables
 * @example
 * ```ts
 * import pg from 'pg';
 * import { rowsResource } from '@portcullis/storage/provisioning';
 *
 * const owner = new pg.Pool({ connectionString: 'postgresql://owner@localhost/app' });
 * console.log(rowsResource(owner, { tables: ['projects', 'notes'] }).name); // prints: rows
 * await owner.end();
 * ```
 */
export function rowsResource(pool: PgPool | TransactionSource, options: RowsResourceOptions): TenantResource {
  const { tables: names, tenantColumn = 'tenant_id', setting = 'app.tenant_id', timeoutMs = 3_600_000 } = options;
  if (!/^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+$/.test(setting))
    throw new PortcullisError('config_invalid', `setting: \`${setting}\` is not of the form \`app.tenant_id\``);
  if (names.length === 0 || new Set(names).size !== names.length)
    throw new PortcullisError('config_invalid', 'tables: must name each table once, and at least one');
  const source = sourceOf(pool);
  const path = [...(options.searchPath ?? ['public']).map(quoteIdentifier), 'pg_temp'].join(', ');
  const column = quoteIdentifier(tenantColumn);

  function run<T>(
    { tenant, signal }: ResourceCall,
    work: (sql: TenantSql) => Promise<T>,
    how: TransactionOptions = {},
  ): Promise<T> {
    const settings = [
      `SET LOCAL search_path = ${path}`,
      `SET LOCAL ${setting} = ${quoteLiteral(tenant)}`,
      ...exactText,
    ];
    const flow: Flow = new AsyncLocalStorage();
    return runTransaction(
      { source, tenant, settings, flow, defining: true },
      { ...how, retries: 0, timeoutMs, signal },
      work,
    );
  }

  async function tablesOf(sql: TenantSql): Promise<readonly SqlTable[]> {
    const tables: SqlTable[] = [];
    for (const name of names) {
      const table = await tableOf(sql, name);
      if (!table.columns.some((each) => each.name === tenantColumn))
        throw refused(`\`${name}\` has no column \`${tenantColumn}\``);
      tables.push(table);
    }
    return tables;
  }
  const own = (tenant: string): string => `t.${column} = ${quoteLiteral(tenant)}`;

  async function counted(sql: TenantSql, tenant: string): Promise<number> {
    let rows = 0;
    for (const { quoted } of await tablesOf(sql)) {
      const { rows: found } = await sql.query<{ rows: string }>(
        `SELECT count(*)::text AS rows FROM ${quoted} AS t WHERE ${own(tenant)}`,
      );
      rows += Number(found[0]?.rows);
    }
    return rows;
  }

  return {
    name: options.name ?? 'rows',
    has: (call) =>
      run(call, async (sql) => {
        for (const { quoted } of await tablesOf(sql)) {
          const { rows } = await sql.query(`SELECT 1 AS one FROM ${quoted} AS t WHERE ${own(call.tenant)} LIMIT 1`);
          if (rows.length > 0) return true;
        }
        return false;
      }),
    async provision(call) {
      await run(call, tablesOf);
    },
    export: (call, write) =>
      run(
        call,
        async (sql) => {
          for (const table of await tablesOf(sql))
            await write(exportTable(sql, table, `${table.quoted} AS t WHERE ${own(call.tenant)}`));
        },
        { isolation: 'repeatable read' },
      ),
    restore: (call, entries) =>
      run(call, async (sql) => {
        const tables = await tablesOf(sql);
        const staged = [];
        for await (const { name, content } of entries) {
          const table = tables.find((each) => tableEntry(each.name) === name);
          if (table === undefined) throw refused(`\`${name}\` is none of the tables`);
          staged.push(
            await stageTable(
              sql,
              { table, content, index: staged.length },
              { column: tenantColumn, value: call.tenant },
            ),
          );
        }
        await insertStaged(sql, staged);
      }),
    remove: (call) =>
      run(call, async (sql) => {
        const tables = await tablesOf(sql);
        // One statement: foreign keys are looked at when it ends, and the order of the tables does not matter.
        const deletes = tables.map(
          ({ quoted }, index) =>
            `d${String(index)} AS (DELETE FROM ${quoted} AS t WHERE ${own(call.tenant)} RETURNING 1)`,
        );
        await sql.query(`WITH ${deletes.join(', ')} SELECT 1 AS done`);
        if ((await counted(sql, call.tenant)) > 0) throw refused('a trigger or a rule kept rows from being deleted');
      }),
    describe: (call) =>
      run(call, async (sql) => {
        const rows = await counted(sql, call.tenant);
        return rows === 0 ? {} : { tables: names.length, rows };
      }),
  };
}

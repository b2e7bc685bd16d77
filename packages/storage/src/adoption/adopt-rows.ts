import { AsyncLocalStorage } from 'node:async_hooks';
import { PortcullisError } from '@portcullis/core';
import { pgSource, type PgPool } from '../postgres/pg-source.js';
import { runTransaction } from '../postgres/run-transaction.js';
import type { Flow } from '../postgres/tenant-sql.js';
import type { TransactionSource } from '../postgres/transaction-source.js';
import type { AdoptionStep } from './adoption-step.js';
import { asRowsFailure } from './rows/rows-failure.js';
import { planRows } from './rows/plan-rows.js';
import { runPhases } from './rows/run-phases.js';
import type { RowsWork, VerifyRowsOptions } from './rows/rows-work.js';
import type { TableName } from './rows/table-facts.js';
import { requireUndoable, undoTables } from './rows/undo-tables.js';
import { verifyTables } from './rows/verify-tables.js';

/** Which tables are adopted, and for whom. */
export interface AdoptRowsOptions {
  /** Every table that is to hold tenants' rows, in the schema `public` where none is named. */
  readonly tables: readonly (string | TableName)[];
  /** The role that tenants’ work runs as: it gets SELECT, INSERT, UPDATE and DELETE, and nothing else. */
  readonly role: string;
  /** @defaultValue `tenant_id` */
  readonly tenantColumn?: string | undefined;
  /** The setting that the policies read the tenant from. @defaultValue `app.tenant_id` */
  readonly setting?: string | undefined;
  /** How the isolation is proven at the end. */
  readonly verify?: VerifyRowsOptions | undefined;
  /** @defaultValue `rows` */
  readonly name?: string | undefined;
  /** How long a transaction waits for others to leave a table, in milliseconds; it stands in their way meanwhile. @defaultValue 5000 */
  readonly lockTimeoutMs?: number | undefined;
  /** How long one transaction may take, in milliseconds. @defaultValue an hour */
  readonly timeoutMs?: number | undefined;
}

/**
 * Adopts the rows of tables: a tenant column, keys and references that have the tenant in them, row-level security, the
 * rights of one role; then `verify`, as at a server’s start. `undo` makes the tables what they were, in one
 * transaction that is kept only if they are.
 *
 * Statements that name a unique key by its columns, `ON CONFLICT (id)`, have to name the tenant column too from then on.
 *
 * @param pool - connects as the owner of the tables, who may make a schema `portcullis` or has one
 * @throws PortcullisError `config_invalid`
 * @example
 * ```ts
 * import pg from 'pg';
 * import { adoptRows } from '@portcullis/storage/adoption';
 *
 * const owner = new pg.Pool({ connectionString: 'postgresql://owner@localhost/app' });
 * console.log(adoptRows(owner, { tables: ['projects', 'notes'], role: 'app' }).name); // prints: rows
 * await owner.end();
 * ```
 */
export function adoptRows(pool: PgPool | TransactionSource, options: AdoptRowsOptions): AdoptionStep {
  const work = rowsWork('begin' in pool ? pool : pgSource(pool), options);
  return {
    name: work.name,
    plan: (call, action) => asRowsFailure(() => planRows(work, call, action)),
    run: (call) =>
      asRowsFailure(async () => {
        const tables = await runPhases(work, call);
        await verifyTables(work, call.tenant);
        return { tables };
      }),
    finish: (call) =>
      asRowsFailure(async () => {
        await verifyTables(work, call.tenant);
        return { tables: work.tables.length };
      }),
    beforeUndo: (call, how) => asRowsFailure(() => requireUndoable(work, call, how)),
    undo: (call, how) => asRowsFailure(() => undoTables(work, call, how)),
  };
}

function rowsWork(source: TransactionSource, options: AdoptRowsOptions): RowsWork {
  const { role, tenantColumn = 'tenant_id', setting = 'app.tenant_id', verify = {} } = options;
  const { name = 'rows', lockTimeoutMs = 5000, timeoutMs = 3_600_000 } = options;
  if (!/^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+$/.test(setting))
    throw new PortcullisError('config_invalid', `setting: \`${setting}\` is not of the form \`app.tenant_id\``);
  if (!Number.isSafeInteger(lockTimeoutMs) || lockTimeoutMs < 1)
    throw new PortcullisError('config_invalid', 'lockTimeoutMs: must be a whole number of milliseconds, at least 1');
  const tables = options.tables
    .map((table) => (typeof table === 'string' ? { schema: 'public', table } : table))
    // The order in which they are locked: the same for everybody.
    .toSorted((one, two) =>
      JSON.stringify([one.schema, one.table]) < JSON.stringify([two.schema, two.table]) ? -1 : 1,
    );
  if (
    tables.length === 0 ||
    new Set(tables.map((table) => JSON.stringify([table.schema, table.table]))).size !== tables.length
  )
    throw new PortcullisError('config_invalid', 'tables: must name each table once, and at least one');
  const settings = ['SET LOCAL search_path = pg_catalog, pg_temp', `SET LOCAL lock_timeout = ${String(lockTimeoutMs)}`];
  return {
    name,
    tables,
    source,
    verify,
    target: (tenant) => ({ tenant, tenantColumn, setting, role }),
    transaction({ tenant, signal }, work) {
      const flow: Flow = new AsyncLocalStorage();
      return runTransaction(
        { source, tenant, settings, flow, defining: true },
        { retries: 0, timeoutMs, signal },
        work,
      );
    },
  };
}

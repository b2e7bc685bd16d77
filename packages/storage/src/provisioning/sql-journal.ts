import { AsyncLocalStorage } from 'node:async_hooks';
import { tenantId, type TenantId } from '@portcullis/core';
import { unavailable } from '../access.js';
import { nobody } from '../postgres/nobody.js';
import { sourceOf, type PgPool } from '../postgres/pg-source.js';
import { runTransaction } from '../postgres/run-transaction.js';
import type { Flow, TenantSql } from '../postgres/tenant-sql.js';
import type { TransactionSource } from '../postgres/transaction-source.js';
import { journalConflict } from './journal-conflict.js';
import type { JobJournal } from './job-journal.js';

/** A journal in a database, and what it needs there. */
export interface SqlJournal extends JobJournal {
  /** Makes the table `portcullis.tenant_jobs`. Can be run again. */
  install(): Promise<void>;
}

const installText = `
  SELECT pg_advisory_xact_lock(hashtextextended('portcullis:portcullis', 0));
  CREATE SCHEMA IF NOT EXISTS portcullis;
  REVOKE ALL ON SCHEMA portcullis FROM PUBLIC;
  CREATE TABLE IF NOT EXISTS portcullis.tenant_jobs (
    tenant text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    value text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now());`;

/**
 * A journal in PostgreSQL or PGlite, for operators that work from several machines.
 *
 * @param pool - connects as a role that owns `portcullis.tenant_jobs`: not the application's, nor any tenant's
 * @example
 * ```ts
 * import pg from 'pg';
 * import { sqlJournal } from '@portcullis/storage/provisioning';
 *
 * const admin = new pg.Pool({ connectionString: 'postgresql://migrator@localhost/app' });
 * const journal = sqlJournal(admin);
 * await admin.end();
 * ```
 */
export function sqlJournal(
  pool: PgPool | TransactionSource,
  { timeoutMs = 15_000 }: { readonly timeoutMs?: number | undefined } = {},
): SqlJournal {
  const source = sourceOf(pool);
  const settings = ['SET LOCAL search_path = pg_catalog, pg_temp'];
  /** Each call is a transaction of its own, wherever it is called from: what it wrote is kept when it returns. */
  async function run<T>(tenant: TenantId, work: (sql: TenantSql) => Promise<T>): Promise<T> {
    const flow: Flow = new AsyncLocalStorage();
    return runTransaction({ source, tenant, settings, flow, defining: true }, { timeoutMs }, work);
  }

  return {
    install: () =>
      run(nobody, async (sql) => {
        await sql.query(installText);
      }),
    async read(tenant) {
      const { rows } = await run(tenant, (sql) =>
        sql.query<{ version: string; value: string }>(
          'SELECT version::text AS version, value FROM portcullis.tenant_jobs WHERE tenant = $1',
          [tenant],
        ),
      );
      const [row] = rows;
      return row && { version: Number(row.version), value: parsed(row.value) };
    },
    async write(tenant, value, expected) {
      const { rows } = await run(tenant, (sql) =>
        expected === 0
          ? sql.query(
              `INSERT INTO portcullis.tenant_jobs (tenant, version, value) VALUES ($1, 1, $2)
               ON CONFLICT (tenant) DO NOTHING RETURNING 1 AS written`,
              [tenant, JSON.stringify(value)],
            )
          : sql.query(
              `UPDATE portcullis.tenant_jobs SET version = version + 1, value = $2, written_at = now()
               WHERE tenant = $1 AND version = $3 RETURNING 1 AS written`,
              [tenant, JSON.stringify(value), String(expected)],
            ),
      );
      if (rows.length !== 1) throw journalConflict(tenant);
      return expected + 1;
    },
    async tenants() {
      const { rows } = await run(nobody, (sql) =>
        sql.query<{ tenant: string }>('SELECT tenant FROM portcullis.tenant_jobs ORDER BY tenant'),
      );
      return rows.map(({ tenant }) => tenantId(tenant));
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw unavailable(cause, 'a journal entry is no JSON');
  }
}

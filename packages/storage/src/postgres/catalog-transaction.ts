import { AsyncLocalStorage } from 'node:async_hooks';
import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../access.js';
import { nobody } from './nobody.js';
import { runTransaction } from './run-transaction.js';
import type { Flow, TenantSql } from './tenant-sql.js';
import type { TransactionSource } from './transaction-source.js';

/**
 * Runs what looks at the database itself: in one snapshot, read only, in time, with names looked up in the catalog
 * alone. It is a transaction of its own, wherever it is called from.
 *
 * @throws PortcullisError `storage_unavailable`; what the work throws of our own
 */
export async function catalogTransaction<T>(
  source: TransactionSource,
  timeoutMs: number,
  work: (sql: TenantSql) => Promise<T>,
): Promise<T> {
  const flow: Flow = new AsyncLocalStorage();
  const settings = ['SET LOCAL search_path = pg_catalog, pg_temp'];
  try {
    return await runTransaction(
      { source, tenant: nobody, settings, flow, defining: true },
      { isolation: 'repeatable read', readOnly: true, timeoutMs },
      work,
    );
  } catch (error) {
    throw error instanceof PortcullisError ? error : unavailable(error);
  }
}

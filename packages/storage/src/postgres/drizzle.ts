import type { PoolClient } from 'pg';
import type { TenantSql } from './tenant-sql.js';

/**
 * The client that Drizzle's `node-postgres` driver takes, on one tenant's transaction.
 *
 * It has `query` and nothing else of a client: all that Drizzle uses. `transaction()` of Drizzle becomes a savepoint.
 *
 * @example
 * ```text
 * import { drizzle } from 'drizzle-orm/node-postgres';
 *
 * await rls.withTenant(context, (sql) => drizzle({ client: drizzleClient(sql) }).select().from(notes));
 *   runs: select "id", "title" from "notes"
 * ```
 */
export function drizzleClient(sql: TenantSql): PoolClient {
  const client: Pick<TenantSql, 'query'> = { query: (statement, values) => sql.query(statement, values) };
  // The type that Drizzle takes is the whole client of `pg`; of one that is no pool, its session calls `query` alone.
  return client as PoolClient;
}

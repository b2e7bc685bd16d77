import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import type { TenantSql } from './tenant-sql.js';

/**
 * Kysely on one tenant's transaction.
 *
 * Everything runs on the connection of `sql`, in its transaction. `transaction()` of Kysely becomes a savepoint of it;
 * its isolation and access mode are options of `withTenant`. `stream()` has no cursor to read by, and says so. Like
 * `sql`, it is useless once the callback is over, and there is nothing to destroy.
 *
 * @example
 * ```text
 * await rls.withTenant(context, (sql) =>
 *   tenantKysely<Database>(sql).selectFrom('notes').select(['id', 'title']).execute(),
 * );
 *   runs: select "id", "title" from "notes"
 * ```
 */
export function tenantKysely<Database>(sql: TenantSql): Kysely<Database> {
  const pool: PostgresPool = {
    connect: (): Promise<PostgresPoolClient> =>
      Promise.resolve({
        // The type asks for cursors as well. `stream()` alone uses them, and refuses before: no `cursor` is configured.
        query: ((text: string, parameters: readonly unknown[]) => sql.query(text, parameters)) as never,
        release: () => undefined,
      }),
    end: () => Promise.resolve(),
  };
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

import { PortcullisError, systemClock, type Clock, type TenantPlans } from '@portcullis/core';
import { memberRows } from './store/postgres/member-rows.js';
import { migrate, pendingMigrations, quoted, type Migration } from './store/postgres/migrations.js';
import { offerRows } from './store/postgres/offer-rows.js';
import type { PgPool } from './store/postgres/pg-pool.js';
import { roleRows } from './store/postgres/role-rows.js';
import { sqlOver } from './store/postgres/sql.js';
import { tablesIn } from './store/postgres/tables.js';
import { tenantRows } from './store/postgres/tenant-rows.js';
import type { TenantStore } from './store/store.js';

export {
  postgresInvalidations,
  type PgListeningClient,
  type PgListeningPool,
  type PostgresInvalidationsOptions,
} from './registry/postgres-invalidations.js';
export type { Migration } from './store/postgres/migrations.js';
export type { PgClient, PgPool } from './store/postgres/pg-pool.js';

/** How a PostgreSQL store is used. */
export interface PostgresStoreOptions {
  /** The schema of its tables: 1 to 63 bytes. It should hold nothing else. @defaultValue `portcullis` */
  readonly schema?: string | undefined;
  /** How long one operation may take, the wait for a connection included, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
  /** The plans on offer: what gives a tenant its `maxUsers` where its own settings are silent. Without, plans limit nothing. */
  readonly plans?: TenantPlans | undefined;
  readonly clock?: Clock | undefined;
}

/** A tenant store in PostgreSQL. */
export interface PostgresTenantStore extends TenantStore {
  /**
   * Makes its tables, or brings them to this version: all steps or none, and safe when two do so at once.
   *
   * @returns the steps that were made
   * @throws PortcullisError `config_invalid` where the tables are newer than this program; `store_unavailable`
   */
  migrate(): Promise<readonly Migration[]>;
  /** The steps that `migrate` would make, with their SQL. It changes nothing. */
  pendingMigrations(): Promise<readonly Migration[]>;
}

/**
 * A tenant store in tables of its own in PostgreSQL. Any number of processes share it: a change locks the tenant that
 * it concerns, and unique indexes give a domain or a binding to one tenant only.
 *
 * A change that fails with `store_unavailable` may have been made or not: read before you try again, or try again with
 * `ifVersion`. `close` leaves the pool to its owner.
 *
 * @param pool - as `new pg.Pool(…)`; its role needs SELECT, INSERT, UPDATE and DELETE, and to `migrate`, CREATE
 * @throws PortcullisError `config_invalid` for a schema that has no such name
 * @example
 * ```ts
 * import { postgresStore, type PgPool } from '@portcullis/tenants/postgres';
 *
 * const storeIn = async (pool: PgPool) => {
 *   const store = postgresStore(pool, { schema: 'portcullis', timeoutMs: 1000 });
 *   await store.migrate();
 *   return store;
 * };
 * ```
 */
export function postgresStore(pool: PgPool, options: PostgresStoreOptions = {}): PostgresTenantStore {
  const { schema = 'portcullis', timeoutMs = 2000 } = options;
  if (!/^[A-Za-z_][\w-]{0,62}$/.test(schema) || /^pg_/i.test(schema))
    throw new PortcullisError('config_invalid', `schema: \`${schema}\` is not 1 to 63 letters, digits, "-" or "_"`);
  const sql = sqlOver(pool, timeoutMs);
  const parts = {
    sql,
    tables: tablesIn(quoted(schema)),
    clock: options.clock ?? systemClock,
    plans: options.plans,
  };
  return {
    ...tenantRows(parts),
    ...memberRows(parts),
    ...roleRows(parts),
    ...offerRows(parts),
    migrate: () => migrate(sql, schema),
    pendingMigrations: () => pendingMigrations(sql, schema),
    close: () => Promise.resolve(),
  };
}

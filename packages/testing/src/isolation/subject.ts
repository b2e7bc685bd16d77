import type { TenantContext } from '@portcullis/core';

/**
 * What the kit may do inside one unit of work of one tenant. Keys and values are strings; a key may be refused with
 * any error, and a refused operation must have changed nothing.
 *
 * The first three are needed. Of the others, those that are there are exercised, and the report names those that are
 * not: leave out what the store has no word for, and nothing else.
 */
export interface TenantUnderTest {
  /** Stores a value, in place of what is there. */
  readonly put: (key: string, value: string) => Promise<unknown>;
  /** The value; `undefined` where there is none, and only then: a failure has to reject. */
  readonly get: (key: string) => Promise<string | undefined>;
  /** Deletes a key; one that is not there is no error. */
  readonly delete: (key: string) => Promise<unknown>;
  /** The values of several keys, in their order. */
  readonly getMany?: ((keys: readonly string[]) => Promise<readonly (string | undefined)[]>) | undefined;
  /** All keys that begin with `prefix`, which is text and no pattern; all pages. An empty prefix is every key. */
  readonly list?: ((prefix: string) => Promise<readonly string[]>) | undefined;
  /** Stores a value where there is none: whether it did. `INSERT … ON CONFLICT DO NOTHING`, `If-None-Match: *`. */
  readonly insert?: ((key: string, value: string) => Promise<boolean>) | undefined;
  /** Copies a value to another key. A source that is not there is refused, or nothing happens. */
  readonly copy?: ((from: string, to: string) => Promise<unknown>) | undefined;
  /** Gives every key that there is this value: `UPDATE` without `WHERE`. */
  readonly updateAll?: ((value: string) => Promise<unknown>) | undefined;
  /** Deletes everything of this tenant. */
  readonly clear?: (() => Promise<unknown>) | undefined;
  /** Runs SQL as this unit of work would, with `$1`, `$2` …: the rows. */
  readonly sql?: ((text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>) | undefined;
}

/** The table that hostile statements are written for. Names are SQL text, as the application writes them. */
export interface SqlSurface {
  /** `notes`, or `app.notes`: what the tenant's unit of work finds under this name. */
  readonly table: string;
  /** The column that `put`, `get` … take as the key. @defaultValue `key` */
  readonly keyColumn?: string | undefined;
  /** The column that holds the value. @defaultValue `value` */
  readonly valueColumn?: string | undefined;
  /** For tables that tenants share: the column with the tenant's id. */
  readonly tenantColumn?: string | undefined;
  /** What that column holds for a tenant. @defaultValue its id */
  readonly tenantValue?: ((tenant: string) => unknown) | undefined;
  /** For a schema per tenant: its name, not quoted. */
  readonly schemaOf?: ((tenant: string) => string) | undefined;
  /** A statement that inserts a row of the tenant which refers to the row with the key `$1`, through a foreign key. */
  readonly insertReference?: string | undefined;
  /** Further queries that a unit of work may make: calls of functions with arguments, for example. */
  readonly queries?: readonly string[] | undefined;
  /**
   * Statements by which SQL that a tenant wrote could try to become another: `SELECT set_config('app.tenant_id', $1, true)`,
   * with `$1` as that tenant's id. Only for an adapter that promises to withstand SQL which its tenants wrote; without
   * it such statements are not tried, and the report says so.
   */
  readonly untrusted?: ((otherTenant: string) => readonly string[]) | undefined;
  /** What runs beside the application: `REFRESH MATERIALIZED VIEW`, `ANALYZE`. Called after data was written. */
  readonly background?: (() => Promise<unknown>) | undefined;
}

/**
 * What is tried: an adapter, a table, a bucket or a folder, described by what it can do.
 *
 * Everything but `name` and `run` is a door to one more kind of attack. What is absent is not tried, and the report
 * names it.
 */
export interface IsolationSubject {
  readonly name: string;
  /**
   * One unit of work of one tenant, as the application runs it: a transaction, or no more than
   * `(context, work) => work(storage.forTenant(context))`. Resolves to what `work` resolves to, rejects when `work`
   * does, and does not call `work` for a context that it refuses.
   *
   * @param signal - when it aborts, the caller has gone
   */
  readonly run: <T>(
    context: TenantContext,
    work: (store: TenantUnderTest) => Promise<T>,
    signal: AbortSignal,
  ) => Promise<T>;
  /** Makes what a tenant needs. Called before a tenant's first unit of work, also for a tenant that has been provisioned. A tenant for which it rejects is left out. */
  readonly provision?: ((context: TenantContext) => Promise<unknown>) | undefined;
  /** Empties the storage of these tenants, from outside: called before every run. Without it, they empty their own. */
  readonly reset?: ((contexts: readonly TenantContext[]) => Promise<unknown>) | undefined;
  /** Whether a unit of work that fails leaves nothing behind. @defaultValue false */
  readonly atomic?: boolean | undefined;
  /** How many units of work have a connection at once: the size of the pool. @defaultValue 4 */
  readonly poolSize?: number | undefined;
  /** Work on a connection of the same pool, as the same role, for which no tenant was set. It must see nothing and write nothing. */
  readonly bare?: ((work: (store: TenantUnderTest) => Promise<void>) => Promise<void>) | undefined;
  /** Ends the connections that are in use, as a failover does: `pg_terminate_backend`. */
  readonly disconnect?: (() => Promise<unknown>) | undefined;
  /** Runs work while the backend fails. Reading then has to reject: a failure that looks like a key which is not there is an answer. */
  readonly outage?: (<T>(work: () => Promise<T>) => Promise<T>) | undefined;
  /**
   * Puts something of the own storage that points into the other tenant's storage, past the adapter: a symbolic link.
   * Resolves to keys by which it could be followed.
   */
  readonly plant?: ((own: TenantContext, other: TenantContext) => Promise<readonly string[]>) | undefined;
  /** How many keys the backend lists in one page. With it a listing of more than a page is tried. */
  readonly pageSize?: number | undefined;
  readonly sql?: SqlSurface | undefined;
}

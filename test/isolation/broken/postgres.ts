import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { isSealedTenantContext, type TenantContext } from '@portcullis/core';
import type { PostgresServer } from '@portcullis/testing/postgres';
import type { IsolationSubject, TenantUnderTest } from '@portcullis/testing/isolation';

/** Runs a statement of a unit of work. */
export type Query = (text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>;

/** A database of a fixture's own. */
export interface Database {
  readonly pool: pg.Pool;
  readonly admin: pg.Pool;
  readonly disconnect: () => Promise<unknown>;
}

/** Runs units of work for a tenant: the part that most mistakes are in. */
export type Runner = <T>(
  database: Database,
  tenant: string,
  work: (query: Query) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

export interface Fixture {
  readonly subject: IsolationSubject;
  readonly close: () => Promise<void>;
}

export const poolSize = 3;

let count = 0;

/** Opens a new database. @param user - as whom the application connects */
export async function openDatabase(
  server: PostgresServer,
  {
    user,
    setUp,
    size = poolSize,
  }: { readonly user: string; readonly setUp: readonly string[]; readonly size?: number },
): Promise<Database & { readonly close: () => Promise<void> }> {
  const name = `fixture_${String(++count)}`;
  const first = new pg.Client({ connectionString: server.url() });
  await first.connect();
  await first.query(`CREATE DATABASE ${name}`);
  await first.query(`REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC`);
  await first.end();
  const admin = new pg.Pool({ connectionString: server.url(name), max: 1, options: '-c lock_timeout=2000' });
  const pool = new pg.Pool({ connectionString: server.url(name, user), max: size });
  for (const each of [admin, pool]) each.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  for (const text of setUp) await admin.query(text.replaceAll('$database', name));
  const disconnect = (): Promise<unknown> =>
    admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  return {
    pool,
    admin,
    disconnect,
    close: async () => {
      await disconnect();
      // A pool waits for clients that a careless adapter has never given back.
      await Promise.race([pool.end(), sleep(200)]);
      await admin.end();
    },
  };
}

/** How a unit of work is begun, in a transaction. */
export type Begin = (client: pg.ClientBase, tenant: string) => Promise<unknown>;

/** A correct runner: one transaction on one connection, which nobody has after its end. */
export function transactional(begin: Begin, afterwards = 'CLOSE ALL'): Runner {
  return async (database, tenant, work, signal) => {
    signal.throwIfAborted();
    const client = await database.pool.connect();
    let open = true;
    const query: Query = async (text, values = []) => {
      if (!open) throw new Error('the unit of work has ended');
      return (await client.query<object>(text, [...values])).rows;
    };
    try {
      await client.query('BEGIN');
      await begin(client, tenant);
      const result = await Promise.race([work(query), rejected(signal)]);
      open = false;
      if ((await client.query('COMMIT')).command === 'ROLLBACK') throw new Error('the transaction had failed');
      if (afterwards !== '') await client.query(afterwards);
      client.release();
      return result;
    } catch (error) {
      open = false;
      client.release(true);
      throw error;
    }
  };
}

export function rejected(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('cancelled'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  promise.catch(() => undefined);
  return promise;
}

export function tenantOf(context: TenantContext): string {
  if (!isSealedTenantContext(context)) throw new Error('not a tenant context');
  return context.tenant.id;
}

/** A store in the table `notes`, of which nothing names a tenant. */
export function notes(run: Query, conflict = 'key'): TenantUnderTest {
  const query: Query = (text, values = []) => {
    // The driver turns half a character into another one, and two keys into one.
    if (values.some((value) => typeof value === 'string' && /\p{Cs}/u.test(value))) throw new Error('not well-formed');
    return run(text, values);
  };
  const valueOf = (rows: readonly unknown[]): string | undefined => (rows[0] as { value: string } | undefined)?.value;
  return {
    put: (key, value) =>
      query(
        `INSERT INTO notes (key, value) VALUES ($1, $2) ON CONFLICT (${conflict}) DO UPDATE SET value = excluded.value`,
        [key, value],
      ),
    get: async (key) => valueOf(await query('SELECT value FROM notes WHERE key = $1', [key])),
    delete: (key) => query('DELETE FROM notes WHERE key = $1', [key]),
    getMany: async (keys) => {
      const rows = (await query('SELECT key, value FROM notes WHERE key = ANY($1)', [keys])) as {
        key: string;
        value: string;
      }[];
      return keys.map((key) => rows.find((row) => row.key === key)?.value);
    },
    list: async (prefix) =>
      ((await query('SELECT key FROM notes WHERE starts_with(key, $1)', [prefix])) as { key: string }[]).map(
        ({ key }) => key,
      ),
    insert: async (key, value) =>
      (await query('INSERT INTO notes (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1', [key, value]))
        .length > 0,
    copy: (from, to) =>
      query(
        `INSERT INTO notes (key, value) SELECT $2, value FROM notes WHERE key = $1 ON CONFLICT (${conflict}) DO UPDATE SET value = excluded.value`,
        [from, to],
      ),
    updateAll: (value) => query('UPDATE notes SET value = $1', [value]),
    clear: () => query('DELETE FROM notes'),
    sql: run,
  };
}

/** The parts of a subject that every fixture here has. */
export function subjectOf(
  name: string,
  database: Database,
  run: Runner,
  store: (query: Query, tenant: string) => TenantUnderTest,
): IsolationSubject {
  return {
    name,
    atomic: true,
    poolSize,
    run: async (context, work, signal) => {
      const tenant = tenantOf(context);
      return run(database, tenant, (query) => work(store(query, tenant)), signal);
    },
    bare: async (work) => {
      const client = await database.pool.connect();
      try {
        await work(store(async (text, values = []) => (await client.query<object>(text, [...values])).rows, ''));
      } finally {
        client.release();
      }
    },
    disconnect: database.disconnect,
  };
}

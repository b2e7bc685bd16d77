import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { IsolationOptions, IsolationTrap, TenantUnderTest } from '@portcullis/testing/isolation';
import { rejected, transactional, type Query, type Runner } from './postgres.js';
import { begin, right, setting, type Parts } from './rls.js';

/** A store that says the tenant in each of its statements, and relies on that. */
function filtered(query: Query, tenant: string): TenantUnderTest {
  const mine = `tenant_id = '${tenant}'`;
  return {
    put: (key, value) =>
      query(
        'INSERT INTO notes (tenant_id, key, value) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, key) DO UPDATE SET value = excluded.value',
        [tenant, key, value],
      ),
    get: async (key) =>
      ((await query(`SELECT value FROM notes WHERE ${mine} AND key = $1`, [key]))[0] as { value: string } | undefined)
        ?.value,
    delete: (key) => query(`DELETE FROM notes WHERE ${mine} AND key = $1`, [key]),
    sql: query,
  };
}

/** A runner with a hole: what happens to the connection is up to the mistake. */
function careless(leave: (client: pg.PoolClient, failed: boolean) => Promise<unknown>, guarded = true): Runner {
  return async ({ pool }, tenant, work, signal) => {
    const client = await pool.connect();
    let failed = true;
    let ended = false;
    try {
      await client.query('BEGIN');
      await begin(client, tenant);
      const query: Query = async (text, values = []) => {
        if (ended && guarded) throw new Error('the unit of work has ended');
        return (await client.query<object>(text, [...values])).rows;
      };
      const result = await Promise.race([work(query), rejected(signal)]);
      failed = false;
      return result;
    } finally {
      ended = true;
      await leave(client, failed);
      client.release();
    }
  };
}

const unguarded = careless((client, failed) => client.query(failed ? 'ROLLBACK' : 'COMMIT'), false);

/** One connection that everybody uses at once. */
function shared(): Runner {
  let client: pg.PoolClient | undefined;
  return async ({ pool }, tenant, work) => {
    client ??= await pool.connect();
    const own = client;
    await own.query('BEGIN');
    await begin(own, tenant);
    try {
      const result = await work(async (text, values = []) => (await own.query<object>(text, [...values])).rows);
      await own.query('COMMIT');
      return result;
    } catch (error) {
      await own.query('ROLLBACK');
      throw error;
    }
  };
}

/** A unit of work inside another joins its transaction, as many frameworks do. */
function joining(): Runner {
  const current = new AsyncLocalStorage<Query>();
  const outer = right.run;
  return async (database, tenant, work, signal) => {
    const joined = current.getStore();
    if (joined === undefined) return outer(database, tenant, (query) => current.run(query, () => work(query)), signal);
    await joined(`SELECT set_config('app.tenant_id', $1, true)`, [tenant]);
    return work(joined);
  };
}

/** When every connection is in use, one of them is used twice. */
function overbooked(): Runner {
  const busy = new Set<Query>();
  let running = 0;
  const one: Runner = async (database, tenant, work, signal) => {
    if (running > 6) {
      for (let waits = 0; busy.size === 0 && waits < 50; waits++) await sleep(2);
      const [victim] = busy;
      if (victim !== undefined) return work(victim);
    }
    return right.run(
      database,
      tenant,
      async (query) => {
        busy.add(query);
        try {
          return await work(query);
        } finally {
          busy.delete(query);
        }
      },
      signal,
    );
  };
  return async (...unit) => {
    running++;
    try {
      return await one(...unit);
    } finally {
      running--;
    }
  };
}

/** A handle that finds itself another connection when its own is lost: porsager/postgres#1216. */
function reconnecting(): Runner {
  const active = new Set<pg.PoolClient>();
  return async ({ pool }, tenant, work) => {
    let client = await pool.connect();
    const own = client;
    active.add(own);
    const query: Query = async (text, values = []) => {
      try {
        return (await client.query<object>(text, [...values])).rows;
      } catch (error) {
        const next = [...active].at(-1);
        if (error instanceof pg.DatabaseError && error.code !== '57P01') throw error;
        if (next === undefined || next === client) throw error;
        client = next;
        return (await client.query<object>(text, [...values])).rows;
      }
    };
    let lost = true;
    try {
      await own.query('BEGIN');
      await begin(own, tenant);
      const result = await work(query);
      await own.query('COMMIT');
      lost = false;
      return result;
    } finally {
      active.delete(own);
      own.release(lost);
    }
  };
}

const definer = 'LANGUAGE sql SECURITY DEFINER AS';
const key = (text: string): string =>
  `tenant_id text NOT NULL DEFAULT ${setting}, key text NOT NULL, value text NOT NULL, ${text}`;

type Mistake = readonly [name: string, trap: IsolationTrap, parts: Partial<Parts>, options?: IsolationOptions];

/** One mistake each, and what the kit has to call it. */
export const rlsMistakes: readonly Mistake[] = [
  ['no row-level security', 'foreign_read', { rls: [] }],
  ['the table’s owner, without FORCE', 'foreign_read', { user: 'owner', rls: right.rls.slice(0, 1) }],
  ['a superuser', 'foreign_read', { user: 'postgres' }],
  ['a role with BYPASSRLS', 'foreign_read', { user: 'bypasser' }],
  ['a second permissive policy', 'foreign_read', { more: ['CREATE POLICY support ON notes FOR SELECT USING (true)'] }],
  [
    'a filter in the application alone',
    'read_without_filter',
    { rls: [], store: filtered, subject: { bare: undefined } },
  ],
  [
    'a filter in the application alone, for a query that names the tenant',
    'read_of_other',
    { rls: [], store: filtered },
    { only: ['read_of_other'] },
  ],
  [
    'a filter in the application alone, for writing',
    'write_without_filter',
    { rls: [], store: filtered },
    { only: ['write_without_filter'] },
  ],
  [
    'a filter in the application alone, for writing by name',
    'write_to_other',
    { rls: [], store: filtered },
    { only: ['write_to_other'] },
  ],
  ['COPY as a role that is not bound', 'copy_from', { user: 'bypasser', store: filtered }, { only: ['copy_from'] }],
  [
    'a policy whose WITH CHECK is wider than its USING',
    'write_as_other',
    { policy: `CREATE POLICY tenant ON notes USING (tenant_id = (SELECT ${setting})) WITH CHECK (true)` },
  ],
  [
    'a permissive policy for writing beside the tenant’s',
    'write_as_other',
    { more: ['CREATE POLICY import ON notes FOR INSERT WITH CHECK (true)'] },
  ],
  [
    'a policy by which an unset tenant is every tenant',
    'unset_tenant',
    { policy: `CREATE POLICY tenant ON notes USING (${setting} IS NULL OR tenant_id = ${setting})` },
  ],
  [
    'an empty setting that is taken for a tenant',
    'unset_tenant',
    {
      table: `CREATE TABLE notes (tenant_id text NOT NULL DEFAULT current_setting('app.tenant_id', true), key text NOT NULL, value text NOT NULL, PRIMARY KEY (tenant_id, key))`,
      policy: `CREATE POLICY tenant ON notes USING (tenant_id = current_setting('app.tenant_id', true))`,
    },
  ],
  [
    'a setting of the session',
    'setting_outlives_unit',
    { run: transactional((client, tenant) => client.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenant])) },
  ],
  ['TRUNCATE', 'truncate', { more: ['GRANT TRUNCATE ON notes, comments TO app'] }],
  [
    'a view that reads as its owner',
    'view',
    { more: ['CREATE VIEW recent AS SELECT * FROM notes', 'GRANT SELECT ON recent TO app'] },
  ],
  [
    'a materialized view',
    'materialized_view',
    {
      more: ['CREATE MATERIALIZED VIEW report AS SELECT * FROM notes', 'GRANT SELECT ON report TO app'],
      background: 'REFRESH MATERIALIZED VIEW report',
    },
  ],
  [
    'a function that reads as its owner',
    'definer_function',
    { more: [`CREATE FUNCTION everything() RETURNS SETOF notes ${definer} $$ SELECT * FROM notes $$`] },
  ],
  [
    'a function with arguments that reads as its owner',
    'further_query',
    {
      more: [
        `CREATE FUNCTION find(wanted text) RETURNS SETOF notes ${definer} $$ SELECT * FROM notes WHERE notes.key = wanted $$`,
      ],
      sql: { queries: ["SELECT * FROM find('k')"] },
    },
  ],
  [
    'a partition without a policy of its own',
    'partition',
    {
      table: `CREATE TABLE notes (${key('PRIMARY KEY (tenant_id, key)')}) PARTITION BY HASH (tenant_id)`,
      more: [
        'CREATE TABLE notes_0 PARTITION OF notes FOR VALUES WITH (MODULUS 1, REMAINDER 0)',
        'GRANT SELECT ON notes_0 TO app',
      ],
    },
  ],
  [
    'an archive of the table without policies',
    'unprotected_table',
    {
      more: [
        'CREATE TABLE archive (LIKE notes)',
        `CREATE FUNCTION keep() RETURNS trigger ${definer.replace('sql', 'plpgsql')} $$ BEGIN INSERT INTO archive SELECT new.*; RETURN new; END $$`,
        'CREATE TRIGGER keep AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION keep()',
        'GRANT SELECT ON archive TO app',
      ],
    },
  ],
  [
    'statistics that may be read',
    'statistics',
    { more: ['GRANT SELECT ON pg_catalog.pg_statistic TO app'], background: 'ANALYZE notes' },
  ],
  ['a unique key without the tenant', 'existence_oracle', { more: ['CREATE UNIQUE INDEX ON notes (key)'] }],
  [
    'a unique key without the tenant, by ON CONFLICT DO NOTHING',
    'conflict_oracle',
    { more: ['CREATE UNIQUE INDEX ON notes (key)'] },
    { only: ['conflict_oracle'] },
  ],
  [
    'a foreign key without the tenant',
    'foreign_key_probe',
    {
      more: [
        'CREATE UNIQUE INDEX ON notes (key)',
        'ALTER TABLE comments ADD FOREIGN KEY (note_key) REFERENCES notes (key) ON UPDATE CASCADE ON DELETE CASCADE',
        'ALTER TABLE comments DROP CONSTRAINT comments_tenant_id_note_key_fkey',
      ],
    },
    { only: ['foreign_key_probe'] },
  ],
  ['temporary tables that are left', 'temporary_table', { more: ['GRANT TEMPORARY ON DATABASE $database TO app'] }],
  ['a cursor that is left', 'held_cursor', { run: transactional(begin, '') }],
  ['one connection for everybody', 'interleaving', { run: shared() }],
  ['a connection that is used twice when there are too few', 'pool_starvation', { run: overbooked(), size: 6 }],
  ['a nested unit of work that joins the outer one', 'nested_unit', { run: joining() }],
  [
    'a transaction that is left open by an error',
    'error_in_the_middle',
    {
      run: careless((client, failed) => (failed ? Promise.resolve() : client.query('COMMIT'))),
      subject: { bare: undefined },
    },
    { only: ['error_in_the_middle'] },
  ],
  ['a commit of what failed', 'error_in_the_middle', { run: careless((client) => client.query('COMMIT')) }],
  ['a cancelled call that goes on', 'cancelled_call', { run: unguarded }, { only: ['cancelled_call'] }],
  [
    'a handle that works after its unit of work',
    'handle_outlives_unit',
    { run: unguarded },
    { only: ['handle_outlives_unit'] },
  ],
  [
    'a handle that finds itself another connection',
    'connection_lost',
    { run: reconnecting() },
    { only: ['connection_lost'] },
  ],
  [
    'a login role that can do more than the role that was set',
    'end_of_transaction',
    {
      user: 'owner',
      rls: right.rls.slice(0, 1),
      run: transactional(async (client, tenant) => {
        await begin(client, tenant);
        await client.query('SET LOCAL ROLE app');
      }),
      subject: { bare: undefined },
    },
  ],
  [
    'a promise that tenants may write SQL, which a setting cannot keep',
    'tenant_switch',
    { sql: { untrusted: () => [`SELECT set_config('app.tenant_id', $1, true)`] } },
  ],
];

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import type { PgClient, PgPool } from './pg-source.js';
import { rowLevelSecurity } from './rls/row-level-security.js';

const acme = contextFor({ tenant: 'acme' });

let server: PostgresServer;
const pools: pg.Pool[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await Promise.all(pools.map((one) => one.end()));
  await server.stop();
});

function opened(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ connectionString: server.url(), max: 2, ...config });
  pool.on('error', () => undefined);
  pools.push(pool);
  return pool;
}

interface Observed extends PgPool {
  /** What went out and came back, in order. */
  readonly seen: string[];
}

function observed(pool: pg.Pool, rewrite = (text: string): string => text): Observed {
  const seen: string[] = [];
  return {
    seen,
    async connect() {
      const client = await pool.connect();
      return new Proxy<PgClient>(client, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          if (name !== 'query') return value.bind(target) as unknown;
          return async (statement: string | object) => {
            const text = typeof statement === 'string' ? statement : 'a statement';
            seen.push(text);
            try {
              return await target.query(typeof statement === 'string' ? rewrite(statement) : statement);
            } finally {
              seen.push(`answer to ${text}`);
            }
          };
        },
      });
    },
  };
}

/**
 * The server as it is on a platform that cannot tell it that a client is gone: there it refuses any interval but 0, as
 * it refuses a negative one everywhere, in the same words but for the number and with the same SQLSTATE.
 */
const cannotWatch = (pool: pg.Pool): Observed =>
  observed(pool, (text) =>
    text.replace('client_connection_check_interval = 1000', 'client_connection_check_interval = -1'),
  );

const state = `SELECT current_setting('app.tenant_id') AS tenant, current_setting('statement_timeout') <> '0' AS limited,
  current_setting('client_connection_check_interval') AS watched`;
const unwatched = { rows: [{ tenant: 'acme', limited: true, watched: '0' }] };

describe.each([
  ['', false],
  [', pipelined', true],
])('on a server that cannot notice a lost client%s', (_name, pipeline) => {
  it('begins again without, in the same transaction’s terms, and never asks for it again', async () => {
    const pool = cannotWatch(opened({ pipeline }));
    const rls = rowLevelSecurity(pool);
    for (let time = 0; time < 3; time++)
      expect(await rls.withTenant(acme, (sql) => sql.query(state))).toMatchObject(unwatched);
    const asked = pool.seen
      .filter((text) => /^(?:ROLLBACK; )?BEGIN/.test(text))
      .map((text) => text.includes('client_connection_check_interval'));
    expect(asked).toEqual([true, false, false, false]);
  });

  it('lets several begin at once before it is known', async () => {
    const rls = rowLevelSecurity(cannotWatch(opened({ pipeline })));
    const all = await Promise.all([1, 2, 3, 4].map(() => rls.withTenant(acme, (sql) => sql.query(state))));
    for (const one of all) expect(one).toMatchObject(unwatched);
  });

  it('still says which other part of the set-up is missing', async () => {
    const rls = rowLevelSecurity(cannotWatch(opened({ pipeline })), { role: 'nobody_of_that_name' });
    for (let time = 0; time < 2; time++)
      await expect(rls.withTenant(acme, (sql) => sql.query(state))).rejects.toMatchObject({
        code: 'storage_not_provisioned',
      });
  });
});

it.each([false, true])(
  'asks a server that can to notice a lost client, each time (pipelined: %s)',
  async (pipeline) => {
    const rls = rowLevelSecurity(opened({ pipeline }));
    for (let time = 0; time < 2; time++)
      expect(await rls.withTenant(acme, (sql) => sql.query(state))).toMatchObject({
        rows: [{ tenant: 'acme', limited: true, watched: '1s' }],
      });
  },
);

it('lets the first statement of a pipelined connection follow at once, but for the first transaction', async () => {
  const pool = observed(opened({ pipeline: true }));
  const rls = rowLevelSecurity(pool);
  const order: string[] = [];
  for (let time = 0; time < 2; time++) {
    await rls.withTenant(acme, (sql) => sql.query(state));
    order.push(
      pool.seen
        .splice(0)
        .map((text) => /^(?:answer to )?\w+/.exec(text)?.[0])
        .join(', '),
    );
  }
  expect(order).toEqual([
    'BEGIN, answer to BEGIN, a, answer to a, COMMIT, answer to COMMIT',
    'BEGIN, a, answer to BEGIN, answer to a, COMMIT, answer to COMMIT',
  ]);
});

it('does not wait for a connection that has stopped answering', async () => {
  const pool = opened({ max: 1 });
  const rls = rowLevelSecurity(pool);
  const { rows } = await rls.withTenant(acme, (sql) => sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'));
  const pid = rows[0]?.pid ?? 0;
  expect(pid).toBeGreaterThan(1);
  process.kill(pid, 'SIGSTOP');
  try {
    await expect(rls.withTenant(acme, () => Promise.resolve('ran'), { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
    expect(await rls.withTenant(acme, () => Promise.resolve('ran'))).toBe('ran');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OperatorAccess, TenantContext } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { skipWithoutPgBouncer, startPgBouncer, type PgBouncer } from '@portcullis/testing/pgbouncer';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { pgliteSource } from '../pglite.js';
import { conformingSql } from './conforming-sql.js';
import { rowLevelSecurity, type RowLevelSecurity, type RowLevelSecurityOptions } from './row-level-security.js';

const acme = contextFor({ tenant: 'acme' });
const globex = contextFor({ tenant: 'globex' });

const schema = `
  CREATE TABLE public.notes (tenant_id text, id text, title text, PRIMARY KEY (tenant_id, id));
  ${conformingSql({ table: 'notes', role: 'app' })}
  GRANT USAGE ON SCHEMA public TO app;`;

interface Opened {
  readonly rls: RowLevelSecurity;
  readonly close: () => Promise<void>;
}

function suite(name: string, open: (options?: RowLevelSecurityOptions) => Promise<Opened>): void {
  describe(`row-level security on ${name}`, () => {
    let opened: Opened;
    const start = async (options?: RowLevelSecurityOptions): Promise<RowLevelSecurity> => {
      opened = await open(options);
      return opened.rls;
    };
    afterEach(() => opened.close());

    const add = (rls: RowLevelSecurity, context: TenantContext, id: string): Promise<unknown> =>
      rls.withTenant(context, (sql) =>
        sql.query('INSERT INTO notes (id, title) VALUES ($1, $2)', [id, context.tenant.id]),
      );
    const titles = (rls: RowLevelSecurity, context: TenantContext): Promise<unknown[]> =>
      rls.withTenant(context, async (sql) => (await sql.query('SELECT id, title FROM notes ORDER BY id')).rows);

    it('shows each tenant its own rows, whatever the statement says', async () => {
      const rls = await start();
      await add(rls, acme, '1');
      await add(rls, globex, '1');
      expect(await titles(rls, acme)).toEqual([{ id: '1', title: 'acme' }]);
      const reached = await rls.withTenant(acme, async (sql) => [
        (await sql.query("SELECT FROM notes WHERE tenant_id = 'globex'")).rows,
        (await sql.query("UPDATE notes SET title = 'x' WHERE tenant_id = 'globex'")).rowCount,
        (await sql.query("DELETE FROM notes WHERE tenant_id <> 'acme'")).rowCount,
      ]);
      expect(reached).toEqual([[], 0, 0]);
      expect(await titles(rls, globex)).toEqual([{ id: '1', title: 'globex' }]);
    });

    it('lets no row be written to another tenant, nor moved there', async () => {
      const rls = await start();
      await add(rls, acme, '1');
      for (const text of [
        "INSERT INTO notes (tenant_id, id) VALUES ('globex', '2')",
        "INSERT INTO notes (tenant_id, id) VALUES ('', '2')",
        "UPDATE notes SET tenant_id = 'globex'",
      ])
        await expect(rls.withTenant(acme, (sql) => sql.query(text))).rejects.toMatchObject({ code: 'storage_refused' });
      expect(await titles(rls, globex)).toEqual([]);
    });

    it('keeps all of a callback or nothing', async () => {
      const rls = await start();
      const failure = new Error('in the middle');
      await expect(
        rls.withTenant(acme, async (sql) => {
          await sql.query("INSERT INTO notes (id) VALUES ('1')");
          throw failure;
        }),
      ).rejects.toBe(failure);
      expect(await titles(rls, acme)).toEqual([]);
    });

    it('does not say that it kept what a swallowed error has undone', async () => {
      const rls = await start();
      await add(rls, acme, '1');
      await expect(
        rls.withTenant(acme, async (sql) => {
          await sql.query("INSERT INTO notes (id) VALUES ('2')");
          await sql.query("INSERT INTO notes (id) VALUES ('1')").catch(() => undefined);
        }),
      ).rejects.toMatchObject({ code: 'storage_refused' });
      expect(await titles(rls, acme)).toHaveLength(1);
    });

    it('refuses a handle that is used after its transaction', async () => {
      const rls = await start();
      const kept = await rls.withTenant(acme, (sql) => Promise.resolve(sql));
      await expect(kept.query('SELECT 1')).rejects.toMatchObject({ code: 'storage_refused' });
      await expect(kept.transaction(() => Promise.resolve())).rejects.toMatchObject({ code: 'storage_refused' });
    });

    it('nests: a savepoint that fails is undone alone', async () => {
      const rls = await start();
      await rls.withTenant(acme, async (sql) => {
        await sql.query("INSERT INTO notes (id) VALUES ('1')");
        await sql
          .transaction(async (inner) => {
            await inner.query("INSERT INTO notes (id) VALUES ('2')");
            await inner.query("INSERT INTO notes (id) VALUES ('1')");
          })
          .catch(() => undefined);
        await rls.withTenant(acme, (inner) => inner.query("INSERT INTO notes (id) VALUES ('3')"));
      });
      expect(await titles(rls, acme)).toEqual([
        { id: '1', title: null },
        { id: '3', title: null },
      ]);
    });

    it('lets nested work that is asked for at once run one after the other', async () => {
      const rls = await start();
      await rls.withTenant(acme, async (sql) => {
        await Promise.all(
          ['1', '2', '3'].map((id) =>
            sql.transaction(async (inner) => {
              await inner.query('INSERT INTO notes (id) VALUES ($1)', [id]);
              await new Promise((resolve) => setTimeout(resolve, 2));
              if (id === '2') throw new Error('two');
            }),
          ),
        ).catch(() => undefined);
        await sql.transaction(() => Promise.resolve());
      });
      expect(await titles(rls, acme)).toHaveLength(2);
    });

    it('refuses the outer handle while a nested one is open, and the nested one afterwards', async () => {
      const rls = await start();
      await rls.withTenant(acme, async (sql) => {
        const inner = await sql.transaction(async (nested) => {
          await expect(sql.query('SELECT 1')).rejects.toMatchObject({ code: 'storage_refused' });
          await expect(sql.transaction(() => Promise.resolve())).rejects.toMatchObject({ code: 'storage_refused' });
          return nested;
        });
        await expect(inner.query('SELECT 1')).rejects.toMatchObject({ code: 'storage_refused' });
        await expect(inner.transaction(() => Promise.resolve('ran'))).rejects.toMatchObject({
          code: 'storage_refused',
        });
        expect((await sql.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      });
    });

    it('gives what a callback left running a transaction of its own, once its own is over', async () => {
      const rls = await start();
      let late: Promise<unknown> | undefined;
      let isOver: (() => void) | undefined;
      await rls.withTenant(acme, async (sql) => {
        await sql.query("INSERT INTO notes (id) VALUES ('1')");
        late = new Promise<void>((resolve) => (isOver = resolve)).then(() =>
          rls.withTenant(globex, (own) => own.query('SELECT count(*)::int AS count FROM notes')),
        );
      });
      isOver?.();
      expect(await late).toMatchObject({ rows: [{ count: 0 }] });
    });

    it('keeps nothing of work that began a transaction of its own and did not end it', async () => {
      const rls = await start();
      await expect(
        rls.withTenant(acme, async (sql) => {
          await sql.query('BEGIN');
          await sql.query("INSERT INTO notes (id) VALUES ('1')");
        }),
      ).rejects.toMatchObject({ code: 'storage_refused' });
      await expect(
        rls.withTenant(acme, (sql) => sql.transaction((inner) => inner.query('BEGIN'))),
      ).rejects.toMatchObject({ code: 'storage_refused' });
      expect(await titles(rls, acme)).toEqual([]);
    });

    it('lets nested work choose no isolation and no access mode of its own', async () => {
      const rls = await start();
      for (const options of [{ isolation: 'serializable' }, { readOnly: true }] as const)
        await expect(
          rls.withTenant(acme, () => rls.withTenant(acme, () => Promise.resolve('ran'), options)),
        ).rejects.toMatchObject({ code: 'storage_refused' });
    });

    it('opens no other tenant’s transaction inside one', async () => {
      const rls = await start();
      await expect(
        rls.withTenant(acme, () => rls.withTenant(globex, () => Promise.resolve('reached'))),
      ).rejects.toMatchObject({ code: 'storage_refused' });
    });

    it('turns the BEGIN, COMMIT and ROLLBACK of a query builder into savepoints, and never ends the transaction', async () => {
      const rls = await start();
      await rls.withTenant(acme, async (sql) => {
        await sql.query('begin');
        await sql.query("INSERT INTO notes (id) VALUES ('1')");
        await sql.query('COMMIT;');
        await sql.query('START TRANSACTION');
        await sql.query("INSERT INTO notes (id) VALUES ('2')");
        await sql.query('rollback');
        for (const text of ['COMMIT', 'ROLLBACK', 'END', 'ABORT'])
          await expect(sql.query(text)).rejects.toMatchObject({ code: 'storage_refused' });
      });
      expect(await titles(rls, acme)).toEqual([{ id: '1', title: null }]);
    });

    it.each([
      "SET app.tenant_id = 'globex'",
      "/* a /* b */ */ -- c\n SET LOCAL app.tenant_id = 'globex'",
      'RESET ALL',
      'RESET ROLE',
      'DISCARD ALL',
      'BEGIN ISOLATION LEVEL SERIALIZABLE',
      'ROLLBACK AND CHAIN',
      "PREPARE TRANSACTION 'x'",
      'PREPARE p AS SELECT 1',
      'LISTEN x',
      "DO $$ BEGIN SET LOCAL app.tenant_id = 'globex'; END $$",
      'CREATE TEMP TABLE t (x int)',
      'EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1',
      'EXPLAIN (ANALYZE, VERBOSE) DECLARE c CURSOR WITH HOLD FOR SELECT 1',
      'DECLARE c CURSOR WITH HOLD FOR SELECT * FROM notes',
      'COPY notes TO STDOUT',
      'TRUNCATE notes',
      'ALTER TABLE notes DISABLE ROW LEVEL SECURITY',
      '',
      '-- nothing',
      '/* open',
    ])('refuses %j', async (text) => {
      const rls = await start();
      await expect(rls.withTenant(acme, (sql) => sql.query(text))).rejects.toMatchObject({ code: 'storage_refused' });
    });

    it('refuses values that the driver would write as others', async () => {
      const rls = await start();
      for (const value of ['\ud800', ['a', 'b\udc00'], [['\ud800x']]])
        await expect(
          rls.withTenant(acme, (sql) => sql.query('INSERT INTO notes (id) VALUES ($1)', [value])),
        ).rejects.toMatchObject({ code: 'storage_refused' });
      await add(rls, acme, '😀');
      expect(await titles(rls, acme)).toEqual([{ id: '😀', title: 'acme' }]);
    });

    it('takes one statement at a time', async () => {
      const rls = await start();
      await add(rls, globex, '1');
      await expect(
        rls.withTenant(acme, (sql) => sql.query("SELECT 1; SET LOCAL app.tenant_id = 'globex'")),
      ).rejects.toThrow(/multiple commands/);
      expect(await titles(rls, acme)).toEqual([]);
    });

    it.each([
      'EXPLAIN SELECT 1',
      'explain (analyze) select 1',
      '(SELECT 1)',
      '-- a\n/* b */ WITH x AS (SELECT 1) TABLE x',
      'VALUES (1)',
    ])('takes %j', async (text) => {
      const rls = await start();
      expect((await rls.withTenant(acme, (sql) => sql.query(text))).rows.length).toBeGreaterThan(0);
    });

    it('reads only where it was opened so, and knows its isolation', async () => {
      const rls = await start();
      await expect(
        rls.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id) VALUES ('1')"), { readOnly: true }),
      ).rejects.toMatchObject({ code: '25006' });
      const isolation = await rls.withTenant(acme, (sql) => sql.query('SHOW transaction_isolation'), {
        isolation: 'serializable',
      });
      expect(isolation.rows).toEqual([{ transaction_isolation: 'serializable' }]);
    });

    it.each([{ ...acme }, { tenant: { id: 'acme' } }, undefined, null, 'acme', operatorFor()])(
      'opens for no context that no resolver made (%#)',
      async (forged) => {
        const rls = await start();
        let ran = false;
        await expect(
          rls.withTenant(forged as TenantContext, () => {
            ran = true;
            return Promise.resolve();
          }),
        ).rejects.toMatchObject({ code: 'storage_refused' });
        expect(ran).toBe(false);
      },
    );

    it('lets an operator in by its own method alone, and on record', async () => {
      const seen: OperatorAccess[] = [];
      const rls = await start({
        operatorAccess: (access) => {
          seen.push(access);
          return Promise.resolve();
        },
      });
      await add(rls, globex, '1');
      const operator = operatorFor({ tenants: ['globex'], reason: 'ticket 7' });
      const read = await rls.withTenantAsOperator(operator, globex.tenant.id, (sql) =>
        sql.query('SELECT id FROM notes'),
      );
      expect(read.rows).toEqual([{ id: '1' }]);
      expect(seen).toEqual([{ operator, tenant: 'globex', storage: 'postgres/row-level-security' }]);
      const work = (): Promise<string> => Promise.resolve('reached');
      for (const [who, tenant] of [
        [operator, acme.tenant.id],
        [operatorFor({ expiresAt: Date.now() - 1 }), acme.tenant.id],
        [acme as never, acme.tenant.id],
        [{ ...operator }, globex.tenant.id],
        [operatorFor(), "x'; DROP TABLE notes" as never],
      ] as const)
        await expect(rls.withTenantAsOperator(who, tenant, work)).rejects.toMatchObject({ code: 'storage_refused' });
      expect(seen).toHaveLength(1);
    });

    it('opens nothing for an operator when it cannot be recorded', async () => {
      const rls = await start({ operatorAccess: () => Promise.reject(new Error('the audit log is full')) });
      await expect(
        rls.withTenantAsOperator(operatorFor(), acme.tenant.id, () => Promise.resolve('reached')),
      ).rejects.toThrow('the audit log is full');
    });

    it('ends when its time is over, and keeps nothing', async () => {
      const rls = await start();
      // With a connection that is there already, it has begun long before its time is over.
      await titles(rls, acme);
      const late: Promise<unknown>[] = [];
      await expect(
        rls.withTenant(
          acme,
          async (sql) => {
            await sql.query("INSERT INTO notes (id) VALUES ('1')");
            await new Promise((resolve) => {
              sql.signal.addEventListener('abort', resolve);
            });
            late.push(sql.query("INSERT INTO notes (id) VALUES ('2')"));
            await late[0];
          },
          { timeoutMs: 1500 },
        ),
      ).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect.poll(() => late.length, { timeout: 10_000 }).toBe(1);
      await expect(late[0]).rejects.toMatchObject({ code: 'storage_refused' });
      expect(await titles(rls, acme)).toEqual([]);
    });

    it('ends when its caller goes away, before and in the middle', async () => {
      const rls = await start();
      const work = async (sql: { query(text: string): Promise<unknown> }): Promise<void> => {
        await sql.query("INSERT INTO notes (id) VALUES ('1')");
        controller.abort();
        await new Promise((resolve) => setTimeout(resolve, 200));
      };
      const controller = new AbortController();
      await expect(rls.withTenant(acme, work, { signal: controller.signal })).rejects.toMatchObject({
        code: 'storage_unavailable',
      });
      await expect(rls.withTenant(acme, work, { signal: controller.signal })).rejects.toMatchObject({
        code: 'storage_unavailable',
      });
      expect(await titles(rls, acme)).toEqual([]);
    });
  });
}

describe('with a server', () => {
  let server: PostgresServer;
  let count = 0;

  beforeAll(async () => {
    server = await startPostgres();
    const client = new pg.Client(server.url());
    await client.connect();
    await client.query('CREATE ROLE app LOGIN; CREATE ROLE owner LOGIN');
    await client.end();
  });
  afterAll(() => server.stop());

  async function database(): Promise<string> {
    const name = `d${String(count++)}`;
    const admin = new pg.Client(server.url());
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name} OWNER owner`);
    await admin.end();
    const owner = new pg.Client(server.url(name, 'owner'));
    await owner.connect();
    await owner.query(schema);
    await owner.end();
    return name;
  }

  async function opened(
    options: RowLevelSecurityOptions = {},
    more: pg.PoolConfig = {},
  ): Promise<Opened & { pool: pg.Pool; name: string }> {
    const name = await database();
    const pool = new pg.Pool({ connectionString: server.url(name, 'app'), max: 4, ...more });
    pool.on('error', () => undefined);
    return { rls: rowLevelSecurity(pool, options), pool, name, close: () => pool.end() };
  }

  suite('PostgreSQL', (options) => opened(options));
  suite('PostgreSQL, pipelined', (options) => opened(options, { pipeline: true }));

  describe.skipIf(skipWithoutPgBouncer())('behind a pooler', () => {
    let bouncer: PgBouncer;
    beforeAll(async () => {
      bouncer = await startPgBouncer(server);
    });
    afterAll(() => bouncer.stop());

    suite('PgBouncer in transaction mode', async (options) => {
      const name = await database();
      const pool = new pg.Pool({ connectionString: bouncer.url(name, 'app'), max: 4 });
      pool.on('error', () => undefined);
      return { rls: rowLevelSecurity(pool, options), close: () => pool.end() };
    });

    it('keeps tenants apart on connections that many transactions share, whatever their order', async () => {
      const name = await database();
      const pool = new pg.Pool({ connectionString: bouncer.url(name, 'app'), max: 20 });
      pool.on('error', () => undefined);
      const rls = rowLevelSecurity(pool, { timeoutMs: 100_000 });
      const tenants = ['acme', 'globex', 'initech', 'umbrella'].map((tenant) => contextFor({ tenant }));
      const backends = new Set<number>();
      await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const context = tenants[index % tenants.length] ?? acme;
          const work = rls.withTenant(context, async (sql) => {
            await sql.query('INSERT INTO notes (id, title) VALUES ($1, $2)', [`n${String(index)}`, context.tenant.id]);
            await new Promise((resolve) => setTimeout(resolve, index % 3));
            const { rows } = await sql.query<{ pid: number; titles: string[]; tenants: string[] }>(
              'SELECT pg_backend_pid() AS pid, array_agg(DISTINCT title) AS titles, array_agg(DISTINCT tenant_id) AS tenants FROM notes',
            );
            backends.add(rows[0]?.pid ?? 0);
            expect(rows).toMatchObject([{ titles: [context.tenant.id], tenants: [context.tenant.id] }]);
            if (index % 7 === 0) throw new Error('in the middle');
          });
          await work.catch((error: unknown) => {
            expect(error).toMatchObject({ message: 'in the middle' });
          });
          // A query of nobody's, between the tenants': the setting of the one before has to be gone.
          expect((await pool.query('SELECT * FROM notes')).rows).toEqual([]);
        }),
      );
      expect(backends.size).toBeLessThanOrEqual(2);
      await pool.end();
    }, 120_000);
  });

  it('leaves nothing on the connection for the next user', async () => {
    const { rls, pool, close } = await opened({}, { max: 1 });
    await rls.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id) VALUES ('1')"));
    await rls.withTenant(acme, () => Promise.reject(new Error('x'))).catch(() => undefined);
    const { rows } = await pool.query(
      "SELECT current_setting('app.tenant_id', true) AS tenant, current_setting('statement_timeout') AS timeout, (SELECT count(*)::int FROM notes) AS seen",
    );
    expect(rows).toEqual([{ tenant: '', timeout: '0', seen: 0 }]);
    await close();
  });

  it('is not misled by a temporary table of the same name', async () => {
    const { rls, pool, close } = await opened({}, { max: 1 });
    await pool.query('CREATE TEMPORARY TABLE notes (id text, title text)');
    await rls.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id) VALUES ('1')"));
    expect((await pool.query('SELECT * FROM pg_temp.notes')).rows).toEqual([]);
    await close();
  });

  it('says which part of the set-up is missing: a role that is not there, or not this login’s to take on', async () => {
    for (const [role, code] of [
      ['nobody_of_that_name', 'storage_not_provisioned'],
      ['owner', 'storage_refused'],
    ] as const)
      for (const pipeline of [false, true]) {
        const { rls, close } = await opened({ role }, { pipeline });
        await expect(rls.withTenant(acme, (sql) => sql.query('SELECT 1'))).rejects.toMatchObject({ code });
        await close();
      }
  });

  it('runs the callback again after a serialization failure, and loses no update', async () => {
    const { rls, close } = await opened({}, { max: 8 });
    await rls.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id, title) VALUES ('n', '0')"));
    let runs = 0;
    let goOn: (() => void) | undefined;
    const allHaveRead = new Promise<void>((resolve) => (goOn = resolve));
    await Promise.all(
      Array.from({ length: 6 }, () =>
        rls.withTenant(
          acme,
          async (sql) => {
            runs++;
            const { rows } = await sql.query<{ title: string }>("SELECT title FROM notes WHERE id = 'n'");
            if (runs >= 6) goOn?.();
            await allHaveRead;
            await sql.query("UPDATE notes SET title = $1 WHERE id = 'n'", [String(Number(rows[0]?.title) + 1)]);
          },
          { isolation: 'serializable', retries: 50, timeoutMs: 50_000 },
        ),
      ),
    );
    const { rows } = await rls.withTenant(acme, (sql) => sql.query('SELECT title FROM notes'));
    expect(rows).toEqual([{ title: '6' }]);
    expect(runs).toBeGreaterThan(6);
    await close();
  }, 60_000);

  it('says that it met another one when the retries are used up', async () => {
    const { rls, close } = await opened();
    await rls.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id, title) VALUES ('n', '0')"));
    await expect(
      rls.withTenant(
        acme,
        async (sql) => {
          await sql.query('SELECT title FROM notes');
          await outside(() => rls.withTenant(acme, (other) => other.query("UPDATE notes SET title = title || '1'")));
          await sql.query("UPDATE notes SET title = 'mine'");
        },
        { isolation: 'repeatable read', retries: 1 },
      ),
    ).rejects.toMatchObject({ code: 'storage_conflict' });
    await close();
  });

  it('ends a statement on the server when the caller goes away', async () => {
    const { rls, pool, close } = await opened();
    const controller = new AbortController();
    const slow = expect(
      rls.withTenant(acme, (sql) => sql.query('SELECT pg_sleep(300)'), {
        signal: controller.signal,
        timeoutMs: 200_000,
      }),
    ).rejects.toMatchObject({ code: 'storage_unavailable' });
    const sleeping =
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)' AND state = 'active' AND pid <> pg_backend_pid()";
    const count = async (): Promise<number | null> => (await pool.query(sleeping)).rowCount;
    await expect.poll(count, { timeout: 20_000 }).toBe(1);
    controller.abort();
    await slow;
    await expect.poll(count, { timeout: 40_000 }).toBe(0);
    await close();
  }, 90_000);

  it('says that it is unavailable when the pool is used up, in time, and recovers', async () => {
    const { rls, close } = await opened({}, { max: 1 });
    let release: (() => void) | undefined;
    const holding = rls.withTenant(acme, () => new Promise<void>((resolve) => (release = resolve)));
    await expect.poll(() => release, { timeout: 20_000 }).toBeDefined();
    await expect(
      outside(() => rls.withTenant(globex, () => Promise.resolve('reached'), { timeoutMs: 100 })),
    ).rejects.toMatchObject({ code: 'storage_unavailable' });
    release?.();
    await holding;
    expect(await rls.withTenant(globex, () => Promise.resolve('reached'))).toBe('reached');
    await close();
  });

  it('refuses every later statement of a transaction whose connection was lost, and takes a new one next time', async () => {
    const { rls, pool, close } = await opened();
    await expect(
      rls.withTenant(acme, async (sql) => {
        await sql.query("INSERT INTO notes (id) VALUES ('1')");
        const { rows } = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        const admin = new pg.Client(server.url());
        await admin.connect();
        await admin.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
        await admin.end();
        await sql.query('SELECT 1').catch(() => undefined);
        await sql.query("INSERT INTO notes (id) VALUES ('2')");
      }),
    ).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect((await rls.withTenant(acme, (sql) => sql.query('SELECT * FROM notes'))).rows).toEqual([]);
    expect(pool.totalCount).toBeLessThanOrEqual(1);
    await close();
  });

  it('says that it is unavailable when the server is gone, and recovers with it', async () => {
    const own = await startPostgres();
    const pool = new pg.Pool({ connectionString: own.url(), max: 2 });
    pool.on('error', () => undefined);
    const rls = rowLevelSecurity(pool);
    await rls.withTenant(acme, (sql) => sql.query('SELECT 1'));
    await own.kill();
    await expect(rls.withTenant(acme, (sql) => sql.query('SELECT 1'))).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
    await own.restart();
    await expect
      .poll(
        () =>
          rls
            .withTenant(acme, (sql) => sql.query('SELECT 1'))
            .then(
              () => 'up',
              () => 'down',
            ),
        { timeout: 40_000 },
      )
      .toBe('up');
    await pool.end();
    await own.stop();
  }, 90_000);
});

/** Runs work outside the flow of the transaction that called it. */
function outside<T>(work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    runs.push(() => {
      work().then(resolve, reject);
    });
  });
}
const runs: (() => void)[] = [];
const timer = setInterval(() => {
  for (const run of runs.splice(0)) run();
}, 1);
afterAll(() => {
  clearInterval(timer);
});

describe('without a server', () => {
  let database: PGlite;
  beforeAll(async () => {
    database = await PGlite.create();
    await database.exec(`CREATE ROLE app; ${schema}`);
  }, 120_000);
  afterAll(() => database.close());

  suite('PGlite', async (options) => {
    await database.exec('TRUNCATE notes');
    return {
      rls: rowLevelSecurity(pgliteSource(database), { role: 'app', ...options }),
      close: () => Promise.resolve(),
    };
  });
});

it.each(['tenant_id', 'app.tenant id', "app.x'; DROP TABLE notes; --", 'App.X', ''])(
  'is not set up with the setting %j',
  (setting) => {
    expect(() =>
      rowLevelSecurity(pgliteSource({ transaction: () => Promise.reject(new Error('x')) }), { setting }),
    ).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
  },
);

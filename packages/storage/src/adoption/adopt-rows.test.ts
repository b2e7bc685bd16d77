import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { pgSource } from '../postgres/pg-source.js';
import { rowLevelSecurity } from '../postgres/rls/row-level-security.js';
import type { TransactionSource } from '../postgres/transaction-source.js';
import { adoptRows, type AdoptRowsOptions } from './adopt-rows.js';
import { adoption, type Adoption } from './adoption.js';
import type { AdoptionStep } from './adoption-step.js';
import type { AdoptionJournal } from './job/adoption-journal.js';
import { memoryAdoptionJournal } from './job/memory-adoption-journal.js';

const system = tenantId('system');
const refusal = (code: string, detail = ''): unknown =>
  expect.objectContaining({ code, detail: expect.stringContaining(detail) as unknown });

let server: PostgresServer;
let count = 0;

beforeAll(async () => {
  server = await startPostgres();
  await on(
    'postgres',
    'postgres',
    'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE reports; CREATE ROLE "odd ""role" LOGIN',
  );
});
afterAll(() => server.stop());

async function on(database: string, user: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(server.url(database, user));
  await client.connect();
  try {
    const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[];
    return ((Array.isArray(result) ? result.at(-1) : result)?.rows ?? []) as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** What an application of many years has. */
const tables = `
  CREATE TABLE projects (id text PRIMARY KEY, title text NOT NULL, slug text CONSTRAINT slug_once UNIQUE DEFERRABLE INITIALLY DEFERRED,
    size integer NOT NULL DEFAULT 1 CHECK (size > 0));
  COMMENT ON TABLE projects IS 'what people work on';
  COMMENT ON CONSTRAINT projects_pkey ON projects IS 'chosen by hand';
  CREATE UNIQUE INDEX "odd index""s" ON projects (lower(title)) WHERE size > 1;
  COMMENT ON INDEX "odd index""s" IS 'one big project of a name';
  CREATE INDEX projects_size ON projects (size);
  ALTER TABLE projects CLUSTER ON projects_pkey;
  CREATE TABLE "odd (table" (id serial PRIMARY KEY, "the project" text REFERENCES projects ON DELETE SET NULL, parent integer REFERENCES "odd (table" ON DELETE CASCADE,
    a integer, b text, UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (parent));
  COMMENT ON CONSTRAINT "odd (table_parent_fkey" ON "odd (table" IS 'a tree';
  ALTER TABLE "odd (table" ADD CONSTRAINT sloppy FOREIGN KEY ("the project") REFERENCES projects ON UPDATE CASCADE NOT VALID;
  CREATE TABLE countries (code text PRIMARY KEY);
  ALTER TABLE projects ADD COLUMN country text REFERENCES countries;
  GRANT SELECT (id, title) ON projects TO app;
  GRANT INSERT ON "odd (table" TO app WITH GRANT OPTION;
  GRANT SELECT ON projects TO reports;
  GRANT SELECT, TRUNCATE ON projects TO PUBLIC;
  GRANT USAGE ON SEQUENCE "odd (table_id_seq" TO reports;
  INSERT INTO countries VALUES ('de');
  INSERT INTO projects SELECT 'p' || n, 'title ' || n, 'slug-' || n, 1 + n % 3, 'de' FROM generate_series(1, 50) n;
  INSERT INTO "odd (table" ("the project", parent, a, b) SELECT 'p' || n, CASE WHEN n > 1 THEN 1 END, n, 'b' FROM generate_series(1, 20) n;`;

async function database(text = tables): Promise<string> {
  const name = `adopted_${String(count++)}`;
  await on('postgres', 'postgres', `CREATE DATABASE ${name} OWNER owner`);
  await on(
    name,
    'postgres',
    'GRANT CREATE ON SCHEMA public TO owner; REVOKE TEMPORARY ON DATABASE ' + name + ' FROM PUBLIC',
  );
  await on(name, 'owner', text);
  return name;
}

/** Everything that the catalog and the tables have, but for what has no meaning to anybody: numbers of rows and of files. */
const catalog = `
  SELECT json_build_object(
    'schemas', (SELECT json_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'),
    'tables', (SELECT json_agg(json_build_array(c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions,
        c.relowner::regrole::text, obj_description(c.oid), (SELECT json_agg(a::text ORDER BY a::text) FROM unnest(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))) a)) ORDER BY c.relname)
      FROM pg_class c WHERE c.relnamespace IN ('public'::regnamespace) AND c.relkind IN ('r', 'S', 'v')),
    'columns', (SELECT json_agg(json_build_array(attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl::text,
        pg_get_expr(adbin, adrelid)) ORDER BY attrelid::regclass::text, attname) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND attnum > 0 AND NOT attisdropped),
    'constraints', (SELECT json_agg(json_build_array(conrelid::regclass::text, conname, contype, convalidated, pg_get_constraintdef(oid), obj_description(oid)) ORDER BY conrelid::regclass::text, conname)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
    'indexes', (SELECT json_agg(json_build_array(pg_get_indexdef(indexrelid), indisunique, indisprimary, indisclustered, indimmediate, obj_description(indexrelid)) ORDER BY indexrelid::regclass::text)
      FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace),
    'policies', (SELECT json_agg(json_build_array(tablename, policyname) ORDER BY tablename, policyname) FROM pg_policies))::text AS facts`;

async function everything(name: string): Promise<unknown> {
  const rows = ['projects', '"odd (table"', 'countries'].map(
    (table) => `(SELECT json_agg(t ORDER BY t::text) FROM ${table} t)`,
  );
  const [row] = await on(
    name,
    'postgres',
    `SELECT (${catalog}) AS facts, json_build_array(${rows.join(', ')}) AS rows`,
  );
  return { facts: JSON.parse(String(row?.['facts'])) as unknown, rows: row?.['rows'] };
}

interface Set {
  readonly move: Adoption;
  readonly owner: pg.Pool;
  readonly app: pg.Pool;
  readonly end: () => Promise<void>;
}

function poolOf(name: string, user: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: server.url(name, user), max: 2 });
  pool.on('error', () => undefined);
  return pool;
}

function set(name: string, options: Partial<AdoptRowsOptions> = {}): Set {
  const [owner, app] = [poolOf(name, 'owner'), poolOf(name, 'app')];
  const step = stepOver(pgSource(owner), app, options);
  return {
    owner,
    app,
    move: adoption({ tenant: system, steps: [step], journal: memoryAdoptionJournal() }),
    end: async () => {
      await owner.end();
      await app.end();
    },
  };
}

function stepOver(owner: TransactionSource, app: pg.Pool, options: Partial<AdoptRowsOptions> = {}): AdoptionStep {
  const tables = ['projects', 'odd (table'];
  return adoptRows(owner, { tables, role: 'app', lockTimeoutMs: 300, verify: { pool: app }, ...options });
}

describe('adopting rows', () => {
  it('gives a grown schema to one tenant, proves it, and takes all of it back exactly', async () => {
    const name = await database();
    const before = await everything(name);
    const { move, app, end } = set(name);
    const plan = (await move.dryRun()).steps[0]?.plan;
    expect(plan).toMatchObject({ obstacles: [], counts: { tables: 2, rowsEstimated: 70 } });
    expect(plan?.sql).toContain('PRIMARY KEY USING INDEX');
    expect(await everything(name)).toEqual(before);

    expect(await move.run()).toMatchObject({ state: 'adopted', steps: [{ step: 'rows', counts: { tables: 2 } }] });
    // What had been looked at was looked at again, and nothing else was.
    expect(
      await on(
        name,
        'owner',
        "SELECT conname AS name, convalidated AS valid FROM pg_constraint WHERE contype = 'f' ORDER BY 1",
      ),
    ).toEqual([
      { name: 'odd (table_parent_fkey', valid: true },
      { name: 'odd (table_the project_fkey', valid: true },
      { name: 'projects_country_fkey', valid: true },
      { name: 'sloppy', valid: false },
    ]);
    const rls = rowLevelSecurity(app);
    const own = (tenant: string, text: string): Promise<unknown[]> =>
      rls.withTenant(contextFor({ tenant }), async (sql) => (await sql.query(text)).rows);
    expect(await own('system', 'SELECT count(*)::int AS n FROM projects')).toEqual([{ n: 50 }]);
    expect(await own('acme', 'SELECT count(*)::int AS n FROM projects')).toEqual([{ n: 0 }]);
    // The same key, in another tenant: it is free there.
    await own('acme', "INSERT INTO projects (id, title) VALUES ('p1', 'of acme')");
    // And no reference leads from one to the other.
    await expect(own('acme', `INSERT INTO "odd (table" ("the project") VALUES ('p2')`)).rejects.toThrow(/foreign key/);
    await own('acme', `INSERT INTO "odd (table" ("the project") VALUES ('p1')`);
    await own('acme', "DELETE FROM projects WHERE id = 'p1'");
    expect(await own('acme', 'SELECT tenant_id, "the project" AS p FROM "odd (table"')).toEqual([
      { tenant_id: 'acme', p: null },
    ]);

    await expect(move.undo()).rejects.toEqual(refusal('storage_conflict', '1 in "public"."odd (table"'));
    expect((await move.status())?.state).toBe('adopted');
    await own('acme', 'DELETE FROM "odd (table"');
    expect(await move.undo()).toMatchObject({ state: 'undone' });
    expect(await everything(name)).toEqual(before);
    await end();
  });

  it('mixes tenants up only when that is said', async () => {
    const name = await database('CREATE TABLE projects (id text PRIMARY KEY)');
    const { move, app, end } = set(name, { tables: ['projects'] });
    await move.run();
    const rls = rowLevelSecurity(app);
    await rls.withTenant(contextFor({ tenant: 'acme' }), (sql) => sql.query("INSERT INTO projects (id) VALUES ('a')"));
    await expect(move.undo()).rejects.toEqual(refusal('storage_conflict'));
    await move.undo({ mixTenants: true });
    expect(await on(name, 'owner', 'SELECT * FROM projects')).toEqual([{ id: 'a' }]);
    await end();
  });

  it('goes on after a crash before or after any commit, and goes back from there', async () => {
    class Crash extends Error {}
    /** Ends at a moment: two for each transaction. */
    const crashing = (moment: number) => {
      let count = 0;
      const pass = (): void => {
        if (++count >= moment) throw new Crash(`at ${String(moment)}`);
      };
      return {
        moments: () => count,
        source: (real: TransactionSource): TransactionSource => ({
          async begin(...how) {
            const open = await real.begin(...how);
            return {
              ...open,
              async commit() {
                try {
                  pass();
                } catch (error) {
                  await open.rollback();
                  throw error;
                }
                const kept = await open.commit();
                pass();
                return kept;
              },
            };
          },
        }),
      };
    };
    const name = await database();
    const before = await everything(name);
    const [owner, app] = [poolOf(name, 'owner'), poolOf(name, 'app')];
    const over = (source: TransactionSource, journal: AdoptionJournal): Adoption =>
      adoption({ tenant: system, steps: [stepOver(source, app)], journal });
    let adopted: unknown;
    for (let moment = 1; ; moment++) {
      const crash = crashing(moment);
      const journal = memoryAdoptionJournal();
      const ended = await over(crash.source(pgSource(owner)), journal)
        .run()
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      if (moment % 2 === 0) {
        // The journal is lost, too: the database alone knows how far it is.
        const second = over(pgSource(owner), memoryAdoptionJournal());
        await second.run();
        adopted ??= await everything(name);
        expect(await everything(name)).toEqual(adopted);
        await second.undo();
      } else await over(pgSource(owner), journal).undo();
      expect(await everything(name)).toEqual(before);
      if (ended === undefined) break;
      expect(ended).toBeInstanceOf(Crash);
      expect(moment).toBeLessThan(40);
    }
    await owner.end();
    await app.end();
  }, 60_000);

  it('rewrites no table, and keeps nobody from it for long', async () => {
    const name = await database(
      'CREATE TABLE projects AS SELECT n AS id, repeat(md5(n::text), 8) AS body FROM generate_series(1, 100000) n; ALTER TABLE projects ADD PRIMARY KEY (id)',
    );
    const file = (): Promise<unknown> =>
      on(name, 'owner', "SELECT pg_relation_filenode('projects') AS f, pg_relation_size('projects') AS s");
    const before = await file();
    const { move, end } = set(name, { tables: ['projects'] });
    await move.run();
    expect(await file()).toEqual(before);
    const rows = await on(
      name,
      'postgres',
      'SELECT count(*)::int AS n, min(tenant_id) AS one, max(tenant_id) AS two FROM projects',
    );
    expect(rows).toEqual([{ n: 100_000, one: 'system', two: 'system' }]);
    await move.undo();
    expect(await file()).toEqual(before);
    await end();
  });

  it('gives up soon where others hold a table, and changes nothing', async () => {
    const name = await database('CREATE TABLE projects (id uuid PRIMARY KEY)');
    const { move, owner, end } = set(name, { tables: ['projects'] });
    const other = await owner.connect();
    await other.query('BEGIN; SELECT * FROM projects');
    await expect(move.run()).rejects.toEqual(refusal('storage_conflict', 'in time'));
    await other.query('COMMIT');
    other.release();
    expect(await move.run()).toMatchObject({ state: 'adopted' });
    await end();
  });

  it('says what was changed by others since, and leaves that only when it is told to', async () => {
    const name = await database('CREATE TABLE projects (id text PRIMARY KEY)');
    const { move, end } = set(name, { tables: ['projects'] });
    await move.run();
    await on(name, 'owner', 'ALTER TABLE projects ADD COLUMN later text; CREATE INDEX later_still ON projects (later)');
    await expect(move.undo()).rejects.toEqual(refusal('storage_refused', 'columns: later; indexes: later_still'));
    expect(
      await on(name, 'owner', "SELECT relforcerowsecurity AS forced FROM pg_class WHERE relname = 'projects'"),
    ).toEqual([{ forced: true }]);
    await move.undo({ inexact: true });
    expect(await on(name, 'owner', 'SELECT * FROM projects')).toEqual([]);
    expect(
      await on(
        name,
        'owner',
        "SELECT attname FROM pg_attribute WHERE attrelid = 'projects'::regclass AND attnum > 0 AND NOT attisdropped",
      ),
    ).toEqual([{ attname: 'id' }, { attname: 'later' }]);
    await end();
  });

  it('is not at its end before the isolation is proven', async () => {
    const name = await database('CREATE TABLE projects (id text PRIMARY KEY)');
    await on(name, 'postgres', 'CREATE VIEW titles AS SELECT * FROM projects; GRANT SELECT ON titles TO app');
    const { move, end } = set(name, { tables: ['projects'] });
    await expect(move.run()).rejects.toEqual(refusal('storage_unproven', 'titles'));
    expect((await move.status())?.state).toBe('running');
    await on(name, 'postgres', 'DROP VIEW titles');
    expect(await move.run()).toMatchObject({ state: 'adopted' });
    await on(name, 'owner', 'ALTER TABLE projects NO FORCE ROW LEVEL SECURITY');
    await expect(move.finish()).rejects.toEqual(refusal('storage_unproven', 'rls_not_forced'));
    await end();
  });

  it('does not take a role that can reach nothing for a proof', async () => {
    const name = await database('CREATE SCHEMA private; CREATE TABLE private.notes (id text PRIMARY KEY)').catch(
      () => '',
    );
    const other = name === '' ? `adopted_${String(count - 1)}` : name;
    if (name === '')
      await on(
        other,
        'postgres',
        'CREATE SCHEMA private AUTHORIZATION owner; SET ROLE owner; CREATE TABLE private.notes (id text PRIMARY KEY)',
      );
    const { move, end } = set(other, { tables: [{ schema: 'private', table: 'notes' }] });
    await expect(move.run()).rejects.toEqual(refusal('storage_unproven', 'USAGE'));
    await on(other, 'owner', 'GRANT USAGE ON SCHEMA private TO app');
    expect(await move.run()).toMatchObject({ state: 'adopted' });
    await end();
  });

  let common: string | undefined;
  const obstacles: readonly (readonly [what: string, sql: string, why: RegExp])[] = [
    ['a column of that name', 'CREATE TABLE a (tenant_id text)', /has a column `tenant_id` already/],
    ['policies', 'CREATE TABLE a (); ALTER TABLE a ENABLE ROW LEVEL SECURITY', /row-level security or policies/],
    ['partitions', 'CREATE TABLE a (n integer) PARTITION BY RANGE (n)', /no ordinary table/],
    ['heirs', 'CREATE TABLE a (); CREATE TABLE b () INHERITS (a)', /heirs/],
    ['an exclusion constraint', 'CREATE TABLE a (r int4range, EXCLUDE USING gist (r WITH &&))', /exclusion constraint/],
    [
      'a reference from a table that stays',
      'CREATE TABLE a (id text PRIMARY KEY); CREATE TABLE b (a text REFERENCES a)',
      /b` refers to it/,
    ],
    [
      'a reference that would set the tenant',
      'CREATE TABLE a (id text PRIMARY KEY, b text REFERENCES a ON UPDATE SET NULL)',
      /foreign key/,
    ],
    [
      'a full match of two columns',
      'CREATE TABLE a (x text, y text, p text, q text, PRIMARY KEY (x, y), FOREIGN KEY (p, q) REFERENCES a MATCH FULL)',
      /foreign key/,
    ],
    [
      'an index for replicas',
      'CREATE TABLE a (id text PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY USING INDEX a_pkey',
      /replicated/,
    ],
    ['a view', 'CREATE VIEW a AS SELECT 1 AS one', /no ordinary table/],
  ];
  it.each(obstacles)('refuses %s before anything is changed', async (_what, sql, why) => {
    common ??= await database('SELECT 1');
    const name = common;
    const schema = `obstacle_${String(count++)}`;
    await on(
      name,
      'postgres',
      `CREATE SCHEMA ${schema} AUTHORIZATION owner; SET ROLE owner; SET search_path = ${schema}; ${sql}`,
    );
    const { move, end } = set(name, { tables: [{ schema, table: 'a' }] });
    const planned = (await move.dryRun()).steps[0]?.plan?.obstacles ?? [];
    expect(planned.map((each) => each.why).join()).toMatch(why);
    await expect(move.run()).rejects.toMatchObject({
      code: 'storage_refused',
      detail: expect.stringMatching(why) as unknown,
    });
    expect(await on(name, 'postgres', "SELECT to_regnamespace('portcullis') AS made")).toEqual([{ made: null }]);
    await end();
  });

  it('says in a dry run that the role is missing, or bound by nothing', async () => {
    const name = await database('CREATE TABLE a ()');
    for (const [role, why] of [
      ['nobody-there', 'no such role'],
      ['postgres', 'no policy binds'],
    ] as const) {
      const owner = poolOf(name, 'owner');
      const move = adoption({
        tenant: system,
        steps: [adoptRows(owner, { tables: ['a'], role })],
        journal: memoryAdoptionJournal(),
      });
      expect((await move.dryRun()).steps[0]?.plan?.obstacles).toEqual([
        expect.objectContaining({ what: role, why: expect.stringContaining(why) as unknown }),
      ]);
      await owner.end();
    }
  });

  it('does not touch what was adopted for another tenant, or by another step', async () => {
    const name = await database('CREATE TABLE a (id text PRIMARY KEY)');
    const { move, owner, end } = set(name, { tables: ['a'] });
    await move.run();
    for (const [tenant, step] of [
      ['acme', 'rows'],
      ['system', 'others'],
    ] as const) {
      const other = adoption({
        tenant: tenantId(tenant),
        steps: [adoptRows(owner, { tables: ['a'], role: 'app', name: step })],
        journal: memoryAdoptionJournal(),
      });
      await expect(other.run()).rejects.toEqual(refusal('storage_refused', 'was adopted for `system` by `rows`'));
      await expect(other.undo()).rejects.toEqual(refusal('storage_refused', 'was adopted for `system` by `rows`'));
    }
    await end();
  });

  it.each([
    [{ tables: [] }, /tables/],
    [{ tables: ['a', 'a'] }, /tables/],
    [{ setting: 'work_mem' }, /setting/],
    [{ lockTimeoutMs: 0 }, /lockTimeoutMs/],
  ])('refuses %j', (options, why) => {
    const pool = new pg.Pool({ connectionString: server.url() });
    expect(() => adoptRows(pool, { tables: ['a'], role: 'app', ...options })).toThrow(why);
  });
});

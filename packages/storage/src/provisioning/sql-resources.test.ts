import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type TenantId } from '@portcullis/core';
import { operatorFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { memoryStore } from '@portcullis/tenants';
import { conformingSql } from '../postgres/rls/conforming-sql.js';
import { migration, type Migration } from '../postgres/schema/migrations.js';
import { schemaName } from '../postgres/schema/schema-name.js';
import { tenantSchemas, type TenantSchemas } from '../postgres/schema/tenant-schemas.js';
import { memoryArchive, type MemoryArchive } from './memory-archive.js';
import { rowsResource } from './rows-resource.js';
import { schemaResource } from './schema-resource.js';
import { sqlJournal } from './sql-journal.js';
import type { TenantLifecycle } from './lifecycle.js';
import { tenantLifecycle } from './tenant-lifecycle.js';
import type { ResourceCall, ResourceEntry, TenantResource } from './tenant-resource.js';

const acme = tenantId('acme');
const other = tenantId('acm');
const day = 86_400_000;
const operator = operatorFor({ expiresAt: Date.now() + 3650 * day });
const refusal = (code: string): unknown => expect.objectContaining({ code });
const call = (tenant: TenantId): ResourceCall => ({ tenant, operator, signal: new AbortController().signal });

const tables = `
  CREATE TYPE mood AS ENUM ('glad', 'sa''d');
  CREATE TYPE pair AS (a integer, b text);
  CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
  CREATE TABLE "every type;" (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "exact ""numeric""" numeric, small numeric(6,2), big bigint, real8 double precision, real4 real,
    j json, jb jsonb, bytes bytea, at timestamptz, local timestamp, d date, t timetz, i interval,
    texts text[], deep integer[][], jsons jsonb[], m mood, p pair, pos positive, c char(5), v varchar(3), u uuid,
    net inet, bits bit varying(8), r int4range, x text, "odd" "char", yes boolean,
    doubled numeric GENERATED ALWAYS AS (small * 2) STORED);
  CREATE TABLE people (id bigserial PRIMARY KEY, boss bigint NOT NULL REFERENCES people, team bigint NOT NULL, name text);
  CREATE TABLE teams (id bigint PRIMARY KEY, lead bigint NOT NULL REFERENCES people ON DELETE RESTRICT);
  ALTER TABLE people ADD CONSTRAINT people_team FOREIGN KEY (team) REFERENCES teams;
  CREATE TABLE events (id integer NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
  CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
  CREATE TABLE no_columns ();
  CREATE TABLE settings (name text PRIMARY KEY, value text);
  INSERT INTO settings VALUES ('theme', 'seeded');
  CREATE SEQUENCE invoices START 100;
  CREATE TABLE log (said text);
  CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log VALUES (TG_OP); NEW.value := NEW.value || '!'; RETURN NEW; END $$;
  CREATE TRIGGER said BEFORE INSERT OR UPDATE ON settings FOR EACH ROW EXECUTE FUNCTION say();
  ALTER TABLE settings ENABLE ALWAYS TRIGGER said;
  CREATE TRIGGER asleep BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION say();
  ALTER TABLE settings DISABLE TRIGGER asleep;
  CREATE MATERIALIZED VIEW names AS SELECT name FROM people;`;

const everyType = (mark: string): string => `
  INSERT INTO "every type;" OVERRIDING SYSTEM VALUE VALUES
    (-7, 123456789012345678901234567890.123456789, 1.10, 9007199254740993, 0.30000000000000004, 1.2345678e-30,
     '{"a" : 1, "a":2,  "é":null}', '{"b": [1.50, null, 12345678901234567890.5]}', '\\x00ff0a', '2024-02-29 12:34:56.789012+05:30',
     '0044-03-15 00:00:00 BC', 'infinity', '12:00:00.000001-08', '1 year 2 mons -3 days 04:05:06.000007',
     ARRAY['a,b', NULL, 'NULL', '', '"\\'], ARRAY[[1,2],[3,NULL]], ARRAY['null'::jsonb, '{"x":1}'], 'sa''d',
     ROW(NULL, 'x,"y')::pair, 3, 'ab', 'é€', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/24', B'101', '[1,5)',
     E'${mark} \\u2028 \\\\n \\n \\t \\U0001F600 "quoted" '' \\\\', 'z', true),
    (-8, 'NaN', NULL, NULL, '-Infinity', NULL, 'null', 'null', '', NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, NULL,
     NULL, NULL, NULL, '', NULL, NULL, NULL, 'empty', '', NULL, false);
  INSERT INTO "every type;" (x) SELECT repeat('row', 10) || n FROM generate_series(1, 2500) n;`;

const filling = (mark: string): string => `
  ${everyType(mark)}
  ALTER TABLE people DROP CONSTRAINT people_team;
  INSERT INTO people (boss, team, name) VALUES (2, 1, '${mark} A'), (1, 1, 'B'), (3, 2, NULL);
  INSERT INTO teams VALUES (1, 2), (2, 3);
  ALTER TABLE people ADD CONSTRAINT people_team FOREIGN KEY (team) REFERENCES teams;
  INSERT INTO events VALUES (1, '2019-05-05'), (2, '2021-05-05');
  INSERT INTO no_columns DEFAULT VALUES;
  UPDATE settings SET value = '${mark} dark'; INSERT INTO settings VALUES ('size', 'big');
  SELECT nextval('invoices'), nextval('invoices'); REFRESH MATERIALIZED VIEW names;`;

let server: PostgresServer;
const opened: pg.Pool[] = [];
beforeAll(async () => {
  server = await startPostgres();
  await root('postgres', 'CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE migrator LOGIN CREATEROLE');
});
afterAll(async () => {
  await Promise.all(opened.map((pool) => pool.end()));
  await server.stop();
});

/** Ended with the server, whose last word to an idle connection is an error. */
function opening(pool: pg.Pool): pg.Pool {
  pool.on('error', () => undefined);
  opened.push(pool);
  return pool;
}

async function root(database: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(server.url(database));
  await client.connect();
  try {
    const result: unknown = await client.query(text);
    return (Array.isArray(result) ? (result.at(-1) as pg.QueryResult) : (result as pg.QueryResult)).rows as Record<
      string,
      unknown
    >[];
  } finally {
    await client.end();
  }
}

async function database(name: string): Promise<pg.Pool> {
  await root('postgres', `CREATE DATABASE ${name} OWNER migrator`);
  // Settings of the role's that would change how values are written, were they left.
  await root(
    'postgres',
    `ALTER ROLE migrator IN DATABASE ${name} SET datestyle = 'German'; ALTER ROLE migrator IN DATABASE ${name} SET extra_float_digits = -5;
     ALTER ROLE migrator IN DATABASE ${name} SET bytea_output = 'escape'; ALTER ROLE migrator IN DATABASE ${name} SET timezone = 'Asia/Tokyo';
     ALTER ROLE migrator IN DATABASE ${name} SET intervalstyle = 'sql_standard'`,
  );
  const pool = new pg.Pool({ connectionString: server.url(name, 'migrator'), max: 4 });
  return opening(pool);
}

/** Everything in a schema, as the superuser's dump of each table has it, with its triggers and constraints. */
async function dump(name: string, schema: string): Promise<unknown> {
  const tablesFound = await root(
    name,
    `SELECT c.relname, c.relkind::text AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = '${schema}' AND c.relkind IN ('r', 'S', 'm') ORDER BY 1`,
  );
  const held: Record<string, unknown> = {};
  for (const { relname, kind } of tablesFound) {
    const place = `"${schema}"."${String(relname)}"`;
    const what = kind === 'S' ? "last_value::text || ' ' || is_called" : 'whole_row::text';
    held[String(relname)] = await root(name, `SELECT ${what} AS row FROM ${place} AS whole_row ORDER BY 1`);
  }
  const triggers = await root(
    name,
    `SELECT t.tgname::text, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = '"${schema}"'::regnamespace AND NOT t.tgisinternal ORDER BY 1`,
  );
  const constraints = await root(
    name,
    `SELECT conname::text, condeferrable, convalidated FROM pg_constraint WHERE connamespace = '"${schema}"'::regnamespace ORDER BY 1`,
  );
  return { held, triggers, constraints };
}

function textOf(archive: MemoryArchive, id: string): string {
  return [...archive.archives.get(id)!.values()].map((file) => Buffer.from(file).toString()).join('\n');
}

interface Setup {
  readonly lifecycle: TenantLifecycle;
  readonly archive: MemoryArchive;
  readonly clock: { now: number };
}

async function lifecycleOver(pool: pg.Pool, resource: TenantResource): Promise<Setup> {
  const journal = sqlJournal(pool);
  await journal.install();
  const clock = { now: Date.now() };
  const archive = memoryArchive();
  const lifecycle = tenantLifecycle({
    resources: [resource],
    registry: memoryStore(),
    journal,
    archive,
    record: () => Promise.resolve(),
    clock: () => clock.now,
    settleMs: 0,
  });
  for (const id of [acme, other]) await lifecycle.provision(operator, { id, name: id });
  return { lifecycle, archive, clock };
}

describe('a schema for each tenant', () => {
  // Roles belong to the whole server: each database has names of its own.
  const schemasOf = (name: string, pool: pg.Pool, migrations: readonly Migration[]): TenantSchemas =>
    tenantSchemas(pool, { login: 'app', migrations, prefix: `${name}_` });

  async function setup(name: string): Promise<Setup & { readonly pool: pg.Pool; readonly migrations: Migration[] }> {
    const pool = await database(name);
    const migrations = [migration('0001-tables', tables)];
    const schemas = schemasOf(name, pool, migrations);
    await schemas.install();
    return { ...(await lifecycleOver(pool, schemaResource(schemas))), pool, migrations };
  }
  const fillSchema = (name: string, id: TenantId): Promise<unknown> =>
    root(name, `SET search_path = "${schemaName(id, `${name}_`)}"; ${filling(`of ${id}`)}`);

  it('comes back from its archive with every value, key, sequence and trigger as it was', async () => {
    const { lifecycle, archive, clock } = await setup('s1');
    await fillSchema('s1', acme);
    await fillSchema('s1', other);
    const before = await dump('s1', schemaName(acme, 's1_'));
    const neighbour = await dump('s1', schemaName(other, 's1_'));
    expect((before as { held: Record<string, unknown[]> }).held['every type;']).toHaveLength(2502);

    const { archive: id } = await lifecycle.deprovision(operator, acme);
    expect(textOf(archive, id!)).toContain('of acme');
    expect(textOf(archive, id!)).not.toContain('of acm ');
    clock.now += 30 * day;
    const gone = await lifecycle.deprovision(operator, acme);
    expect(gone.steps[1]).toMatchObject({ step: 'remove:schema', counts: { tables: 8, rows: 2514 } });
    expect(await root('s1', `SELECT nspname FROM pg_namespace WHERE nspname = '${schemaName(acme, 's1_')}'`)).toEqual(
      [],
    );

    await lifecycle.restore(operator, acme, id!);
    expect(await dump('s1', schemaName(acme, 's1_'))).toEqual(before);
    expect(await dump('s1', schemaName(other, 's1_'))).toEqual(neighbour);
  });

  it('leaves nothing half restored when the application has changed or the archive is damaged meanwhile', async () => {
    const { lifecycle, archive, clock, pool, migrations } = await setup('s2');
    await fillSchema('s2', acme);
    const { archive: id } = await lifecycle.deprovision(operator, acme);
    clock.now += 30 * day;
    await lifecycle.deprovision(operator, acme);
    const entries = async function* (name: string, lines: readonly string[]): AsyncGenerator<ResourceEntry> {
      await Promise.resolve();
      yield { name, content: ReadableStream.from([Buffer.from(lines.join('\n'))]) };
    };
    const changed = [...migrations, migration('0002-no-x', 'ALTER TABLE people DROP COLUMN name CASCADE')];
    const later = schemaResource(schemasOf('s2', pool, changed));
    for (const [name, lines] of [
      ['table:people', ['{"columns":["id","name"]}', '["1","x"]']],
      ['table:gone', ['{"columns":["id"]}', '["1"]']],
      ['table:settings', ['{"columns":["name","value"]}', '["1"]']],
      ['table:settings', ['{"columns":["name","name"]}', '["1","2"]']],
      ['table:settings', []],
      ['sequences', ['["pg_class","1",true]']],
    ] as const) {
      await expect(later.restore(call(acme), entries(name, lines)), `${name} ${lines.join()}`).rejects.toEqual(
        refusal('storage_refused'),
      );
      expect(await root('s2', `SELECT * FROM "${schemaName(acme, 's2_')}".settings`)).toEqual([
        { name: 'theme', value: 'seeded' },
      ]);
    }
    await later.remove(call(acme));
    expect(await lifecycle.restore(operator, acme, id!)).toMatchObject({ state: 'done' });
    expect(archive.archives.size).toBe(1);
  });

  it('is not exported where a policy would leave rows out', async () => {
    const { lifecycle, archive } = await setup('s3');
    const place = `"${schemaName(acme, 's3_')}".settings`;
    await root('s3', `ALTER TABLE ${place} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${place} FORCE ROW LEVEL SECURITY`);
    await expect(lifecycle.deprovision(operator, acme)).rejects.toEqual(refusal('storage_refused'));
    expect(archive.archives.size).toBe(0);
  });
});

describe('rows in tables that tenants share', () => {
  const tenantTables = ['notes', 'people', 'teams'];
  const create = `
    CREATE TABLE notes (tenant_id text NOT NULL, id integer GENERATED ALWAYS AS IDENTITY, amount numeric, j jsonb, at timestamptz,
      parent integer, twice numeric GENERATED ALWAYS AS (amount * 2) STORED, PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, parent) REFERENCES notes);
    CREATE TABLE people (tenant_id text NOT NULL, id integer, team integer NOT NULL, name text, PRIMARY KEY (tenant_id, id));
    CREATE TABLE teams (tenant_id text NOT NULL, id integer, lead integer NOT NULL, PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, lead) REFERENCES people);
    ALTER TABLE people ADD CONSTRAINT people_team FOREIGN KEY (tenant_id, team) REFERENCES teams;`;
  const insert = (id: string): string => `
    SET app.tenant_id = '${id}';
    INSERT INTO notes (tenant_id, amount, j, at, parent)
      VALUES ('${id}', 12345678901234567890.12, '{"of":"of ${id} "}', '2024-01-01 00:00:00.000001Z', NULL), ('${id}', NULL, 'null', NULL, NULL);
    UPDATE notes SET parent = id WHERE tenant_id = '${id}';
    WITH a AS (INSERT INTO people VALUES ('${id}', 1, 1, 'of ${id} ')) INSERT INTO teams VALUES ('${id}', 1, 1);`;

  async function setup(name: string, user = 'migrator'): Promise<Setup & { readonly resource: TenantResource }> {
    const pool = await database(name);
    await root(name, `SET ROLE migrator; ${create}`);
    for (const table of tenantTables) await root(name, `SET ROLE migrator; ${conformingSql({ table })}`);
    for (const id of ['acme', 'acm']) await root(name, `SET ROLE migrator; ${insert(id)}`);
    const own = new pg.Pool({ connectionString: server.url(name, user), max: 4 });
    opening(own);
    const resource = rowsResource(own, { tables: tenantTables });
    // Rows of both are there before their records are: handed over.
    const journal = sqlJournal(pool);
    await journal.install();
    const clock = { now: Date.now() };
    const archive = memoryArchive();
    const lifecycle = tenantLifecycle({
      ...{ resources: [resource], registry: memoryStore(), journal, archive },
      record: () => Promise.resolve(),
      clock: () => clock.now,
      settleMs: 0,
    });
    for (const id of [acme, other]) await lifecycle.provision(operator, { id, name: id }, { adopt: true });
    return { lifecycle, archive, clock, resource };
  }
  const rowsOf = async (name: string): Promise<unknown> =>
    Promise.all(
      tenantTables.map((table) => root(name, `SELECT whole_row::text AS row FROM ${table} whole_row ORDER BY 1`)),
    );

  it.each(['migrator', 'postgres'])(
    'are exported, deleted and brought back, no other tenant’s, as %s',
    async (user) => {
      const name = `r_${user}`;
      const { lifecycle, archive, clock, resource } = await setup(name, user);
      const before = await rowsOf(name);
      expect(await resource.describe(call(acme))).toEqual({ tables: 3, rows: 4 });
      const { archive: id } = await lifecycle.deprovision(operator, acme);
      expect(textOf(archive, id!)).toContain('of acme ');
      expect(textOf(archive, id!)).not.toContain('of acm ');
      clock.now += 30 * day;
      await lifecycle.deprovision(operator, acme);
      expect(await root(name, `SELECT DISTINCT tenant_id FROM notes`)).toEqual([{ tenant_id: 'acm' }]);
      expect(await resource.has(call(acme))).toBe(false);
      expect(await resource.has(call(other))).toBe(true);
      await lifecycle.restore(operator, acme, id!);
      expect(await rowsOf(name)).toEqual(before);
    },
  );

  it('of another tenant are not taken from an archive, also where no policy would say so', async () => {
    const { resource } = await setup('r3', 'postgres');
    const before = await rowsOf('r3');
    const fresh = tenantId('fresh');
    const restore = (lines: string): Promise<void> =>
      resource.restore(
        call(fresh),
        ReadableStream.from<ResourceEntry>([
          { name: 'table:people', content: ReadableStream.from([Buffer.from(lines)]) },
        ]),
      );
    await expect(restore('{"columns":["tenant_id","id","team"]}\n["acm","9","1"]')).rejects.toEqual(
      refusal('storage_refused'),
    );
    await expect(restore('{"columns":["id","team"]}\n["9","1"]')).rejects.toEqual(refusal('storage_refused'));
    expect(await rowsOf('r3')).toEqual(before);
  });

  it('that a trigger keeps are not called deleted, and tables that are not there are no place', async () => {
    const { resource } = await setup('r4');
    const before = await rowsOf('r4');
    await root(
      'r4',
      `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER keep BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION keep()`,
    );
    await expect(resource.remove(call(acme))).rejects.toEqual(refusal('storage_refused'));
    expect(await rowsOf('r4')).toEqual(before);
    const pool = opened.at(-1)!;
    await expect(rowsResource(pool, { tables: ['nothing'] }).provision(call(acme))).rejects.toEqual(
      refusal('storage_refused'),
    );
    await expect(rowsResource(pool, { tables: ['notes'], tenantColumn: 'id2' }).provision(call(acme))).rejects.toEqual(
      refusal('storage_refused'),
    );
    for (const options of [{ tables: [] }, { tables: ['a', 'a'] }, { tables: ['a'], setting: 'role' }])
      expect(() => rowsResource(pool, options)).toThrow(refusal('config_invalid'));
  });
});

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { conformingSql, hardeningSql, policySql } from './conforming-sql.js';
import { fixesOf, type FindingCode, type Verification } from '../findings.js';
import type { InspectOptions } from './inspect.js';
import { rowLevelSecurity, type RowLevelSecurityOptions } from './row-level-security.js';
import { tenantIndexName } from './tenant-index.js';

let server: PostgresServer;
let count = 0;

beforeAll(async () => {
  server = await startPostgres();
  await asRoot(
    'postgres',
    'CREATE ROLE app LOGIN; CREATE ROLE "app-2" LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE bypassing LOGIN BYPASSRLS',
  );
  await asRoot('postgres', 'CREATE DATABASE template_good OWNER owner');
  await asRoot(
    'template_good',
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO owner; REVOKE TEMPORARY ON DATABASE template_good FROM PUBLIC',
  );
  await asOwner(
    'template_good',
    `CREATE TABLE public.projects (tenant_id text, id text, PRIMARY KEY (tenant_id, id));
     CREATE TABLE public.notes (tenant_id text, id text, project text, body text, is_public boolean,
       PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, project) REFERENCES public.projects (tenant_id, id));
     CREATE TABLE public.countries (code text PRIMARY KEY);
     GRANT SELECT ON public.countries TO app;
     ${conformingSql({ table: 'projects', role: 'app' })}
     ${conformingSql({ table: 'notes', role: 'app' })}`,
  );
});
afterAll(() => server.stop());

async function run(url: string, text: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
const asRoot = (database: string, text: string): Promise<void> => run(server.url(database), text);
const asOwner = (database: string, text: string): Promise<void> => run(server.url(database, 'owner'), text);

async function good(): Promise<string> {
  const name = `verified_${String(count++)}`;
  await asRoot('postgres', `CREATE DATABASE ${name} TEMPLATE template_good OWNER owner`);
  await asRoot(name, `REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC`);
  return name;
}

const shared: InspectOptions = { sharedTables: ['public.countries'] };

async function inspected(
  database: string,
  how: InspectOptions = {},
  options: RowLevelSecurityOptions = {},
  user = 'app',
): Promise<Verification & { verified: boolean }> {
  const pool = new pg.Pool({ connectionString: server.url(database, user), max: 2 });
  try {
    const found = await rowLevelSecurity(pool, options).inspect({ ...shared, ...how });
    return { ...found, verified: found.findings.every(({ level }) => level !== 'error') };
  } finally {
    await pool.end();
  }
}

it('lets a server start on the findings alone: none that is an error', async () => {
  const database = await good();
  const pool = new pg.Pool({ connectionString: server.url(database, 'app') });
  const rls = rowLevelSecurity(pool);
  expect((await rls.verify(shared)).findings.map(({ level }) => level)).toEqual(['warning']);
  await expect(rls.verify()).rejects.toMatchObject({
    code: 'storage_unproven',
    message: expect.stringContaining('"public"."countries" (table_without_tenant)') as string,
    detail: expect.stringContaining('REVOKE ALL ON TABLE "public"."countries"') as string,
  });
  await pool.end();
});

const summary = ({ findings }: Verification): string[] =>
  findings.filter(({ level }) => level === 'error').map(({ code, subject }) => `${code} ${subject}`);

it('finds nothing wrong where the generator made the tables', async () => {
  const found = await inspected(await good());
  expect(found).toMatchObject({
    verified: true,
    role: 'app',
    tables: ['"public"."notes"', '"public"."projects"'],
  });
  expect(found.findings.map(({ level, code }) => [level, code])).toEqual([['warning', 'settings_writable']]);
});

const own = "tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), ''))";
const drop = 'DROP POLICY portcullis_tenant ON notes; DROP POLICY portcullis_tenant_only ON notes;';

type Broken = readonly [what: string, sql: string, expected: readonly string[], by?: 'root'];

const broken: readonly Broken[] = [
  [
    'row-level security switched off',
    'ALTER TABLE notes DISABLE ROW LEVEL SECURITY',
    ['rls_disabled "public"."notes"'],
  ],
  [
    'row-level security that is not forced',
    'ALTER TABLE notes NO FORCE ROW LEVEL SECURITY',
    ['rls_not_forced "public"."notes"'],
  ],
  [
    'a permissive policy beside the tenant’s, without the restrictive one',
    `DROP POLICY portcullis_tenant_only ON notes; CREATE POLICY everyone ON notes FOR SELECT USING (is_public)`,
    ['policy_read "public"."notes"'],
  ],
  [
    'reads bound, writes not',
    `${drop} CREATE POLICY r ON notes FOR SELECT USING (${own}); CREATE POLICY a ON notes FOR INSERT WITH CHECK (true)`,
    ['policy_unset_tenant "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'updates that may move a row',
    `${drop} CREATE POLICY r ON notes FOR SELECT USING (${own}); CREATE POLICY w ON notes FOR UPDATE USING (${own}) WITH CHECK (true)`,
    ['policy_unset_tenant "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'deletes that reach everything',
    `${drop} CREATE POLICY r ON notes FOR SELECT USING (${own}); CREATE POLICY d ON notes FOR DELETE USING (true)`,
    ['policy_unset_tenant "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a policy that says nothing of the tenant',
    `${drop} CREATE POLICY p ON notes USING (body IS NOT NULL)`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'another setting that opens everything',
    `${drop} CREATE POLICY p ON notes USING (${own} OR current_setting('app.bypass', true) = 'on')`,
    ['policy_reads_other_setting "public"."notes"', 'policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'an unset tenant that matches every row',
    `${drop} CREATE POLICY p ON notes USING (tenant_id = current_setting('app.tenant_id', true) OR coalesce(current_setting('app.tenant_id', true), '') = '')`,
    ['policy_unset_tenant "public"."notes"', 'policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'an empty setting that matches the empty tenant',
    `${drop} CREATE POLICY p ON notes USING (tenant_id = current_setting('app.tenant_id', true))`,
    ['policy_unset_tenant "public"."notes"', 'policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a prefix in place of equality',
    `${drop} CREATE POLICY p ON notes USING (starts_with(tenant_id, left(NULLIF(current_setting('app.tenant_id', true), ''), 3)))`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  ...(
    [
      ['the client’s address', `${own} OR inet_client_addr() = '10.0.0.1'`],
      ['a role of the session', `${own} OR pg_has_role('pg_monitor', 'MEMBER')`],
      ['the time', `${own} OR now() > '2100-01-01'`],
      ['the date', `${own} OR CURRENT_DATE > '2100-01-01'`],
      ['the whole row', `${own} OR (notes.*)::text LIKE '%public%'`],
      ['a tenant that may see all rows', `${own} OR NULLIF(current_setting('app.tenant_id', true), '') = 'admin'`],
      ['an order', `${own} OR tenant_id > 'x'`],
      ['a pattern', `${own} OR tenant_id LIKE 'public%'`],
      ['letters without their case', "lower(tenant_id) = lower(NULLIF(current_setting('app.tenant_id', true), ''))"],
      [
        'the beginning of an id',
        "tenant_id::varchar(20) = NULLIF(current_setting('app.tenant_id', true), '')::varchar(20)",
      ],
    ] as const
  ).map(([what, using]): Broken => [
    `a policy that is open for ${what}`,
    `${drop} CREATE POLICY p ON notes USING (${using})`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ]),
  [
    'a policy that is open for rows that all may see',
    `${drop} CREATE POLICY p ON notes USING (${own} OR tenant_id = 'shared')`,
    ['policy_unset_tenant "public"."notes"', 'policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a policy that calls a function of somebody’s making',
    `${drop} CREATE FUNCTION public.open() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';
     CREATE POLICY p ON notes USING (${own} OR public.open())`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a policy that compares by an operator of somebody’s making',
    `${drop} CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 OPERATOR(pg_catalog.=) $2';
     CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
     CREATE POLICY p ON notes USING (tenant_id === NULLIF(current_setting('app.tenant_id', true), ''))`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a policy that compares by one without showing it',
    `${drop} CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
     CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same); SET search_path = public, pg_catalog;
     CREATE POLICY p ON notes USING (tenant_id IS NOT NULL AND tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant_id', true), ''))`,
    ['policy_read "public"."notes"', 'policy_write "public"."notes"'],
  ],
  [
    'a tenant column that takes different tenants for one',
    `CREATE COLLATION public.folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     CREATE TABLE public.folded (tenant_id text COLLATE public.folding, id text, PRIMARY KEY (tenant_id, id));
     ${conformingSql({ table: 'folded', role: 'app' })}`,
    ['policy_read "public"."folded"', 'policy_write "public"."folded"'],
  ],
  [
    'no index for the tenant',
    'DROP INDEX notes_tenant_idx; ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id, tenant_id)',
    ['tenant_index "public"."notes"'],
  ],
  ['a unique key over all tenants', 'ALTER TABLE notes ADD UNIQUE (body)', ['unique_without_tenant "public"."notes"']],
  [
    'a unique index that only includes the tenant',
    'CREATE UNIQUE INDEX ON notes (body) INCLUDE (tenant_id)',
    ['unique_without_tenant "public"."notes"'],
  ],
  [
    'a foreign key into another tenant',
    'ALTER TABLE projects ADD COLUMN code text, ADD UNIQUE (code); ALTER TABLE notes ADD FOREIGN KEY (project) REFERENCES projects (code)',
    ['foreign_key_without_tenant "public"."notes"', 'unique_without_tenant "public"."projects"'],
  ],
  [
    'a table without a tenant',
    'CREATE TABLE public.secrets (id text); GRANT SELECT ON public.secrets TO app',
    ['table_without_tenant "public"."secrets"'],
  ],
  [
    'a table without a tenant of which one column may be read',
    'CREATE TABLE public.secrets (id text); GRANT SELECT (id) ON public.secrets TO app',
    ['table_without_tenant "public"."secrets"'],
  ],
  [
    'a shared table that may be written',
    'GRANT INSERT ON public.countries TO app',
    ['shared_table_writable "public"."countries"'],
  ],
  ['TRUNCATE', 'GRANT TRUNCATE ON notes TO app', ['truncate_granted "public"."notes"']],
  [
    'a partition that may be read directly',
    `CREATE TABLE events (tenant_id text NOT NULL, at date, PRIMARY KEY (tenant_id, at)) PARTITION BY RANGE (at);
     CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
     ${policySql({ table: 'events' })} GRANT SELECT ON events, events_1 TO app`,
    ['rls_disabled "public"."events_1"', 'rls_not_forced "public"."events_1"'],
  ],
  [
    'a view of a superuser’s',
    'CREATE VIEW public.all_notes AS SELECT * FROM notes; GRANT SELECT ON public.all_notes TO app',
    ['view_bypasses public.all_notes'],
    'root',
  ],
  [
    'a view over a superuser’s view',
    `CREATE VIEW public.inner_notes AS SELECT * FROM notes; GRANT SELECT ON public.inner_notes TO owner;
     SET ROLE owner; CREATE VIEW public.outer_notes AS SELECT * FROM public.inner_notes; GRANT SELECT ON public.outer_notes TO app`,
    ['view_bypasses public.inner_notes'],
    'root',
  ],
  [
    'a materialized view',
    'CREATE MATERIALIZED VIEW public.counted AS SELECT * FROM notes; GRANT SELECT ON public.counted TO app',
    ['materialized_view public.counted'],
  ],
  [
    'a SECURITY DEFINER function',
    'CREATE FUNCTION public.all_of() RETURNS SETOF notes LANGUAGE sql SECURITY DEFINER AS $$ SELECT * FROM notes $$',
    ['function_bypasses public.all_of()'],
    'root',
  ],
  [
    'a trigger that is SECURITY DEFINER',
    `CREATE FUNCTION public.copied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN NEW; END $$;
     REVOKE EXECUTE ON FUNCTION public.copied() FROM PUBLIC;
     CREATE TRIGGER copies AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION public.copied()`,
    ['trigger_bypasses "public"."notes"'],
    'root',
  ],
];

describe('names what falls short', () => {
  it.each(broken.map(([what, sql, expected, by]) => ({ what, sql, expected, by })))(
    '$what',
    async ({ sql, expected, by }) => {
      const database = await good();
      await (by === 'root' ? asRoot(database, sql) : asOwner(database, sql));
      const found = await inspected(database);
      expect([...new Set(summary(found))].sort()).toEqual([...expected].sort());
      expect(found.verified).toBe(false);
    },
  );

  it('a role that no policy binds, and a login that may go back to being one', async () => {
    const database = await good();
    await asRoot(database, 'GRANT ALL ON ALL TABLES IN SCHEMA public TO bypassing');
    expect(summary(await inspected(database, {}, {}, 'bypassing'))).toContain('role_bypasses "bypassing"');
    expect(summary(await inspected(database, {}, {}, 'postgres'))).toContain('role_bypasses "postgres"');
    expect(summary(await inspected(database, {}, { role: 'app' }, 'postgres'))).toEqual(['login_bypasses "postgres"']);
    await asRoot(database, hardeningSql(database));
    expect(summary(await inspected(database, {}, { role: 'app' }, 'postgres'))).toEqual([]);
  });

  it('a role that is a member of one that no policy binds', async () => {
    const database = await good();
    await asRoot(database, 'GRANT bypassing TO app');
    const found = await inspected(database);
    await asRoot(database, 'REVOKE bypassing FROM app');
    expect(summary(found)).toEqual(['role_can_become "app"']);
  });

  it('rows that a role of its own rules sees without a tenant', async () => {
    const database = await good();
    await asRoot(
      database,
      "INSERT INTO notes (tenant_id, id) VALUES ('acme', '1'); ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
    );
    expect(summary(await inspected(database))).toContain('visible_without_tenant "public"."notes"');
  });
});

it.each([
  ['everybody', 'app', 'PUBLIC'],
  ['the role itself', 'app-2', '"app-2"'],
])('mends what it names: after the fixes, the verification passes (privileges of %s)', async (_whose, role, holder) => {
  const database = await good();
  await asOwner(
    database,
    `CREATE TABLE public.raw (tenant_id text, id text, PRIMARY KEY (id, tenant_id)); GRANT ALL ON public.raw, public.notes, public.countries TO ${holder};
     ${drop} CREATE POLICY p ON notes USING (true); DROP INDEX notes_tenant_idx; CREATE TABLE public.loose (id text); GRANT SELECT ON public.loose TO ${holder};
     CREATE MATERIALIZED VIEW public.counted AS SELECT * FROM notes; GRANT SELECT ON public.counted TO ${holder}`,
  );
  await asRoot(
    database,
    `CREATE FUNCTION public.all_of(int) RETURNS SETOF notes LANGUAGE sql SECURITY DEFINER AS $$ SELECT * FROM notes $$;
     CREATE PROCEDURE public.wipe(INOUT ids int) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM notes; END $$;
     GRANT EXECUTE ON FUNCTION public.all_of(int), pg_catalog.set_config(text, text, boolean), pg_catalog.lo_put(oid, bigint, bytea) TO ${holder};
     GRANT EXECUTE ON PROCEDURE public.wipe(int) TO ${holder}; GRANT SELECT ON pg_catalog.pg_stat_activity TO ${holder};
     GRANT CREATE ON SCHEMA public TO ${holder}; GRANT TEMPORARY ON DATABASE ${database} TO ${holder}`,
  );
  const before = await inspected(database, { untrustedSql: true }, {}, role);
  expect(before.verified).toBe(false);
  expect(new Set(before.findings.map(({ code }) => code))).toEqual(
    new Set<FindingCode>([
      'settings_writable',
      'temporary_tables',
      'activity_visible',
      'large_objects',
      'shared_table_writable',
      'table_without_tenant',
      'rls_disabled',
      'rls_not_forced',
      'truncate_granted',
      'table_privileges',
      'tenant_column_unchecked',
      'tenant_index',
      'policy_unset_tenant',
      'policy_read',
      'policy_write',
      'materialized_view',
      'function_bypasses',
      'schema_create',
    ]),
  );
  await asRoot(database, fixesOf(before.findings));
  const after = await inspected(database, { untrustedSql: true }, {}, role);
  expect(after.findings).toEqual([]);
  expect(after.verified).toBe(true);
});

it('hides what others run, also from whoever asks the functions below the view', async () => {
  const database = await good();
  await asRoot(database, hardeningSql(database));
  for (const text of [
    'SELECT query FROM pg_stat_activity',
    'SELECT query FROM pg_stat_get_activity(NULL)',
    'SELECT pg_stat_get_backend_activity(1)',
  ])
    await expect(run(server.url(database, 'app'), text)).rejects.toThrow('permission denied');
  await asRoot(database, 'GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO app');
  const { findings } = await inspected(database, { untrustedSql: true });
  expect(findings.map(({ code }) => code)).toEqual(['activity_visible']);
  await asRoot(database, fixesOf(findings));
  expect((await inspected(database, { untrustedSql: true })).findings).toEqual([]);
});

it('finds each function that makes large objects, and takes all of them away', async () => {
  const database = await good();
  await asRoot(database, `${hardeningSql(database)}; GRANT EXECUTE ON FUNCTION lo_create(oid) TO app`);
  const found = await inspected(database, { untrustedSql: true });
  expect(summary(found)).toEqual(['large_objects "app"']);
  await asRoot(database, fixesOf(found.findings));
  expect((await inspected(database, { untrustedSql: true })).findings).toEqual([]);
});

it('makes what only hostile SQL could use an error where SQL is not trusted', async () => {
  const database = await good();
  await asRoot(database, 'GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT TEMPORARY ON DATABASE postgres TO PUBLIC');
  await asRoot(database, `GRANT TEMPORARY ON DATABASE ${database} TO PUBLIC`);
  const found = await inspected(database, { untrustedSql: true });
  const codes = (level: string): FindingCode[] =>
    found.findings
      .filter((one) => one.level === level)
      .map(({ code }) => code)
      .sort();
  expect(codes('error')).toEqual(['large_objects', 'schema_create', 'settings_writable', 'temporary_tables']);
  await asRoot(database, hardeningSql(database));
  expect((await inspected(database, { untrustedSql: true })).findings).toEqual([]);
});

it('warns of policies that are right and slow, or right as far as it was tried', async () => {
  const database = await good();
  await asOwner(
    database,
    `${drop} CREATE FUNCTION public.me() RETURNS text LANGUAGE sql STABLE AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '') $$;
     CREATE POLICY p ON notes USING (tenant_id = public.me());
     DROP POLICY portcullis_tenant ON projects; DROP POLICY portcullis_tenant_only ON projects;
     CREATE POLICY p ON projects USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))`,
  );
  const found = await inspected(database);
  expect(found.verified).toBe(true);
  expect(found.findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
    'settings_writable "app"',
    'policy_calls_function "public"."notes"',
    'policy_per_row "public"."projects"',
  ]);
});

it('says what in a policy cannot be shown', async () => {
  const database = await good();
  await asOwner(database, `${drop} CREATE POLICY p ON notes USING (${own} OR now() > '2100-01-01')`);
  const { findings } = await inspected(database);
  expect(findings.find(({ code }) => code === 'policy_read')?.message).toBe(
    'SELECT: `p` (calls `now`) is not bound to the tenant, and no restrictive policy is',
  );
});

it.each([
  "tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> ''",
  `tenant_id IS NOT NULL AND ${own} AND tenant_id NOT IN ('blocked', 'gone')`,
  `CASE WHEN ${own} THEN true ELSE false END`,
  `coalesce(${own}, false)`,
  `tenant_id COLLATE "C" = (SELECT NULLIF(current_setting('app.tenant_id', true), ''))`,
  `${own} AND NULLIF(current_setting('app.tenant_id', true), '') <> 'blocked'`,
])('takes a policy that compares by equality alone: %s', async (using) => {
  const database = await good();
  await asOwner(database, `${drop} CREATE POLICY p ON notes USING (${using})`);
  expect(summary(await inspected(database))).toEqual([]);
});

it('lets restrictive policies beside the tenant’s narrow it by whatever they like', async () => {
  const database = await good();
  await asOwner(database, "CREATE POLICY a_r ON notes AS RESTRICTIVE USING (now() < '2100-01-01' OR is_public)");
  expect((await inspected(database)).findings.map(({ code }) => code)).toEqual(['settings_writable']);
});

it('cuts no tenant’s id off where the column is short', async () => {
  const database = await good();
  await asOwner(
    database,
    `CREATE TABLE public.short (tenant_id varchar(20), id text, PRIMARY KEY (tenant_id, id));
     ${conformingSql({ table: 'short', role: 'app', tenantType: 'character varying(20)' })}`,
  );
  const pool = new pg.Pool({ connectionString: server.url(database, 'app') });
  const rls = rowLevelSecurity(pool);
  const whole = contextFor({ tenant: 'x'.repeat(20) });
  const longer = contextFor({ tenant: 'x'.repeat(21) });
  await rls.withTenant(whole, (sql) => sql.query("INSERT INTO short (id) VALUES ('1')"));
  expect((await rls.withTenant(longer, (sql) => sql.query('SELECT * FROM short'))).rows).toEqual([]);
  await expect(rls.withTenant(longer, (sql) => sql.query("INSERT INTO short (id) VALUES ('2')"))).rejects.toThrow(
    /too long/,
  );
  expect((await rls.withTenant(whole, (sql) => sql.query('SELECT id FROM short'))).rows).toEqual([{ id: '1' }]);
  await pool.end();
});

it.each(['uuid', 'bigint', 'character varying(36)', 'character(36)', 'varchar'])(
  'isolates by a tenant column of type %s as well',
  async (type) => {
    const database = await good();
    await asOwner(
      database,
      `CREATE TABLE public.typed (tenant_id ${type}, id int, PRIMARY KEY (tenant_id, id)); ${conformingSql({ table: 'typed', role: 'app', tenantType: type })}`,
    );
    expect(summary(await inspected(database))).toEqual([]);
    await asOwner(
      database,
      `DROP POLICY portcullis_tenant ON typed; DROP POLICY portcullis_tenant_only ON typed; CREATE POLICY p ON typed USING (tenant_id IS NOT NULL)`,
    );
    expect(summary(await inspected(database))).toContain('policy_read "public"."typed"');
  },
);

it('lets pass what somebody takes responsibility for, and nothing else', async () => {
  const database = await good();
  await asOwner(database, 'ALTER TABLE notes ADD UNIQUE (body); ALTER TABLE projects ADD COLUMN body text UNIQUE');
  const found = await inspected(database, {
    accept: [{ code: 'unique_without_tenant', subject: '"public"."notes"', reason: 'bodies are hashes' }],
  });
  expect(summary(found)).toEqual(['unique_without_tenant "public"."projects"']);
});

async function locked(table: string): Promise<{ database: string; pool: pg.Pool; unlock: () => Promise<void> }> {
  const database = await good();
  await asOwner(
    database,
    `CREATE FUNCTION public.me() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM public.countries; RETURN NULL; END $$;
     CREATE POLICY r ON notes AS RESTRICTIVE USING (tenant_id = public.me())`,
  );
  const locker = new pg.Client(server.url(database));
  await locker.connect();
  await locker.query(`BEGIN; LOCK TABLE public.${table} IN ACCESS EXCLUSIVE MODE`);
  const pool = new pg.Pool({ connectionString: server.url(database, 'app') });
  return {
    database,
    pool,
    unlock: () => locker.end(),
  };
}

it('ends in time where a table is locked', async () => {
  const { pool, unlock } = await locked('notes');
  await expect(rowLevelSecurity(pool).verify({ ...shared, timeoutMs: 1000 })).rejects.toMatchObject({
    code: 'storage_unavailable',
  });
  await unlock();
  await pool.end();
});

it('takes nothing for shown that it was kept from looking at', async () => {
  const { database, pool, unlock } = await locked('countries');
  const verified = expect(rowLevelSecurity(pool).verify({ ...shared, timeoutMs: 60_000 })).rejects.toMatchObject({
    code: 'storage_unavailable',
  });
  const admin = new pg.Client(server.url());
  await admin.connect();
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND wait_event_type = 'Lock'`;
  await expect.poll(async () => (await admin.query(cancel)).rowCount, { timeout: 40_000 }).toBe(1);
  await unlock();
  await verified;
  await admin.end();
  await pool.end();
}, 90_000);

it('names a role that is not there', async () => {
  const database = await good();
  const pool = new pg.Pool({ connectionString: server.url(database, 'app') });
  await expect(rowLevelSecurity(pool, { role: 'nobody' }).verify()).rejects.toMatchObject({ code: 'config_invalid' });
  await pool.end();
});

it('gives tables an index each whose names begin alike, are long or have a namesake', async () => {
  const database = await good();
  const alike = [`${'a'.repeat(60)}one`, `${'a'.repeat(60)}two`, 'é'.repeat(31), 'notes_tenant'];
  await asOwner(
    database,
    alike
      .map((table) => {
        const create = `CREATE TABLE public."${table}" (tenant_id text, id text, PRIMARY KEY (id, tenant_id))`;
        return `${create}; ${conformingSql({ table, role: 'app' })}`;
      })
      .join('\n'),
  );
  expect(summary(await inspected(database))).toEqual([]);
  await asOwner(database, `DROP INDEX "${tenantIndexName(alike[0] ?? '')}", "${tenantIndexName(alike[2] ?? '')}"`);
  const found = await inspected(database);
  expect(summary(found)).toHaveLength(2);
  await asOwner(database, fixesOf(found.findings.filter(({ code }) => code === 'tenant_index')));
  expect(summary(await inspected(database))).toEqual([]);
});

it('takes away what everybody may do with a table that is made to conform', async () => {
  const database = await good();
  await asOwner(
    database,
    `CREATE TABLE public.open (tenant_id text, id text, PRIMARY KEY (tenant_id, id)); GRANT ALL ON public.open TO PUBLIC;
     ${conformingSql({ table: 'open', role: 'app' })}`,
  );
  expect((await inspected(database)).findings.map(({ code }) => code)).toEqual(['settings_writable']);
});

it('adds the column to a table that exists, and gives its rows to a tenant', async () => {
  const database = await good();
  await asOwner(database, 'CREATE TABLE public.old (id int PRIMARY KEY); INSERT INTO old VALUES (1), (2)');
  await asOwner(database, conformingSql({ table: 'old', role: 'app', assignExistingRowsTo: "o'acme" }));
  await asOwner(database, conformingSql({ table: 'old', role: 'app', assignExistingRowsTo: 'other' }));
  await asOwner(database, 'ALTER TABLE old DROP CONSTRAINT old_pkey, ADD PRIMARY KEY (tenant_id, id)');
  expect(summary(await inspected(database))).toEqual([]);
  await asRoot(database, `DO $$ BEGIN ASSERT (SELECT count(*) FROM old WHERE tenant_id = 'o''acme') = 2; END $$`);
});

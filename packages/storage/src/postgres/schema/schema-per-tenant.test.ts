import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type TenantId } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { fixesOf, type Finding } from '../findings.js';
import { migration } from './migrations.js';
import { schemaName } from './schema-name.js';
import { schemaPerTenant, type SchemaPerTenant } from './schema-per-tenant.js';
import { tenantSchemas, type TenantSchemas, type TenantSchemasOptions } from './tenant-schemas.js';

const idGrammar = fc.oneof(
  fc.stringMatching(/^[0-9A-Za-z][\w-]{0,63}$/),
  fc.stringMatching(/^[ab][ab_-]{54,63}$/),
  fc.stringMatching(/^[aA][aA]{0,3}$/),
);

describe('the name of a tenant’s schema', () => {
  it('belongs to one tenant alone, whole within 63 bytes', () => {
    fc.assert(
      fc.property(idGrammar, idGrammar, (one, other) => {
        const name = schemaName(one as TenantId);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
        expect(name.startsWith('tenant_')).toBe(true);
        if (one !== other) expect(schemaName(other as TenantId)).not.toBe(name);
      }),
      { numRuns: 5000 },
    );
  });

  it('keeps long ids apart that agree in their first 63 bytes, and from ids made to look like their names', () => {
    const long = 'a'.repeat(63);
    const names = [`${long}a`, `${long}b`, long, 'a'.repeat(56), 'a'.repeat(57)].map((id) => schemaName(tenantId(id)));
    expect(new Set(names).size).toBe(5);
    expect(names[0]).toMatch(/^tenant_a{23}~[0-9a-f]{32}$/);
  });

  it.each(['', 'a.b', '../x', 'é', 'x'.repeat(65), '"', '_a'])('refuses the tenant id %j', (id) => {
    expect(() => schemaName(id as TenantId)).toThrow(expect.objectContaining({ code: 'storage_refused' }) as Error);
  });

  it.each(['', 'Tenant_', 'pg_', 't-', 'x'.repeat(21)])('refuses the prefix %j', (prefix) => {
    expect(() => schemaName(tenantId('a'), prefix)).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });
});

describe('on PostgreSQL', () => {
  let server: PostgresServer;
  let count = 0;
  const opened: pg.Pool[] = [];

  beforeAll(async () => {
    server = await startPostgres({ settings: { max_locks_per_transaction: '256' } });
    await root('postgres', 'CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE migrator LOGIN CREATEROLE');
  });
  afterAll(async () => {
    await Promise.all(opened.map((pool) => pool.end()));
    await server.stop();
  });

  async function root(database: string, text: string): Promise<pg.QueryResult> {
    const client = new pg.Client(server.url(database));
    await client.connect();
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  }

  interface Setup {
    readonly database: string;
    readonly app: SchemaPerTenant;
    readonly schemas: TenantSchemas;
    readonly again: (options: Partial<TenantSchemasOptions>) => TenantSchemas;
  }

  const notes = migration(
    '0001-notes',
    'CREATE TABLE notes (id text PRIMARY KEY, title text); CREATE SEQUENCE numbers;',
  );

  async function setup(options: Partial<TenantSchemasOptions> = {}): Promise<Setup> {
    // Roles belong to the server: each database of this file has tenants of its own.
    const database = `s${String(count++)}`;
    await root('postgres', `CREATE DATABASE ${database} OWNER migrator`);
    const pool = (user: string): pg.Pool => {
      const made = new pg.Pool({ connectionString: server.url(database, user), max: 4 });
      made.on('error', () => undefined);
      opened.push(made);
      return made;
    };
    const admin = pool('migrator');
    const prefix = `${database}_`;
    const again = (more: Partial<TenantSchemasOptions>): TenantSchemas =>
      tenantSchemas(admin, { login: 'app', prefix, migrations: [notes], ...options, ...more });
    const schemas = again({});
    await schemas.install();
    return { database, app: schemaPerTenant(pool('app'), { prefix }), schemas, again };
  }

  const acme = contextFor({ tenant: 'acme' });
  const globex = contextFor({ tenant: 'globex' });
  const [a, g] = [acme.tenant.id, globex.tenant.id];

  it('gives each tenant tables of its own under the same names', async () => {
    const { app, schemas } = await setup();
    expect(await schemas.provision(a)).toMatchObject({ created: true, applied: ['0001-notes'] });
    await schemas.provision(g);
    await app.withTenant(acme, (sql) => sql.query("INSERT INTO notes VALUES ('1', 'of acme')"));
    await app.withTenant(globex, (sql) => sql.query("INSERT INTO notes VALUES ('1', 'of globex')"));
    const titles = async (context: typeof acme): Promise<unknown> =>
      (await app.withTenant(context, (sql) => sql.query('SELECT title FROM notes'))).rows;
    expect(await titles(acme)).toEqual([{ title: 'of acme' }]);
    expect(await titles(globex)).toEqual([{ title: 'of globex' }]);
    expect((await app.withTenant(acme, (sql) => sql.query("SELECT nextval('numbers')"))).rows).toEqual([
      { nextval: '1' },
    ]);
    expect((await app.verify()).findings.map(({ code }) => code)).toEqual(['settings_writable']);
  });

  it('lets no qualified name reach another tenant’s schema, nor the records of the schemas', async () => {
    const { app, schemas, database } = await setup();
    await schemas.provision(a);
    await schemas.provision(g);
    for (const text of [
      `SELECT * FROM ${database}_globex.notes`,
      `INSERT INTO ${database}_globex.notes VALUES ('x', 'y')`,
      `DELETE FROM ${database}_globex.notes`,
      'SELECT * FROM portcullis.tenant_schemas',
      `SELECT nextval('${database}_globex.numbers')`,
      "SELECT pg_read_file('/etc/passwd')",
    ])
      await expect(app.withTenant(acme, (sql) => sql.query(text))).rejects.toMatchObject({ code: 'storage_refused' });
    await expect(app.withTenant(acme, (sql) => sql.query('SET ROLE postgres'))).rejects.toMatchObject({
      code: 'storage_refused',
    });
  });

  it('opens nothing for a tenant that has no schema', async () => {
    const { app, schemas } = await setup();
    await schemas.provision(a);
    await expect(app.withTenant(globex, () => Promise.resolve('ran'))).rejects.toMatchObject({
      code: 'storage_not_provisioned',
    });
  });

  it('lets operators in by their own method alone', async () => {
    const { app, schemas, database } = await setup();
    await schemas.provision(a);
    await expect(app.withTenant(operatorFor() as never, () => Promise.resolve())).rejects.toMatchObject({
      code: 'storage_refused',
    });
    await expect(app.withTenantAsOperator(operatorFor(), a, () => Promise.resolve())).rejects.toMatchObject({
      code: 'storage_refused',
    });
    const pool = new pg.Pool({ connectionString: server.url(database, 'app') });
    opened.push(pool);
    const seen: string[] = [];
    const audited = schemaPerTenant(pool, {
      prefix: `${database}_`,
      operatorAccess: ({ tenant, storage }) => {
        seen.push(`${storage} ${tenant}`);
        return Promise.resolve();
      },
    });
    await audited.withTenantAsOperator(operatorFor(), a, (sql) => sql.query('SELECT * FROM notes'));
    expect(seen).toEqual(['postgres/schema-per-tenant acme']);
  });

  it('can be provisioned twice, and by two at once', async () => {
    const { schemas } = await setup();
    const changes = await Promise.all([schemas.provision(a), schemas.provision(a), schemas.provision(a)]);
    expect(changes.filter(({ created }) => created)).toHaveLength(1);
    expect(await schemas.tenants()).toEqual(['acme']);
    expect(await schemas.has(a)).toBe(true);
    expect(await schemas.has(g)).toBe(false);
  });

  it('leaves nothing of a tenant whose migration fails', async () => {
    const { schemas, again, app } = await setup();
    const broken = again({ migrations: [notes, migration('0002-broken', 'CREATE TABLE more (id int); SELECT 1 / 0')] });
    await expect(broken.provision(a)).rejects.toThrow('migration `0002-broken`: division by zero');
    expect(await schemas.has(a)).toBe(false);
    await expect(app.withTenant(acme, () => Promise.resolve())).rejects.toMatchObject({
      code: 'storage_not_provisioned',
    });
    expect((await schemas.provision(a)).created).toBe(true);
  });

  it('takes over no schema and no role that it did not make', async () => {
    const { schemas, database } = await setup();
    await root(database, `CREATE SCHEMA ${database}_acme`);
    await expect(schemas.provision(a)).rejects.toMatchObject({ code: 'storage_refused' });
    await root(database, `CREATE ROLE ${database}_globex`);
    await expect(schemas.provision(g)).rejects.toMatchObject({ code: 'storage_refused' });
    expect(await schemas.remove(a)).toBe(false);
    const { rows } = await root(database, `SELECT FROM pg_namespace WHERE nspname = '${database}_acme'`);
    expect(rows).toHaveLength(1);
  });

  it('refuses a migration that changed after it was applied, and one that ends the transaction', async () => {
    const { schemas, again } = await setup();
    await schemas.provision(a);
    await expect(again({ migrations: [migration('0001-notes', 'SELECT 1')] }).provision(a)).rejects.toMatchObject({
      code: 'storage_refused',
    });
    await expect(
      again({ migrations: [notes, migration('0002', 'CREATE TABLE x (); COMMIT; CREATE TABLE y ()')] }).provision(a),
    ).rejects.toMatchObject({ code: 'storage_refused' });
  });

  it('upgrades all tenants, tells each, goes on after a failure, and resumes', async () => {
    const { schemas, again, app } = await setup();
    const ids = ['t1', 't2', 't3', 't4', 't5'].map((id) => tenantId(id));
    for (const id of ids) await schemas.provision(id);
    const context = contextFor({ tenant: 't3' });
    await app.withTenant(context, (sql) => sql.query("INSERT INTO notes VALUES ('1', NULL)"));
    const upgraded = again({
      migrations: [notes, migration('0002-title', 'ALTER TABLE notes ALTER COLUMN title SET NOT NULL')],
    });
    const told: string[] = [];
    const report = await upgraded.upgrade({
      concurrency: 2,
      onProgress: ({ done, total, tenant, error }) =>
        told.push(`${String(done)}/${String(total)} ${tenant} ${error === undefined ? 'ok' : 'failed'}`),
    });
    expect(report.upgraded.map(({ tenant }) => tenant).sort()).toEqual(['t1', 't2', 't4', 't5']);
    expect(report.failed).toMatchObject([{ tenant: 't3' }]);
    expect(told).toHaveLength(5);
    await app.withTenant(context, (sql) => sql.query("UPDATE notes SET title = 'x'"));
    expect(await upgraded.upgrade()).toMatchObject({
      unchanged: 4,
      upgraded: [{ tenant: 't3' }],
      failed: [],
      remaining: [],
    });
  });

  it('begins no further tenant once it is told to stop, and says which are left', async () => {
    const { schemas, again } = await setup();
    const ids = ['t1', 't2', 't3', 't4'].map((id) => tenantId(id));
    for (const id of ids) await schemas.provision(id);
    const controller = new AbortController();
    const broken = again({ migrations: [notes, migration('0002', 'SELECT 1 / 0')] });
    expect(await broken.upgrade({ concurrency: 1, continueOnError: false })).toMatchObject({
      failed: [{ tenant: 't1' }],
      remaining: ['t2', 't3', 't4'],
    });
    const report = await again({ migrations: [notes, migration('0002', 'SELECT 1')] }).upgrade({
      concurrency: 1,
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done === 2) controller.abort();
      },
    });
    expect(report).toMatchObject({ upgraded: [{ tenant: 't1' }, { tenant: 't2' }], remaining: ['t3', 't4'] });
  });

  it('removes the schema and the role, and can then make them anew', async () => {
    const { schemas, app } = await setup();
    await schemas.provision(a);
    await schemas.provision(g);
    expect(await schemas.remove(a)).toBe(true);
    expect(await schemas.remove(a)).toBe(false);
    await expect(app.withTenant(acme, () => Promise.resolve())).rejects.toMatchObject({
      code: 'storage_not_provisioned',
    });
    expect(await app.withTenant(globex, (sql) => sql.query('SELECT FROM notes'))).toMatchObject({ rowCount: 0 });
    await schemas.provision(a);
    expect(await app.withTenant(acme, (sql) => sql.query('SELECT FROM notes'))).toMatchObject({ rowCount: 0 });
  });

  it('finds what falls short', async () => {
    const { schemas, app, database } = await setup();
    await schemas.provision(a);
    await schemas.provision(g);
    await root(
      database,
      `GRANT USAGE ON SCHEMA ${database}_acme TO ${database}_globex; GRANT ${database}_acme TO ${database}_globex;
       ALTER ROLE ${database}_globex LOGIN; CREATE SCHEMA ${database}_lost;
       CREATE FUNCTION ${database}_acme.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
    );
    const modern = Number((await root(database, 'SHOW server_version_num')).rows[0].server_version_num) >= 160_000;
    await root(database, modern ? `GRANT ${database}_acme TO app WITH INHERIT TRUE` : 'ALTER ROLE app INHERIT');
    const { findings } = await app.inspect({ untrustedSql: true });
    await root(database, 'ALTER ROLE app NOINHERIT');
    expect(
      findings
        .filter(({ level }) => level === 'error')
        .map(({ code, subject }) => `${code} ${subject.replaceAll(database, 's')}`),
    ).toEqual([
      'settings_writable "app"',
      'tenant_role "s_lost"',
      'schema_shared "s_acme"',
      'tenant_role "s_globex"',
      'role_can_become "s_globex"',
      'login_inherits "s_acme"',
      ...(modern ? [] : ['login_inherits "s_globex"']),
      'function_bypasses s_acme.f()',
    ]);
    await expect(app.verify()).rejects.toMatchObject({ code: 'storage_unproven' });
  });

  it('mends functions and procedures that run as the owner of all', async () => {
    const { schemas, app, database } = await setup();
    await schemas.provision(a);
    await root(
      database,
      `CREATE FUNCTION ${database}_acme.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
       CREATE PROCEDURE ${database}_acme.p(INOUT x int) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END'`,
    );
    const bypasses = async (): Promise<readonly Finding[]> =>
      (await app.inspect()).findings.filter(({ code }) => code === 'function_bypasses');
    const before = await bypasses();
    expect(before).toHaveLength(2);
    await root(database, fixesOf(before));
    expect(await bypasses()).toEqual([]);
  });

  it('takes no record for a tenant’s that names none', async () => {
    const { schemas, database } = await setup();
    await schemas.provision(a);
    await root(database, "INSERT INTO portcullis.tenant_schemas VALUES ('../globex', 'x')");
    await expect(schemas.tenants()).rejects.toMatchObject({ code: 'tenant_unknown' });
    await expect(schemas.upgrade()).rejects.toMatchObject({ code: 'tenant_unknown' });
  });

  it('ends a verification in time where a catalog is locked', async () => {
    const { app, schemas, database } = await setup();
    await schemas.provision(a);
    await app.verify();
    const locker = new pg.Client(server.url(database));
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE pg_catalog.pg_auth_members IN ACCESS EXCLUSIVE MODE');
    await expect(app.verify({ timeoutMs: 1000 })).rejects.toMatchObject({ code: 'storage_unavailable' });
    await locker.end();
  });

  it('keeps 1,000 tenants apart, and upgrades them', async () => {
    const { schemas, again, app } = await setup();
    const ids = Array.from({ length: 1000 }, (_, index) => tenantId(`t${String(index)}`));
    const report = await schemas.upgrade({ tenants: ids });
    expect(report).toMatchObject({ total: 1000, failed: [], remaining: [] });
    const some = ids.filter((_, index) => index % 50 === 0);
    for (const id of some) {
      const context = contextFor({ tenant: id });
      await app.withTenant(context, (sql) => sql.query('INSERT INTO notes VALUES ($1, $1)', [id]));
    }
    for (const id of some) {
      const { rows } = await app.withTenant(contextFor({ tenant: id }), (sql) => sql.query('SELECT id FROM notes'));
      expect(rows).toEqual([{ id }]);
    }
    const second = await again({
      migrations: [notes, migration('0002', 'ALTER TABLE notes ADD COLUMN more text')],
    }).upgrade();
    expect(second).toMatchObject({ total: 1000, failed: [] });
    expect(second.upgraded).toHaveLength(1000);
    expect((await app.verify()).tables).toHaveLength(1000);
  }, 240_000);
});

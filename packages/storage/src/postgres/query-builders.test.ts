import { PGlite } from '@electric-sql/pglite';
import { eq, sql as raw } from 'drizzle-orm';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { Migrator } from 'kysely';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { drizzleClient } from './drizzle.js';
import { tenantKysely } from './kysely.js';
import { pgliteSource } from './pglite.js';
import { conformingSql } from './rls/conforming-sql.js';
import { rowLevelSecurity, type RowLevelSecurity } from './rls/row-level-security.js';
import { schemaPerTenant } from './schema/schema-per-tenant.js';
import { tenantSchemas } from './schema/tenant-schemas.js';

interface Database {
  readonly notes: { readonly tenant_id?: string; readonly id: string; readonly title: string | null };
}
const notes = pgTable('notes', { id: text('id').notNull(), title: text('title') });
const acme = contextFor({ tenant: 'acme' });
const globex = contextFor({ tenant: 'globex' });
const schema = `CREATE TABLE notes (tenant_id text, id text, title text, PRIMARY KEY (tenant_id, id));
  ${conformingSql({ table: 'notes', role: 'app' })}`;

let server: PostgresServer;
let database: PGlite;
const pools: pg.Pool[] = [];

function pool(name: string, user: string): pg.Pool {
  const made = new pg.Pool({ connectionString: server.url(name, user), max: 2 });
  made.on('error', () => undefined);
  pools.push(made);
  return made;
}

beforeAll(async () => {
  server = await startPostgres();
  const client = new pg.Client(server.url());
  await client.connect();
  await client.query(`CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE migrator LOGIN CREATEROLE; ${schema}`);
  await client.query('CREATE DATABASE schemas OWNER migrator');
  await client.end();
  database = await PGlite.create();
  await database.exec(`CREATE ROLE app; ${schema}`);
}, 120_000);
afterAll(async () => {
  await Promise.all(pools.map((one) => one.end()));
  await server.stop();
  await database.close();
});

describe.each<[string, () => RowLevelSecurity]>([
  ['PostgreSQL', () => rowLevelSecurity(pool('postgres', 'app'))],
  ['PGlite', () => rowLevelSecurity(pgliteSource(database), { role: 'app' })],
])('on %s', (_name, open) => {
  it('Kysely sees one tenant’s rows, and its transactions are savepoints', async () => {
    const rls = open();
    await rls.withTenant(globex, (sql) =>
      tenantKysely<Database>(sql).insertInto('notes').values({ id: 'k', title: 'of globex' }).execute(),
    );
    const seen = await rls.withTenant(acme, async (sql) => {
      const db = tenantKysely<Database>(sql);
      await db.insertInto('notes').values({ id: 'k', title: 'of acme' }).execute();
      await db.transaction().execute(async (inner) => {
        await inner.updateTable('notes').set({ title: 'changed' }).where('id', '=', 'k').execute();
      });
      await expect(
        db.transaction().execute(async (inner) => {
          await inner.deleteFrom('notes').execute();
          throw new Error('undone');
        }),
      ).rejects.toThrow('undone');
      await expect(
        db
          .transaction()
          .setIsolationLevel('serializable')
          .execute(() => Promise.resolve()),
      ).rejects.toMatchObject({ code: 'storage_refused' });
      await expect(db.selectFrom('notes').selectAll().stream().next()).rejects.toThrow('cursor');
      return db.selectFrom('notes').select(['id', 'title']).where('id', '=', 'k').execute();
    });
    expect(seen).toEqual([{ id: 'k', title: 'changed' }]);
  });

  it('Drizzle sees one tenant’s rows, and its transactions are savepoints', async () => {
    const rls = open();
    await rls.withTenant(globex, (sql) =>
      drizzle({ client: drizzleClient(sql) })
        .insert(notes)
        .values({ id: 'd', title: 'of globex' }),
    );
    const seen = await rls.withTenant(acme, async (sql) => {
      const db = drizzle({ client: drizzleClient(sql) });
      await db.insert(notes).values({ id: 'd', title: 'of acme' });
      await db.transaction(async (inner) => {
        await inner.update(notes).set({ title: 'changed' }).where(eq(notes.id, 'd'));
        await inner
          .transaction(async (deeper) => {
            await deeper.delete(notes);
            deeper.rollback();
          })
          .catch(() => undefined);
      });
      await expect(db.execute(raw`SET app.tenant_id = 'globex'`)).rejects.toMatchObject({
        cause: { code: 'storage_refused' },
      });
      return db.select().from(notes).where(eq(notes.id, 'd'));
    });
    expect(seen).toEqual([{ id: 'd', title: 'changed' }]);
  });
});

it('Kysely’s and Drizzle’s migrators make the tables of a tenant’s schema', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-drizzle-'));
  await mkdir(join(folder, 'meta'));
  await writeFile(
    join(folder, 'meta', '_journal.json'),
    JSON.stringify({
      version: '7',
      dialect: 'postgresql',
      entries: [{ idx: 0, version: '7', when: 1, tag: '0000_tags', breakpoints: true }],
    }),
  );
  await writeFile(
    join(folder, '0000_tags.sql'),
    'CREATE TABLE "tags" ("id" text PRIMARY KEY);\n--> statement-breakpoint\nCREATE TABLE "links" ("id" text);',
  );
  const schemas = tenantSchemas(pool('schemas', 'migrator'), {
    login: 'app',
    async migrate(sql, own) {
      const migrator = new Migrator({
        db: tenantKysely(sql),
        migrationTableSchema: own,
        provider: {
          getMigrations: () =>
            Promise.resolve({
              '0001': {
                up: (db) => db.schema.createTable('notes').addColumn('id', 'text').addColumn('title', 'text').execute(),
              },
            }),
        },
      });
      const { error } = await migrator.migrateToLatest();
      if (error !== undefined) throw error instanceof Error ? error : new Error('the migration failed');
      await migrate(drizzle({ client: drizzleClient(sql) }), { migrationsFolder: folder, migrationsSchema: own });
    },
  });
  await schemas.install();
  await schemas.provision(tenantId('acme'));
  await schemas.provision(tenantId('acme'));
  const app = schemaPerTenant(pool('schemas', 'app'));
  const tables = await app.withTenant(acme, async (sql) => {
    await tenantKysely<Database>(sql).insertInto('notes').values({ id: '1', title: 'x' }).execute();
    await sql.query('SELECT FROM links, tags');
    return sql.query("SELECT count(*)::int AS count FROM pg_tables WHERE schemaname = 'tenant_acme'");
  });
  expect(tables.rows).toEqual([{ count: 6 }]);
  await rm(folder, { recursive: true });
});

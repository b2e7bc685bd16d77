import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { tenantId, type TenantContext } from '@portcullis/core';
import { pgliteSource } from '@portcullis/storage/pglite';
import {
  conformingSql,
  hardeningSql,
  migration,
  rowLevelSecurity,
  schemaName,
  schemaPerTenant,
  tenantSchemas,
  type RowLevelSecurity,
} from '@portcullis/storage/postgres';
import type { IsolationSubject } from '@portcullis/testing/isolation';
import { startPgBouncer } from '@portcullis/testing/pgbouncer';
import type { PostgresServer } from '@portcullis/testing/postgres';
import { sqlStore, untrusted } from './sql-store.js';

/** A subject, and how it is closed. */
export interface Opened {
  readonly subject: IsolationSubject;
  readonly close: () => Promise<void>;
}

const poolSize = 4;
let count = 0;

const notes = `
  CREATE TABLE notes (tenant_id text, key text COLLATE "C", value text, refers text COLLATE "C", PRIMARY KEY (tenant_id, key),
    FOREIGN KEY (tenant_id, refers) REFERENCES notes (tenant_id, key) ON DELETE SET NULL (refers));
  ${conformingSql({ table: 'notes', role: 'app' })}`;

async function database(server: PostgresServer, setUp: string): Promise<{ name: string; admin: pg.Pool }> {
  const name = `ours_${String(count++)}`;
  const first = new pg.Client(server.url());
  await first.connect();
  await first.query(`CREATE DATABASE ${name}`);
  await first.end();
  const admin = pool(server.url(name), 4);
  await admin.query(`${setUp}; ${hardeningSql(name)}`);
  return { name, admin };
}

function pool(url: string, max: number): pg.Pool {
  const made = new pg.Pool({ connectionString: url, max });
  made.on('error', () => undefined);
  return made;
}

const disconnects = (admin: pg.Pool) => (): Promise<unknown> =>
  admin.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = 'app'",
  );

function rlsSubject(
  name: string,
  rls: RowLevelSecurity,
): Pick<IsolationSubject, 'name' | 'run' | 'atomic' | 'poolSize' | 'sql'> {
  return {
    name,
    atomic: true,
    poolSize,
    run: (context, work, signal) =>
      rls.withTenant(context, (sql) => work(sqlStore((text, values) => sql.query(text, values), 'tenant_id, key')), {
        signal,
        timeoutMs: 8000,
      }),
    sql: {
      table: 'notes',
      tenantColumn: 'tenant_id',
      insertReference: "INSERT INTO notes (key, value, refers) VALUES ('reference', 'x', $1)",
      untrusted,
    },
  };
}

/** Row-level security on a server, straight or behind PgBouncer in transaction mode. */
export async function openRls(server: PostgresServer, how: 'direct' | 'pipelined' | 'pgbouncer'): Promise<Opened> {
  const { name, admin } = await database(server, notes);
  const bouncer = how === 'pgbouncer' ? await startPgBouncer(server, 2) : undefined;
  const app = new pg.Pool({
    connectionString: bouncer?.url(name, 'app') ?? server.url(name, 'app'),
    max: poolSize,
    ...(how === 'pipelined' ? { pipeline: true } : {}),
  });
  app.on('error', () => undefined);
  const rls = rowLevelSecurity(app);
  await rls.verify({ untrustedSql: true });
  return {
    subject: {
      ...rlsSubject(`row-level security, ${how}`, rls),
      reset: () => admin.query('TRUNCATE notes'),
      bare: async (work) => {
        const client = await app.connect();
        try {
          await work(sqlStore((text, values) => client.query(text, values && [...values]), 'tenant_id, key'));
        } finally {
          client.release();
        }
      },
      disconnect: disconnects(admin),
    },
    async close() {
      await app.end();
      await bouncer?.stop();
      await admin.end();
    },
  };
}

/** Row-level security in PGlite. */
export async function openPglite(): Promise<Opened> {
  const embedded = await PGlite.create();
  await embedded.exec(`CREATE ROLE app; ${notes}; ${hardeningSql('postgres')}`);
  const rls = rowLevelSecurity(pgliteSource(embedded), { role: 'app' });
  return {
    subject: {
      ...rlsSubject('row-level security, PGlite', rls),
      poolSize: 1,
      reset: () => embedded.exec('TRUNCATE notes'),
    },
    close: () => embedded.close(),
  };
}

/** A schema per tenant on a server. */
export async function openSchemas(server: PostgresServer): Promise<Opened> {
  const { name, admin } = await database(
    server,
    'GRANT CREATE ON DATABASE CURRENT_DATABASE TO migrator'.replace('CURRENT_DATABASE', `ours_${String(count)}`),
  );
  const owner = pool(server.url(name, 'migrator'), 4);
  const prefix = `${name}_`;
  const schemas = tenantSchemas(owner, {
    login: 'app',
    prefix,
    migrations: [
      migration(
        '0001',
        'CREATE TABLE notes (key text COLLATE "C" PRIMARY KEY, value text, refers text COLLATE "C" REFERENCES notes ON DELETE SET NULL)',
      ),
    ],
  });
  await schemas.install();
  const app = pool(server.url(name, 'app'), poolSize);
  const store = schemaPerTenant(app, { prefix });
  const schemaOf = (tenant: string): string => schemaName(tenantId(tenant), prefix);
  return {
    subject: {
      name: 'a schema per tenant',
      atomic: true,
      poolSize,
      provision: (context) => schemas.provision(context.tenant.id),
      reset: async (contexts: readonly TenantContext[]) => {
        for (const { tenant } of contexts)
          if (await schemas.has(tenant.id)) await schemas.asOwner(tenant.id, (sql) => sql.query('DELETE FROM notes'));
      },
      run: (context, work, signal) =>
        store.withTenant(context, (sql) => work(sqlStore((text, values) => sql.query(text, values), 'key')), {
          signal,
          timeoutMs: 8000,
        }),
      bare: async (work) => {
        const client = await app.connect();
        try {
          await work(sqlStore((text, values) => client.query(text, values && [...values]), 'key'));
        } finally {
          client.release();
        }
      },
      disconnect: disconnects(admin),
      sql: {
        table: 'notes',
        schemaOf,
        insertReference: "INSERT INTO notes (key, value, refers) VALUES ('reference', 'x', $1)",
        untrusted: (other) => [
          ...untrusted(other),
          `SELECT set_config('role', '${schemaOf(other)}', true)`,
          `SET ROLE "${schemaOf(other)}"`,
        ],
      },
    },
    async close() {
      await app.end();
      await owner.end();
      await admin.end();
    },
  };
}

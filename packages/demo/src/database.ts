import { randomBytes } from 'node:crypto';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { pgliteSource } from '@portcullis/storage/pglite';
import {
  conformingSql,
  hardeningSql,
  quoteLiteral,
  rowLevelSecurity,
  type RowLevelSecurity,
} from '@portcullis/storage/postgres';

/** The demo's database, with row-level security in place and verified. */
export interface Database {
  readonly rls: RowLevelSecurity;
  /** What it is, for people to read. */
  readonly description: string;
  close(): Promise<void>;
}

const schema = 'portcullis_demo';
/** The role that tenants' work runs as: it owns nothing, and the policies bind it. */
const role = 'portcullis_demo';

const tables = `
  CREATE SCHEMA IF NOT EXISTS ${schema};
  GRANT USAGE ON SCHEMA ${schema} TO ${role};
  DROP TABLE IF EXISTS ${schema}.documents;
  CREATE TABLE ${schema}.documents (
    tenant_id text NOT NULL,
    id text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    author text NOT NULL,
    classification text NOT NULL,
    shared_with text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id));
  ${conformingSql({ schema, table: 'documents', role })}`;

/**
 * Opens the database: PGlite in this process, or the server at `url`, where a schema and a login role `portcullis_demo`
 * are made, and deleted at the end.
 *
 * @param url - of a role that may create schemas and roles
 * @throws PortcullisError `storage_unproven` when the isolation of the database cannot be shown
 */
export async function openDatabase(url: string | undefined): Promise<Database> {
  const database = url === undefined ? await embedded() : await onServer(url);
  try {
    await database.rls.verify();
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function embedded(): Promise<Database> {
  const database = await PGlite.create();
  const { rows } = await database.query<{ name: string }>('SELECT current_database() AS name');
  await database.exec(`CREATE ROLE ${role}; ${tables}; ${hardeningSql(rows[0]?.name ?? 'postgres')}`);
  return {
    rls: rowLevelSecurity(pgliteSource(database), { role, searchPath: [schema] }),
    description: 'PGlite, in this process',
    close: () => database.close(),
  };
}

async function onServer(url: string): Promise<Database> {
  // The application connects as a role of its own: the owner's could switch row-level security off.
  const password = randomBytes(24).toString('base64url');
  await asOwner(
    url,
    `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
     ALTER ROLE ${role} LOGIN PASSWORD ${quoteLiteral(password)}; ${tables}`,
  );
  const own = new URL(url);
  own.username = role;
  own.password = password;
  const pool = new pg.Pool({ connectionString: own.href, max: 4 });
  // An idle connection that the server ends is replaced at the next call.
  pool.on('error', () => undefined);
  return {
    rls: rowLevelSecurity(pool, { searchPath: [schema] }),
    description: `PostgreSQL at ${own.host}`,
    async close() {
      await pool.end();
      await asOwner(url, `DROP SCHEMA ${schema} CASCADE; DROP ROLE ${role}`);
    },
  };
}

async function asOwner(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

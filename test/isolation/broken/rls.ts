import type { PostgresServer } from '@portcullis/testing/postgres';
import type { IsolationSubject, SqlSurface, TenantUnderTest } from '@portcullis/testing/isolation';
import {
  notes,
  openDatabase,
  poolSize,
  subjectOf,
  transactional,
  type Begin,
  type Fixture,
  type Query,
  type Runner,
} from './postgres.js';

export const setting = `NULLIF(current_setting('app.tenant_id', true), '')`;
export const begin: Begin = (client, tenant) => client.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenant]);

/** Row-level security in parts, so that each mistake is one part. */
export interface Parts {
  readonly table: string;
  readonly rls: readonly string[];
  readonly policy: string;
  readonly more: readonly string[];
  readonly user: string;
  readonly size: number;
  readonly run: Runner;
  readonly store: (query: Query, tenant: string) => TenantUnderTest;
  readonly sql: Partial<SqlSurface>;
  readonly background: string;
  readonly subject: Partial<IsolationSubject>;
}

export const right: Parts = {
  table: `CREATE TABLE notes (tenant_id text NOT NULL DEFAULT ${setting} CHECK (tenant_id <> ''), key text NOT NULL, value text NOT NULL, PRIMARY KEY (tenant_id, key))`,
  rls: ['ALTER TABLE notes ENABLE ROW LEVEL SECURITY', 'ALTER TABLE notes FORCE ROW LEVEL SECURITY'],
  policy: `CREATE POLICY tenant ON notes USING (tenant_id = (SELECT ${setting})) WITH CHECK (tenant_id = (SELECT ${setting}))`,
  more: [
    `CREATE TABLE comments (id bigserial PRIMARY KEY, tenant_id text NOT NULL DEFAULT ${setting}, note_key text NOT NULL, FOREIGN KEY (tenant_id, note_key) REFERENCES notes ON UPDATE CASCADE ON DELETE CASCADE)`,
    'GRANT SELECT, INSERT ON comments TO app',
    'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app',
    'ALTER TABLE comments ENABLE ROW LEVEL SECURITY',
    `CREATE POLICY tenant ON comments USING (tenant_id = (SELECT ${setting}))`,
  ],
  user: 'app',
  size: poolSize,
  run: transactional(begin),
  store: (query) => notes(query, 'tenant_id, key'),
  sql: {},
  background: '',
  subject: {},
};

export const rlsRoles = [
  'CREATE ROLE app LOGIN',
  'CREATE ROLE owner LOGIN',
  'CREATE ROLE bypasser LOGIN BYPASSRLS',
  'GRANT app TO owner',
  'CREATE ROLE gate LOGIN NOINHERIT',
];

export async function rlsFixture(server: PostgresServer, mistake: Partial<Parts> = {}): Promise<Fixture> {
  const parts = { ...right, ...mistake };
  const database = await openDatabase(server, {
    user: parts.user,
    size: parts.size,
    setUp: [
      parts.table,
      'ALTER TABLE notes OWNER TO owner',
      ...parts.rls,
      parts.policy,
      'GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app, bypasser',
      ...right.more,
      ...(mistake.more ?? []),
    ],
  });
  return {
    subject: {
      ...subjectOf('notes', database, parts.run, parts.store),
      poolSize: parts.size,
      reset: () => database.admin.query('DELETE FROM notes'),
      sql: {
        table: 'notes',
        tenantColumn: 'tenant_id',
        insertReference: 'INSERT INTO comments (note_key) VALUES ($1)',
        ...(parts.background === '' ? {} : { background: () => database.admin.query(parts.background) }),
        ...parts.sql,
      },
      ...parts.subject,
    },
    close: database.close,
  };
}

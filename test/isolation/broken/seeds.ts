import type { PostgresServer } from '@portcullis/testing/postgres';
import { openDatabase, subjectOf, type Fixture, type Runner } from './postgres.js';

/** The source's sketch of row-level security, as it stands there: each statement on whatever connection is free. */
export async function seedRls(server: PostgresServer): Promise<Fixture> {
  const database = await openDatabase(server, {
    user: 'app',
    setUp: [
      'CREATE TABLE resources (tenant_id text NOT NULL, name text NOT NULL, content text, PRIMARY KEY (tenant_id, name))',
      'ALTER TABLE resources ENABLE ROW LEVEL SECURITY',
      `CREATE POLICY tenant_isolation ON resources FOR ALL USING (tenant_id = current_setting('app.tenant_id'))`,
      'ALTER TABLE resources FORCE ROW LEVEL SECURITY',
      'GRANT ALL ON resources TO app',
    ],
  });
  const run: Runner = async ({ pool }, tenant, work) => {
    await pool.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenant]);
    return work(async (text, values = []) => (await pool.query<object>(text, [...values])).rows);
  };
  return {
    subject: {
      ...subjectOf('resources', database, run, (query, tenant) => ({
        put: (name, content) =>
          query('INSERT INTO resources (tenant_id, name, content) VALUES ($1, $2, $3)', [tenant, name, content]),
        get: async (name) =>
          ((await query('SELECT content FROM resources WHERE name = $1', [name]))[0] as { content: string } | undefined)
            ?.content,
        delete: (name) => query('DELETE FROM resources WHERE name = $1', [name]),
      })),
      reset: () => database.admin.query('DELETE FROM resources'),
    },
    close: database.close,
  };
}

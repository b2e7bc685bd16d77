import type { TenantUnderTest } from '@portcullis/testing/isolation';

/** Runs one statement: a tenant's, or nobody's. */
export type Run = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ readonly rows: readonly Record<string, unknown>[]; readonly rowCount: number | null }>;

/** A table of notes, as an application works with it: no statement names a tenant. */
export function sqlStore(run: Run, conflict: string): TenantUnderTest {
  const value = (row: Record<string, unknown> | undefined): string | undefined => row?.['value'] as string | undefined;
  return {
    put: (key, text) =>
      run(
        `INSERT INTO notes (key, value) VALUES ($1, $2) ON CONFLICT (${conflict}) DO UPDATE SET value = excluded.value`,
        [key, text],
      ),
    get: async (key) => value((await run('SELECT value FROM notes WHERE key = $1', [key])).rows[0]),
    delete: (key) => run('DELETE FROM notes WHERE key = $1', [key]),
    async getMany(keys) {
      const { rows } = await run('SELECT key, value FROM notes WHERE key = ANY ($1)', [[...keys]]);
      const found = new Map(rows.map((row) => [row['key'], value(row)]));
      return keys.map((key) => found.get(key));
    },
    list: async (prefix) =>
      (await run('SELECT key FROM notes WHERE starts_with(key, $1) ORDER BY key', [prefix])).rows.map(
        (row) => row['key'] as string,
      ),
    insert: async (key, text) =>
      ((await run('INSERT INTO notes (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [key, text])).rowCount ??
        0) > 0,
    copy: (from, to) =>
      run(
        `INSERT INTO notes (key, value) SELECT $2, value FROM notes WHERE key = $1
         ON CONFLICT (${conflict}) DO UPDATE SET value = excluded.value`,
        [from, to],
      ),
    updateAll: (text) => run('UPDATE notes SET value = $1', [text]),
    clear: () => run('DELETE FROM notes'),
    sql: async (text, values) => (await run(text, values)).rows,
  };
}

/** What SQL that somebody else wrote would try, to become the other tenant. */
export const untrusted = (other: string): readonly string[] => [
  `SELECT set_config('app.tenant_id', '${other}', true)`,
  `SELECT set_config('app.tenant_id', '${other}', false)`,
  `SELECT pg_catalog."set_config"('role', 'postgres', true)`,
  `SELECT set_config('role', 'tenant_${other}', true)`,
  `SELECT set_config('session_authorization', 'postgres', false)`,
  `SELECT query_to_xml('SET app.tenant_id = ''${other}''', true, true, '')`,
  `WITH x AS (SELECT set_config('app.tenant_id', '${other}', true)) SELECT * FROM x, notes`,
  `SET app.tenant_id = '${other}'`,
  `/* */ SET LOCAL app.tenant_id = '${other}'`,
  `SET ROLE "tenant_${other}"`,
  'SET SESSION AUTHORIZATION postgres',
  'RESET ROLE',
  'RESET ALL',
  'DISCARD ALL',
  'COMMIT',
  'ROLLBACK',
  `SELECT 1; SET LOCAL app.tenant_id = '${other}'`,
  `DO $$ BEGIN SET LOCAL app.tenant_id = '${other}'; END $$`,
  `DO $$ BEGIN PERFORM set_config('app.tenant_id', '${other}', true); END $$`,
  `CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET app.tenant_id = '${other}' AS 'SELECT 1'`,
  `ALTER TABLE notes DISABLE ROW LEVEL SECURITY`,
  `PREPARE p AS SELECT 1`,
  `SELECT lo_from_bytea(0, 'x')`,
  `SELECT * FROM pg_stat_activity`,
];

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { finding, seed } from './finding.js';
import { rlsMistakes } from './broken/rls-mistakes.js';
import { rlsFixture, rlsRoles } from './broken/rls.js';
import { schemaFixture, schemaMistakes } from './broken/schemas.js';
import { seedRls } from './broken/seeds.js';
import { assertIsolated } from '@portcullis/testing/isolation';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  const admin = new pg.Client({ connectionString: server.url() });
  await admin.connect();
  for (const role of rlsRoles) await admin.query(role);
  await admin.end();
});
afterAll(() => server.stop());

describe('the isolation kit on row-level security', () => {
  it('finds nothing in a correct set-up, and says what it tried', async () => {
    const { subject, close } = await rlsFixture(server);
    const report = await assertIsolated(subject, { seed, operations: 300 }).finally(close);
    expect(report.operations).toBeGreaterThanOrEqual(300);
    expect(Object.values(report.skipped).sort()).toEqual([
      ...['`outage`', '`pageSize`', '`plant`', '`provision`'].map((what) => `the subject has no ${what}`),
      ...Array.from({ length: 5 }, () => 'the subject has no `sql.schemaOf`'),
      'the subject has no `sql.untrusted`: it does not promise to withstand SQL that its tenants wrote',
    ]);
  });

  it.each(rlsMistakes.map((mistake) => [mistake[0], mistake] as const))('finds %s', async (_name, mistake) => {
    const [, trap, parts, options] = mistake;
    const error = await finding(rlsFixture(server, parts), { only: [trap], ...options });
    expect(error.trap).toBe(trap);
  });

  it('finds nothing in a policy with USING alone, which PostgreSQL applies to writing as well', async () => {
    const policy = `CREATE POLICY tenant ON notes USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')))`;
    const { subject, close } = await rlsFixture(server, { policy });
    const report = await assertIsolated(subject, { seed, only: ['write_as_other', 'write_to_other'] }).finally(close);
    expect(report.exercised).toContain('sql: an INSERT with the other tenant’s id');
  });

  it('finds that the source’s sketch, a setting for one statement on a pool, does nothing at all', async () => {
    expect((await finding(seedRls(server))).trap).toBe('not_usable');
  });
});

describe('the isolation kit on a schema per tenant', () => {
  it('finds nothing in a correct set-up', async () => {
    const { subject, close } = await schemaFixture(server);
    const report = await assertIsolated(subject, { seed, operations: 300 }).finally(close);
    expect(report.operations).toBeGreaterThanOrEqual(300);
    expect(report.exercised).toContain('sql: a qualified name in a query');
  });

  it.each(schemaMistakes.map((mistake) => [mistake[0], mistake] as const))('finds %s', async (_name, mistake) => {
    const [, trap, parts, options] = mistake;
    const error = await finding(schemaFixture(server, parts), { only: [trap], ...options });
    expect(error.trap).toBe(trap);
  });
});

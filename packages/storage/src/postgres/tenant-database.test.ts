import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type OperatorAccess } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { pgliteSource } from './pglite.js';
import { conformingSql } from './rls/conforming-sql.js';
import { rowLevelSecurity } from './rls/row-level-security.js';
import { migration } from './schema/migrations.js';
import { schemaPerTenant } from './schema/schema-per-tenant.js';
import { tenantSchemas } from './schema/tenant-schemas.js';
import type { TenantDatabase } from './tenant-database.js';

const acme = contextFor({ tenant: 'acme' });

let rows: PGlite;
let schemas: PGlite;
beforeAll(async () => {
  rows = await PGlite.create();
  await rows.exec(`CREATE ROLE app; CREATE TABLE notes (tenant_id text, id text, PRIMARY KEY (tenant_id, id));
    ${conformingSql({ table: 'notes', role: 'app' })}`);
  schemas = await PGlite.create();
  await schemas.exec('CREATE ROLE app NOINHERIT');
  const owner = tenantSchemas(pgliteSource(schemas), {
    login: 'app',
    migrations: [migration('0001', 'CREATE TABLE notes (id text)')],
  });
  await owner.install();
  await owner.provision(acme.tenant.id);
}, 120_000);
afterAll(async () => {
  await rows.close();
  await schemas.close();
});

interface Options {
  readonly timeoutMs?: number;
  readonly operatorAccess?: (access: OperatorAccess) => Promise<void>;
}
/** Code that does not know which of the two it runs on. */
type Open = (options?: Options) => TenantDatabase<{ readonly untrustedSql?: boolean | undefined }>;

describe.each<[string, Open]>([
  ['row-level-security', (options) => rowLevelSecurity(pgliteSource(rows), { role: 'app', ...options })],
  ['schema-per-tenant', (options) => schemaPerTenant(pgliteSource(schemas), options)],
])('a tenant database: %s', (name, open) => {
  it('runs work in the tenant’s transaction, and an operator’s on record', async () => {
    const seen: string[] = [];
    const database = open({
      operatorAccess: ({ tenant, storage }) => {
        seen.push(`${storage} ${tenant}`);
        return Promise.resolve();
      },
    });
    await database.withTenant(acme, (sql) => sql.query("INSERT INTO notes (id) VALUES ('1')"));
    const read = await database.withTenantAsOperator(operatorFor(), tenantId('acme'), (sql) =>
      sql.query('DELETE FROM notes RETURNING id'),
    );
    expect(read.rows).toEqual([{ id: '1' }]);
    expect(seen).toEqual([`postgres/${name} acme`]);
  });

  it('is inspected and verified alike', async () => {
    const { findings } = await open().inspect({ untrustedSql: true });
    expect(findings.map(({ code }) => code)).toContain('settings_writable');
    await expect(open().verify({ untrustedSql: true })).rejects.toMatchObject({ code: 'storage_unproven' });
  });

  it('keeps the deadline and the signal of the outer transaction in a nested one', async () => {
    const database = open();
    await database.withTenant(acme, (outer) =>
      database.withTenant(
        acme,
        async (inner) => {
          expect(inner.signal).toBe(outer.signal);
          await new Promise((resolve) => setTimeout(resolve, 20));
          await inner.query('SELECT 1');
        },
        { timeoutMs: 1, signal: AbortSignal.abort() },
      ),
    );
  });

  it('has the deadline of its options where a transaction names none', async () => {
    const never = open({ timeoutMs: 50 }).withTenant(acme, () => new Promise(() => undefined), {
      timeoutMs: undefined,
    });
    await expect(never).rejects.toMatchObject({
      code: 'storage_unavailable',
      detail: 'the transaction took longer than 50 ms',
    });
  });
});

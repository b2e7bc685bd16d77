import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { tenantStoreContract } from '@portcullis/testing/tenant-store-contract';
import { postgresStore } from '../../postgres.js';

describe('over PostgreSQL', () => {
  let server: PostgresServer;
  const pools: Pool[] = [];
  beforeAll(async () => {
    server = await startPostgres();
    for (let replica = 0; replica < 2; replica++) {
      const pool = new Pool({ connectionString: server.url(), max: 10 });
      // A server that stops says so on connections that nobody uses.
      pool.on('error', () => undefined);
      pools.push(pool);
    }
    await postgresStore(pools[0]!).migrate();
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await server.stop();
  });

  tenantStoreContract(
    'PostgreSQL',
    async (options) => {
      const [one, two] = pools.map((pool) => postgresStore(pool, { timeoutMs: 10_000, ...options }));
      await pools[0]!.query('DELETE FROM portcullis.tenants');
      return { one: one!, two: two! };
    },
    { sequences: 15 },
  );

  const acme = tenantId('acme');

  it('shows what a migration would do, and does it once, also when two do it at once', async () => {
    const schema = 'Odd-name';
    const stores = pools.map((pool) => postgresStore(pool, { schema, timeoutMs: 10_000 }));
    const [one, two] = [stores[0]!, stores[1]!];
    await expect(one.getTenant(acme)).rejects.toMatchObject({ code: 'store_unavailable' });
    const pending = await one.pendingMigrations();
    expect(pending.map(({ version }) => version)).toEqual([1]);
    expect(pending[0]?.sql).toContain('CREATE TABLE "Odd-name".tenants');
    expect(await one.pendingMigrations()).toEqual(pending);
    const done = await Promise.all([one.migrate(), two.migrate(), one.migrate()]);
    expect(done.flat()).toEqual(pending);
    expect(await two.pendingMigrations()).toEqual([]);
    await one.createTenant({ id: acme, name: 'Acme' });
    expect(await two.migrate()).toEqual([]);
    expect((await two.getTenant(acme))?.name).toBe('Acme');
    await pools[0]!.query(`INSERT INTO "Odd-name".tenant_store_migrations (version, name) VALUES (99, 'later')`);
    await expect(one.migrate()).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it.each(['', 'pg_catalog', 'a"b', 'x'.repeat(64), 'a;b', '1a'])('refuses %j as a schema', (schema) => {
    expect(() => postgresStore(pools[0]!, { schema })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });

  it('ends in time, and gives its connection back, where a row is locked or no connection is free', async () => {
    const pool = new Pool({ connectionString: server.url(), max: 1 });
    pool.on('error', () => undefined);
    const store = postgresStore(pool, { timeoutMs: 300 });
    await pools[0]!.query('DELETE FROM portcullis.tenants');
    await store.createTenant({ id: acme, name: 'Acme' });
    const blocker = await pools[1]!.connect();
    await blocker.query(`BEGIN; SELECT 1 FROM portcullis.tenants WHERE id = 'acme' FOR UPDATE`);
    await expect(store.updateTenant(acme, { name: 'New' })).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await store.getTenant(acme))?.name).toBe('Acme');
    await blocker.query('ROLLBACK');
    blocker.release();
    await store.updateTenant(acme, { name: 'New' });
    const only = await pool.connect();
    await expect(store.getTenant(acme)).rejects.toMatchObject({ code: 'store_unavailable' });
    only.release();
    expect((await store.getTenant(acme))?.name).toBe('New');
    await pool.end();
  });

  it('takes a row that is malformed for a failure of the store, and not for a tenant', async () => {
    const store = postgresStore(pools[0]!);
    await pools[0]!.query('DELETE FROM portcullis.tenants');
    await store.createTenant({ id: acme, name: 'Acme' });
    await pools[0]!.query(`UPDATE portcullis.tenants SET status = '"active"'`);
    await expect(store.getTenant(acme)).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(store.listTenants()).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

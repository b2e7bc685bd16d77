import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { tenantStoreContract } from '@portcullis/testing/tenant-store-contract';
import { keyvStore } from '../keyv.js';
import { postgresStore } from '../postgres.js';
import { memoryStore } from './memory.js';

tenantStoreContract('memory', () => Promise.resolve(memoryStore()));
tenantStoreContract('Keyv in memory', () => Promise.resolve(keyvStore(new Keyv(), { writers: 'one' })));

it('a record that is malformed in the backend is a failure of the store, and not a tenant', async () => {
  const keyv = new Keyv();
  const store = keyvStore(keyv, { writers: 'one' });
  await store.createTenant({ id: tenantId('acme'), name: 'Acme' });
  await keyv.set(JSON.stringify(['tenant', 'acme']), JSON.stringify({ id: 'acme', status: 'active' }));
  await expect(store.getTenant(tenantId('acme'))).rejects.toMatchObject({ code: 'store_unavailable' });
});

describe.skipIf(skipWithoutRedis())('over Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  let count = 0;
  tenantStoreContract('Keyv on Redis', () =>
    Promise.resolve(keyvStore(new Keyv({ store: new KeyvRedis(redis.url), namespace: `t${String(count++)}` }))),
  );

  it('a Redis that dies is a failure of the store, in time, and never a tenant that is not there', async () => {
    const victim = await startRedis();
    const store = keyvStore(new Keyv({ store: new KeyvRedis(victim.url) }), { timeoutMs: 500 });
    await store.createTenant({ id: tenantId('acme'), name: 'Acme' });
    await victim.kill();
    for (let count = 0; count < 3; count++) {
      await expect(store.getTenant(tenantId('acme'))).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(store.getMembership(tenantId('acme'), 'u')).rejects.toMatchObject({ code: 'store_unavailable' });
    }
    await expect(store.putMember(tenantId('acme'), 'u', ['owner'])).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  });
});

describe('over PostgreSQL', () => {
  let server: PostgresServer;
  let pool: Pool;
  beforeAll(async () => {
    server = await startPostgres();
    pool = new Pool({ connectionString: server.url(), max: 20 });
    // A server that stops says so on connections that nobody uses.
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  let count = 0;
  tenantStoreContract('PostgreSQL', async () => {
    const store = postgresStore(pool, { schema: `t${String(count++)}`, timeoutMs: 10_000 });
    await store.migrate();
    return store;
  });
});

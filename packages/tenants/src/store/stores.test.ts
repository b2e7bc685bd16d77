import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { tenantStoreContract } from '@portcullis/testing/tenant-store-contract';
import { keyvStore } from '../keyv.js';
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

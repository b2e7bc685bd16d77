import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { tenantStoreContract } from '@portcullis/testing/tenant-store-contract';
import { keyvStore } from '../keyv.js';
import type { TenantStore } from './store.js';

describe.skipIf(skipWithoutRedis())('over Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  let count = 0;
  const opened: TenantStore[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((store) => store.close())));
  tenantStoreContract('Keyv on Redis', (options) => {
    const namespace = `t${String(count++)}`;
    const open = (): TenantStore => keyvStore(new Keyv({ store: new KeyvRedis(redis.url), namespace }), options);
    const replicas = { one: open(), two: open() };
    opened.push(replicas.one, replicas.two);
    return Promise.resolve(replicas);
  });

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

  it('many who come while it connects for the first time all get their answer', async () => {
    const options = { url: redis.url, disableOfflineQueue: true };
    const store = keyvStore(new Keyv({ store: new KeyvRedis(options), namespace: 'cold' }));
    const found = await Promise.all(Array.from({ length: 20 }, () => store.getTenant(tenantId('acme'))));
    expect(found).toEqual(Array.from({ length: 20 }, () => undefined));
    await store.close();
  });

  it('refuses a client for a cluster, whose commits would not be atomic', () => {
    const store = new KeyvRedis({ rootNodes: [{ url: redis.url }] });
    expect(() => keyvStore(new Keyv({ store }), { writers: 'one' })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });

  it('changes nothing where a key of the namespace is something else', async () => {
    const adapter = new KeyvRedis(redis.url);
    const store = keyvStore(new Keyv({ store: adapter, namespace: 'odd' }));
    const client = await adapter.getClient();
    await client.set('odd::["members","acme"]', 'no set');
    await store.createTenant({ id: tenantId('acme'), name: 'Acme' });
    await expect(store.putMember(tenantId('acme'), 'u', ['owner'])).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(await store.getMembership(tenantId('acme'), 'u')).toBeUndefined();
    await store.close();
  });
});

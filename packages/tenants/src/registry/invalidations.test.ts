import KeyvRedis from '@keyv/redis';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tenantId, type Tenant } from '@portcullis/core';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { postgresInvalidations } from '../postgres.js';
import { redisInvalidations, type RedisPubSubClient } from '../redis.js';
import { memoryStore } from '../store/memory.js';
import { changeIn, type Invalidations, type TenantChange } from './invalidations.js';
import { registry } from './registry.js';

const acme = tenantId('acme');
const globex = tenantId('globex');

/** Two replicas on one store that know of one another's changes only by what they tell each other. */
async function replicas(connect: () => Invalidations) {
  const store = memoryStore();
  await store.createTenant({ id: acme, name: 'Acme', domains: ['acme.example'] });
  await store.createTenant({ id: globex, name: 'Globex' });
  const heard: (TenantChange | 'unknown')[] = [];
  const buses = [connect(), connect()] as const;
  const [one, two] = buses.map((invalidations) => registry({ store, invalidations, maxAgeMs: 3_600_000 }));
  buses[1].subscribe((change) => heard.push(change));
  await vi.waitFor(() => {
    expect(heard).toContain('unknown');
  }, 10_000);
  heard.length = 0;
  return {
    store,
    heard,
    one: one!,
    two: two!,
    close: async () => {
      one!.close();
      two!.close();
      await Promise.all(buses.map((bus) => bus.close()));
    },
  };
}

function busContract(name: string, connect: () => Invalidations): void {
  it(`reaches the other replica: ${name}`, async () => {
    const { one, two, heard, close } = await replicas(connect);
    try {
      await two.tenant(acme);
      await two.tenantByDomain('acme.example');
      expect(await two.tenantByDomain('new.example')).toBeUndefined();
      expect(await two.membership(acme, 'u"/,\u{1f600}')).toBeUndefined();
      await one.store.updateTenant(acme, { status: { state: 'suspended' }, domains: ['new.example'] });
      await one.store.addMember(acme, 'u"/,\u{1f600}', ['member']);
      // That it listens from now on may be told once more.
      const told = (): readonly unknown[] => heard.filter((change) => change !== 'unknown');
      await vi.waitFor(() => {
        expect(told()).toHaveLength(2);
      }, 10_000);
      expect(told()).toEqual([{ tenant: 'acme' }, { tenant: 'acme', userId: 'u"/,\u{1f600}' }]);
      expect((await two.tenant(acme))?.status.state).toBe('suspended');
      expect(await two.tenantByDomain('acme.example')).toBeUndefined();
      expect((await two.tenantByDomain('new.example'))?.id).toBe('acme');
      expect((await two.membership(acme, 'u"/,\u{1f600}'))?.roles).toEqual(['member']);
    } finally {
      await close();
    }
  });
}

describe('what is told', () => {
  it('takes a message that it does not understand for one that may mean anything', () => {
    for (const message of ['', '{', '{}', '{"tenant":"a/b"}', '{"tenant":"acme","more":1}', undefined, '["acme"]'])
      expect(changeIn(message)).toBe('unknown');
  });

  it('does not fail a change that cannot be told, and says so', async () => {
    const errors: unknown[] = [];
    const tenants = registry({
      store: memoryStore(),
      invalidations: {
        publish: () => Promise.reject(new Error('down')),
        subscribe: () => () => undefined,
        close: () => Promise.resolve(),
      },
      onError: (error) => errors.push(error),
    });
    expect((await tenants.store.createTenant({ id: acme, name: 'Acme' })).id).toBe('acme');
    expect(errors).toEqual([new Error('down')]);
  });

  it('is told of a change that failed too: it may have been made', async () => {
    const told: TenantChange[] = [];
    const tenants = registry({
      store: memoryStore(),
      invalidations: {
        publish: (change) => Promise.resolve(void told.push(change)),
        subscribe: () => () => undefined,
        close: () => Promise.resolve(),
      },
    });
    await expect(tenants.store.updateTenant(acme, {})).rejects.toMatchObject({ code: 'tenant_unknown' });
    expect(told).toEqual([{ tenant: 'acme' }]);
  });

  it('forgets the tenant that was changed and no other', async () => {
    const loads: string[] = [];
    const inner = memoryStore();
    for (const id of [acme, globex]) await inner.createTenant({ id, name: id, domains: [`${id}.example`] });
    let hear: (change: TenantChange | 'unknown') => void = () => undefined;
    const tenants = registry({
      store: {
        ...inner,
        getTenant: (id): Promise<Tenant | undefined> => (loads.push(id), inner.getTenant(id)),
        getTenantByDomain: (name) => (loads.push(name), inner.getTenantByDomain(name)),
        getMembership: (id, user) => (loads.push(`${id}/${user}`), inner.getMembership(id, user)),
      },
      invalidations: {
        publish: () => Promise.resolve(),
        subscribe: (listener) => ((hear = listener), () => undefined),
        close: () => Promise.resolve(),
      },
    });
    const use = async (): Promise<readonly string[]> => {
      loads.length = 0;
      for (const id of [acme, globex]) {
        await tenants.tenant(id);
        await tenants.tenantByDomain(`${id}.example`);
        await tenants.membership(id, 'u');
        await tenants.membership(id, 'v');
      }
      return [...loads];
    };
    expect(await use()).toHaveLength(8);
    expect(await use()).toEqual([]);
    hear({ tenant: acme, userId: 'u' });
    expect(await use()).toEqual(['acme/u']);
    hear({ tenant: acme });
    expect(await use()).toEqual(['acme', 'acme.example', 'acme/u', 'acme/v']);
    hear('unknown');
    expect(await use()).toHaveLength(8);
  });
});

describe.skipIf(skipWithoutRedis())('over Redis', () => {
  let server: RedisServer;
  let client: RedisPubSubClient;
  beforeAll(async () => {
    server = await startRedis();
    client = new KeyvRedis(server.url).client as RedisPubSubClient;
  });
  afterAll(() => server.stop());

  busContract('Redis', () => redisInvalidations({ client, onError: () => undefined }));

  it('fails in time where Redis cannot be reached', async () => {
    const dead = new KeyvRedis('redis://127.0.0.1:1').client as RedisPubSubClient;
    const bus = redisInvalidations({ client: dead, timeoutMs: 200 });
    await expect(bus.publish({ tenant: acme })).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(bus.publish({ tenant: acme })).rejects.toMatchObject({ code: 'store_unavailable' });
    await bus.close();
  });
});

describe('over PostgreSQL', () => {
  let server: PostgresServer;
  let pool: Pool;
  beforeAll(async () => {
    server = await startPostgres();
    pool = new Pool({ connectionString: server.url(), max: 10 });
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  busContract('PostgreSQL', () => postgresInvalidations(pool));

  it('forgets everything when it listens again after the server has died', async () => {
    const { one, two, heard, store, close } = await replicas(() => postgresInvalidations(pool));
    try {
      await two.tenant(acme);
      await server.kill();
      // Nobody can be told.
      await one.store.updateTenant(acme, { name: 'Changed meanwhile' });
      expect((await two.tenant(acme))?.name).toBe('Acme');
      await server.restart();
      await vi.waitFor(() => {
        expect(heard).toContain('unknown');
      }, 15_000);
      expect(await two.tenant(acme)).toEqual(await store.getTenant(acme));
    } finally {
      await close();
    }
  });
});

import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type SessionDirectory, type SessionInfo } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { redisSessions } from '../redis.js';
import { memorySessions } from './memory-sessions.js';
import { Sessions } from './sessions.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const info = (tenant: typeof acme, id: string, openedAt = 1): SessionInfo => ({ tenant, id, user: 'test#u', openedAt });

function contract(name: string, open: () => SessionDirectory | Promise<SessionDirectory>): void {
  describe(`a session directory: ${name}`, () => {
    it('lists the sessions of one tenant, and of no other', async () => {
      const directory = await open();
      await directory.note([info(acme, 'b', 2), info(acme, 'a', 1), info(globex, 'a')]);
      expect(await directory.list(acme)).toEqual([info(acme, 'a', 1), info(acme, 'b', 2)]);
      await directory.remove(acme, 'a');
      expect(await directory.list(acme)).toEqual([info(acme, 'b', 2)]);
      expect(await directory.list(globex)).toEqual([info(globex, 'a')]);
      await directory.remove(acme, 'b');
      await directory.remove(globex, 'a');
    });

    it('has a session ended by whoever holds it, and no other of that name', async () => {
      const directory = await open();
      const ended: string[] = [];
      directory.onEnd((tenant, id) => ended.push(`${tenant}/${id}`));
      await directory.note([info(acme, 's'), info(globex, 's')]);
      await directory.end(acme, 's');
      await directory.note([info(acme, 's'), info(globex, 's')]);
      expect([...new Set(ended)]).toEqual(['acme/s']);
    });
  });
}

contract('memory', memorySessions);

describe.skipIf(skipWithoutRedis())('on Redis', () => {
  let redis: RedisServer;
  let client: ReturnType<typeof createClient>;
  let prefixes = 0;
  const prefix = (): string => `t${String(++prefixes)}:`;
  beforeAll(async () => {
    redis = await startRedis();
    client = createClient({ url: redis.url, disableOfflineQueue: true });
    client.on('error', () => undefined);
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await redis.stop();
  });

  contract('Redis', () => redisSessions(client, { prefix: prefix() }));

  it('ends a session from another replica, within one noting', async () => {
    const shared = prefix();
    const holder = redisSessions(client, { prefix: shared });
    const other = redisSessions(client, { prefix: shared });
    const ended: string[] = [];
    holder.onEnd((_tenant, id) => ended.push(id));
    await holder.note([info(acme, 's'), info(acme, 't')]);
    expect((await other.list(acme)).map(({ id }) => id)).toEqual(['s', 't']);
    await other.end(acme, 's');
    await holder.note([info(acme, 's'), info(acme, 't')]);
    expect(ended).toEqual(['s']);
  });

  it('forgets the sessions of a replica that is gone', async () => {
    const directory = redisSessions(client, { prefix: prefix(), ttlMs: 50 });
    await directory.note([info(acme, 's')]);
    await expect.poll(() => directory.list(acme)).toEqual([]);
  });

  it('says that it cannot be read, and never that there is no session', async () => {
    const gone = createClient({ url: 'redis://127.0.0.1:1', disableOfflineQueue: true });
    await expect(redisSessions(gone, { timeoutMs: 200 }).list(acme)).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  });
});

describe('sessions in a directory', () => {
  const session = (id: string, closed: string[] = []) => ({
    id,
    guarded: { transport: undefined, view: () => undefined as never },
    transport: {
      handleRequest: () => Promise.resolve(new Response()),
      close: () => {
        closed.push(id);
        return Promise.resolve();
      },
    },
  });

  it('are listed under a name with which nobody can go on with them, and end on request', async () => {
    const directory = memorySessions();
    const sessions = new Sessions({ directory }, Date.now);
    const closed: string[] = [];
    const context = contextFor({ tenant: 'acme', subject: 'alice' });
    await sessions.open(session('secret-id', closed), context);
    const [listed] = await directory.list(acme);
    expect(listed).toMatchObject({ tenant: 'acme', user: 'test#alice', client: 'test-client' });
    expect(listed?.id).not.toContain('secret-id');
    expect(() => sessions.find(listed?.id ?? '', context)).toThrow('session not found');
    await directory.end(globex, listed?.id ?? '');
    expect(closed).toEqual([]);
    await directory.end(acme, listed?.id ?? '');
    await expect.poll(() => closed).toEqual(['secret-id']);
    expect(() => sessions.find('secret-id', context)).toThrow('session not found');
    expect(await directory.list(acme)).toEqual([]);
    await sessions.close();
  });

  it('are not opened where the directory cannot take them', async () => {
    const directory: SessionDirectory = { ...memorySessions(), note: () => Promise.reject(new Error('away')) };
    let released = 0;
    const place = {
      release: () => {
        released++;
        return Promise.resolve();
      },
    };
    const limiter = {
      request: () => Promise.resolve(),
      call: () => Promise.resolve(place),
      session: () => Promise.resolve(place),
      close: () => Promise.resolve(),
    };
    const sessions = new Sessions({ directory }, Date.now, limiter);
    const context = contextFor({ tenant: 'acme' });
    await expect(sessions.open(session('s'), context)).rejects.toThrow('away');
    expect(() => sessions.find('s', context)).toThrow('session not found');
    expect(released).toBe(1);
    await sessions.close();
  });
});

import { spawn } from 'node:child_process';
import KeyvRedis, { createCluster } from '@keyv/redis';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId } from '@portcullis/core';
import { freePort } from '../../../testing/src/free-port.js';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { keyvGrants } from '../keyv.js';
import type { GrantRecord } from './grant.js';
import { memoryGrants } from './memory.js';
import { placeOf, type GrantStore } from './store.js';

const acme = tenantId('acme');
const keepMs = 3_600_000;
let serial = 0;

function record(more: Partial<GrantRecord> = {}): GrantRecord {
  return {
    id: `grant${String(serial++).padStart(27, '0')}`,
    kind: 'support',
    tenant: acme,
    operator: { key: 'staff#sam', subject: 'sam', sub: 'sam' },
    client: 'console',
    reason: 'ticket 4711',
    ttlMs: 60_000,
    requestedAt: 1_800_000_000_000 + serial,
    startsAt: 1_800_000_000_000,
    expiresAt: 1_800_000_060_000,
    version: 1,
    ...more,
  };
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'done',
    (error: unknown) => (error instanceof PortcullisError ? error.code : String(error)),
  );
}

/** What every grant store has to do; `replicas` are two of them over one backend, which may be one and the same. */
function contract(name: string, open: () => readonly [GrantStore, GrantStore]): void {
  describe(name, () => {
    let here: GrantStore;
    let there: GrantStore;
    beforeEach(() => {
      [here, there] = open();
    });

    it('gives back what was kept, to every replica, and nothing for what was not', async () => {
      const kept = record({ operator: { key: 'a::b:grant:#ü\n"', subject: 's', sub: 's', email: 'a@b.c' } });
      await here.create(kept, keepMs);
      expect(await there.get(kept.id)).toMatchObject({ record: kept, uses: 0 });
      expect(await there.get('x'.repeat(32))).toBeUndefined();
    });

    it('keeps an id once', async () => {
      const kept = record();
      const outcomes = await Promise.all([here, there, here].map((store) => codeOf(store.create(kept, keepMs))));
      expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'done']);
    });

    it('makes exactly one of many changes of one version, whichever replica they come from', async () => {
      const kept = record();
      await here.create(kept, keepMs);
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? here : there).replace(
            { ...kept, approvedBy: `staff#${String(index)}`, version: 2 },
            1,
            keepMs,
          ),
        ),
      );
      expect(outcomes.filter((made) => made)).toHaveLength(1);
      const winner = outcomes.indexOf(true);
      expect((await here.get(kept.id))?.record).toMatchObject({ approvedBy: `staff#${String(winner)}`, version: 2 });
    });

    it('changes and uses nothing that is not there', async () => {
      const never = record();
      expect(await here.replace({ ...never, version: 2 }, 1, keepMs)).toBe(false);
      expect(await here.use(never.id, 1)).toBe(false);
      expect(await here.get(never.id)).toBeUndefined();
    });

    it('counts every use, and none of a version that is no longer there', async () => {
      const kept = record();
      await here.create(kept, keepMs);
      const uses = await Promise.all(
        Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? here : there).use(kept.id, 1)),
      );
      expect(uses.every((counted) => counted)).toBe(true);
      await there.replace({ ...kept, revokedAt: 1, revokedBy: 'staff#sue', version: 2 }, 1, keepMs);
      expect(await here.use(kept.id, 1)).toBe(false);
      expect(await here.get(kept.id)).toMatchObject({ uses: 30, record: { version: 2 } });
    });

    it('after a revocation was acknowledged counts no use, however many are under way', async () => {
      const kept = record();
      await here.create(kept, keepMs);
      let revoked = false;
      let late = 0;
      const use = async (): Promise<void> => {
        for (let count = 0; count < 20; count++) {
          const begunAfter = revoked;
          if ((await here.use(kept.id, 1)) && begunAfter) late++;
        }
      };
      await Promise.all([
        use(),
        use(),
        (async () => {
          await there.replace({ ...kept, revokedAt: 1, revokedBy: 'x', version: 2 }, 1, keepMs);
          revoked = true;
        })(),
      ]);
      expect(late).toBe(0);
    });

    it('lists an operator’s and a tenant’s, the newest first, ties by id, neither twice nor left out', async () => {
      const operator = { key: `staff#${String(serial)}`, subject: 's', sub: 's' };
      const tenant = tenantId(`tenant-${String(serial)}`);
      const mine: GrantRecord[] = [];
      for (let count = 0; count < 7; count++) {
        const kept = record({ operator, tenant, requestedAt: 1_800_000_000_000 + Math.floor(count / 2) });
        mine.push(kept);
        await here.create(kept, keepMs);
        await here.create(record({ operator, tenant: acme }), keepMs);
        await here.create(record({ tenant }), keepMs);
      }
      const wanted = mine.sort((a, b) => (placeOf(a) < placeOf(b) ? 1 : -1)).map(({ id }) => id);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await there.list({ tenant }, { limit: 2, cursor });
        seen.push(
          ...page.grants.filter(({ record: { operator: of } }) => of.key === operator.key).map((g) => g.record.id),
        );
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(wanted);
      const own = await here.list({ operator: operator.key }, { limit: 100, cursor: undefined });
      expect(own.grants).toHaveLength(14);
      expect(own.cursor).toBeUndefined();
    });
  });
}

contract('grants in memory', () => {
  const store = memoryGrants();
  return [store, store];
});

describe('grants in memory', () => {
  it('are forgotten when their time has come, and not before', async () => {
    let now = 0;
    const store = memoryGrants({ clock: () => now });
    const kept = record();
    await store.create(kept, 100);
    now = 99;
    await store.create(record(), 100);
    expect(await store.get(kept.id)).toBeDefined();
    now = 100;
    await store.create(record(), 100);
    expect(await store.get(kept.id)).toBeUndefined();
  });
});

describe.skipIf(skipWithoutRedis())('with Redis', () => {
  let redis: RedisServer;
  const opened: GrantStore[] = [];
  const open = (timeoutMs = 2000, namespace = 'portcullis', url = redis.url): GrantStore => {
    const store = keyvGrants(new Keyv({ store: new KeyvRedis(url), namespace }), { timeoutMs });
    opened.push(store);
    return store;
  };
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await Promise.all(opened.map((store) => store.close().catch(() => undefined)));
    await redis.stop();
  });

  contract('grants in Redis', () => [open(), open()]);

  it('namespaces do not see one another', async () => {
    const kept = record();
    await open().create(kept, keepMs);
    expect(await open(2000, 'other').get(kept.id)).toBeUndefined();
  });

  it('what is forgotten leaves the lists', async () => {
    const operator = { key: 'staff#forgotten', subject: 's', sub: 's' };
    const store = open();
    await store.create(record({ operator }), 30);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await store.create(record({ operator }), keepMs);
    const client = await new KeyvRedis(redis.url).getClient();
    expect(
      await (client as unknown as { zCard(key: string): Promise<number> }).zCard(
        'portcullis::grants:operator:staff#forgotten',
      ),
    ).toBe(1);
    void client.destroy();
  });

  it.each([
    ['no JSON', { record: '{', version: '1', uses: '0' }],
    ['two of one name', { record: 'twice' }],
    ['another grant', { record: JSON.stringify(record()), version: '1', uses: '0' }],
    ['another version', { version: '7' }],
    ['no count', { uses: 'many' }],
    ['a part that is missing', { uses: undefined }],
    ['a support grant that has not begun', { record: { startsAt: undefined, expiresAt: undefined } }],
    ['one that is half begun', { record: { kind: 'break_glass', expiresAt: undefined } }],
    ['one that begins without approval', { record: { kind: 'break_glass' } }],
    ['one with more in it', { record: { admin: true } }],
  ])('%s is a failure and no miss', async (_what, damage) => {
    const store = open();
    const kept = record();
    await store.create(kept, keepMs);
    const client = (await new KeyvRedis(redis.url).getClient()) as unknown as {
      hSet(key: string, field: string, value: string): Promise<unknown>;
      hDel(key: string, field: string): Promise<unknown>;
      destroy(): void;
    };
    const twice = JSON.stringify(kept).replace('{', '{"reason":"another",');
    for (const [field, drawn] of Object.entries(damage)) {
      const value = drawn === 'twice' ? twice : drawn;
      const key = `portcullis::grants:grant:${kept.id}`;
      if (value === undefined) await client.hDel(key, field);
      else
        await client.hSet(
          key,
          field,
          typeof value === 'string' ? value : JSON.stringify({ ...kept, ...(value as object) }),
        );
    }
    client.destroy();
    expect(await codeOf(store.get(kept.id))).toBe('grants_unavailable');
    expect(await codeOf(store.list({ operator: kept.operator.key }, { limit: 200, cursor: undefined }))).toBe(
      'grants_unavailable',
    );
  });

  it('a Redis that is not there, hangs or dies is a failure, in time', async () => {
    const own = await startRedis();
    const store = open(200, 'portcullis', own.url);
    const attempts = [
      () => store.get('x'.repeat(32)),
      () => store.create(record(), keepMs),
      () => store.replace(record(), 1, keepMs),
      () => store.use('x'.repeat(32), 1),
      () => store.list({ tenant: acme }, { limit: 1, cursor: undefined }),
    ];
    expect(await store.get('x'.repeat(32))).toBeUndefined();
    process.kill(own.pid, 'SIGSTOP');
    for (const attempt of attempts) expect(await codeOf(attempt())).toBe('grants_unavailable');
    process.kill(own.pid, 'SIGCONT');
    await own.kill();
    for (const attempt of attempts) expect(await codeOf(attempt())).toBe('grants_unavailable');
  });

  it('what could not be sent in time is not sent later, when Redis is back', async () => {
    const port = String(await freePort());
    const store = open(200, 'portcullis', `redis://127.0.0.1:${port}`);
    const never = [record(), record(), record()];
    for (const kept of never) expect(await codeOf(store.create(kept, keepMs))).toBe('grants_unavailable');
    const server = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', ''], {
      stdio: 'ignore',
    });
    try {
      const kept = record();
      await expect.poll(() => codeOf(store.create(kept, keepMs)), { timeout: 10_000 }).toMatch(/done|conflict/);
      expect((await store.get(kept.id))?.record).toEqual(kept);
      for (const { id } of never) expect(await store.get(id)).toBeUndefined();
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('is refused to every other adapter, and to a cluster', () => {
    expect(() => keyvGrants(new Keyv())).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
    const cluster = createCluster({ rootNodes: [{ url: redis.url }] });
    expect(() => keyvGrants(new Keyv({ store: new KeyvRedis(cluster as never) }))).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message: 'keyvGrants: Redis Cluster is not supported',
      }) as Error,
    );
  });
});

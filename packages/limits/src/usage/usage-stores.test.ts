import { randomUUID } from 'node:crypto';
import { createClient } from '@keyv/redis';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type UsageEvent, type UsageOutcome } from '@portcullis/core';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { redisUsage } from '../redis/redis-usage.js';
import { memoryUsage } from './memory-usage.js';
import { postgresUsage } from './postgres-usage.js';
import { UsageBuffer } from './usage-buffer.js';
import type { UsageBatch, UsageEntry } from './usage-entry.js';
import type { UsageStore } from './usage-store.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const noon = Date.UTC(2026, 4, 31, 12);
const outcomes: readonly UsageOutcome[] = ['allowed', 'denied', 'limited', 'error'];
const strange = [
  '',
  '"',
  '","',
  '["a"]',
  '{globex}',
  '__proto__',
  'a\0b',
  '\ud800',
  '=1+1',
  '(other)',
  'x'.repeat(300),
];

const anyEvent: fc.Arbitrary<UsageEvent> = fc.record({
  tenant: fc.constantFrom(acme, globex),
  user: fc.constantFrom('test#alice', 'test#bob', ...strange),
  tool: fc.constantFrom('note_read', 'tools/list', ...strange),
  outcome: fc.constantFrom(...outcomes),
  latencyMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  at: fc.constantFrom(noon, noon + 86_400_000),
});

function batchOf(events: readonly UsageEvent[], writer: string, sequence: number): UsageBatch {
  const buffer = new UsageBuffer({ maxEntries: 1000, maxEntriesPerTenant: 1000, maxToolsPerTenant: 1000 });
  for (const event of events) buffer.add(event, event.at);
  return { writer, sequence, entries: buffer.take(1000) };
}

async function all(
  store: UsageStore,
  tenant = acme,
  from = '2000-01-01',
  to = '2026-12-31',
): Promise<readonly UsageEntry[]> {
  const read: UsageEntry[] = [];
  // A store of days is not asked for thirty years of them.
  for await (const entry of store.read(tenant, from < '2026-05-01' ? '2026-05-01' : from, to)) read.push(entry);
  return read.sort((one, two) => (keyOf(one) < keyOf(two) ? -1 : 1));
}
const keyOf = ({ day, user, tool }: UsageEntry): string => JSON.stringify([day, user, tool]);

function contract(name: string, open: () => Promise<UsageStore>): void {
  describe(`usage ${name}`, () => {
    it('adds each batch once, however often and late it comes, and adds up exactly', { timeout: 60_000 }, async () => {
      const someBatches = fc.array(
        fc.record({ events: fc.array(anyEvent, { maxLength: 12 }), times: fc.integer({ min: 1, max: 3 }) }),
        { maxLength: 5 },
      );
      await fc.assert(
        fc.asyncProperty(someBatches, someBatches, async (one, two) => {
          const store = await open();
          const send = async (batches: typeof one): Promise<void> => {
            const writer = randomUUID();
            for (const [index, { events, times }] of batches.entries()) {
              const batch = batchOf(events, writer, index + 1);
              // As after a deadline: the first may be under way still.
              await Promise.all(Array.from({ length: times }, () => store.add(batch)));
              await store.add(batchOf(batches[0]?.events ?? [], writer, 1));
            }
          };
          await Promise.all([send(one), send(two)]);
          const model = memoryUsage();
          await model.add(
            batchOf(
              [...one, ...two].flatMap(({ events }) => events),
              'model',
              1,
            ),
          );
          expect(await all(store)).toEqual(await all(model));
          expect(await all(store, globex)).toEqual(await all(model, globex));
        }),
        { numRuns: 15 },
      );
    });

    it('reads the days asked for, both ends included, and no other tenant’s', async () => {
      const store = await open();
      const event: UsageEvent = {
        tenant: acme,
        user: 'test#alice',
        tool: 't',
        outcome: 'allowed',
        latencyMs: 1,
        at: noon,
      };
      const day = 86_400_000;
      const events = [-2, -1, 0, 1].map((days) => ({ ...event, at: noon + days * day }));
      await store.add(batchOf([...events, { ...event, tenant: globex }], randomUUID(), 1));
      const read = await all(store, acme, '2026-05-30', '2026-05-31');
      expect(read.map((entry) => entry.day)).toEqual(['2026-05-30', '2026-05-31']);
      expect(read[0]).toMatchObject({ tenant: acme, allowed: 1, latencyMicros: 1000, latencyMaxMicros: 1000 });
      expect(await all(store, tenantId('acm'))).toEqual([]);
    });

    it('gives every entry of a day with more than fit a page, once', { timeout: 60_000 }, async () => {
      const store = await open();
      const entries = batchOf(
        [{ tenant: acme, user: 'u', tool: 't', outcome: 'allowed', latencyMs: 1, at: noon }],
        'w',
        1,
      ).entries;
      const many = Array.from({ length: 2500 }, (_none, at) => ({ ...entries[0]!, user: `u${String(at)}` }));
      const writer = randomUUID();
      for (let at = 0; at < 25; at++)
        await store.add({ writer, sequence: at + 1, entries: many.slice(at * 100, at * 100 + 100) });
      expect(new Set((await all(store)).map(({ user }) => user)).size).toBe(2500);
      expect(await all(store)).toHaveLength(2500);
    });
  });
}

contract('in memory', () => Promise.resolve(memoryUsage()));

describe.skipIf(skipWithoutRedis())('with Redis', () => {
  let redis: RedisServer;
  const client = { current: undefined as unknown as ReturnType<typeof newClient> };
  let count = 0;
  beforeAll(async () => {
    redis = await startRedis();
    client.current = newClient(redis.url);
    await client.current.connect();
  });
  afterAll(async () => {
    client.current.destroy();
    await redis.stop();
  });
  contract('on Redis', () =>
    Promise.resolve(redisUsage(client.current, { prefix: `u${String(count++)}`, timeoutMs: 20_000 })),
  );

  it('takes a value that it did not write for a failure', async () => {
    const usage = redisUsage(client.current, { prefix: 'broken', timeoutMs: 20_000 });
    await client.current.hSet('broken:{acme}:["day","2026-05-31"]', 'field', 'x');
    await expect(all(usage)).rejects.toThrow();
  });

  it('keeps nothing for ever', async () => {
    const usage = redisUsage(client.current, { prefix: 'kept', timeoutMs: 20_000 });
    await usage.add(
      batchOf([{ tenant: acme, user: 'u', tool: 't', outcome: 'allowed', latencyMs: 1, at: noon }], randomUUID(), 1),
    );
    const keys = await client.current.keys('kept:*');
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(await client.current.pTTL(key)).toBeGreaterThan(0);
  });
});

function newClient(url: string) {
  return createClient({ url });
}

describe('with PostgreSQL', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  beforeAll(async () => {
    server = await startPostgres();
    pool = new pg.Pool({ connectionString: server.url() });
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  contract('in PostgreSQL', async () => {
    const usage = postgresUsage(pool, { timeoutMs: 20_000 });
    await Promise.all([usage.install(), usage.install()]);
    await pool.query('TRUNCATE portcullis.usage, portcullis.usage_writers');
    return usage;
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@keyv/redis';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { tenantId, type Limiter, type UsageEvent } from '@portcullis/core';
import { limiter, usageReport, usageTracker, type LimiterOptions, type UsageSink } from '@portcullis/limits';
import { postgresUsage } from '@portcullis/limits/postgres';
import { redisLimits, redisUsage, type RedisClient } from '@portcullis/limits/redis';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres } from '@portcullis/testing/postgres';
import { skipWithoutRedis } from '@portcullis/testing/redis';

/** A Redis that keeps each write, and can be killed, stopped and started again where it was. */
class DurableRedis {
  readonly #folder = mkdtempSync(join(tmpdir(), 'portcullis-redis-'));
  #port = 0;
  #child: ChildProcess | undefined;

  get url(): string {
    return `redis://127.0.0.1:${String(this.#port)}`;
  }

  async start(): Promise<void> {
    this.#port ||= await freePort();
    const keep = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--dir', this.#folder];
    const child = spawn('redis-server', ['--port', String(this.#port), '--bind', '127.0.0.1', ...keep], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => {
        reject(new Error('redis-server ended'));
      });
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('Ready to accept connections')) resolve();
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

function newClient(url: string) {
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 50 } });
  client.on('error', () => undefined);
  return client;
}

const context = contextFor({
  settings: { limits: { requestsPerDay: 30, concurrentCalls: 2 }, quotas: { callsPerMonth: 10 } },
});
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'passed',
    (error: unknown) => (error as { code: string }).code,
  );
const event: UsageEvent = {
  ...{ tenant: tenantId('acme'), user: 'test#alice', tool: 'note_read', outcome: 'allowed', latencyMs: 1 },
  at: Date.UTC(2026, 4, 31),
};

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

describe.skipIf(skipWithoutRedis())('while Redis is down', () => {
  async function setUp(options: Partial<LimiterOptions> = {}): Promise<{
    readonly redis: DurableRedis;
    readonly limits: Limiter;
    readonly errors: readonly unknown[];
    readonly client: ReturnType<typeof newClient>;
  }> {
    const redis = new DurableRedis();
    cleanUp.push(() => redis.remove());
    await redis.start();
    const client = newClient(redis.url);
    cleanUp.push(() => {
      client.destroy();
    });
    await client.connect();
    const errors: unknown[] = [];
    const limits = limiter({
      store: redisLimits(client, { timeoutMs: 10_000, refusalCacheMs: 0 }),
      retryMs: 50,
      onError: (error) => errors.push(error),
      ...options,
    });
    cleanUp.push(() => limits.close());
    return { redis, limits, errors, client };
  }

  it('nothing that is limited passes, what was counted stays counted, and it recovers by itself', async () => {
    const { redis, limits, errors } = await setUp();
    let passed = 0;
    const send = async (): Promise<string> => {
      const said = await code(limits.request(context));
      if (said === 'passed') passed++;
      return said;
    };
    for (let sent = 0; sent < 10; sent++) expect(await send()).toBe('passed');
    const place = await limits.call(context);

    // In the middle of many: each passed and was counted, or did not pass.
    const many = Array.from({ length: 10 }, send);
    await redis.kill();
    for (const said of await Promise.all(many)) expect(['passed', 'limits_unavailable']).toContain(said);
    for (let sent = 0; sent < 20; sent++) expect(await send()).toBe('limits_unavailable');
    expect(await code(limits.call(context))).toBe('limits_unavailable');
    expect(await code(limits.session(context, 's'))).toBe('passed');
    expect(await code(limits.request(contextFor({ tenant: 'without-limits' })))).toBe('passed');
    await place.release();
    expect(errors).toHaveLength(1);

    await redis.start();
    await expect.poll(send, { timeout: 30_000 }).toBe('passed');
    for (let sent = 0; sent < 40; sent++) await send();
    // Never more than the limit; fewer where an answer was lost on its way, as one may be for each of the ten.
    expect(passed).toBeLessThanOrEqual(30);
    expect(passed).toBeGreaterThanOrEqual(20);
    expect(await code(limits.request(context))).toBe('rate_limited');
    expect(errors).toHaveLength(1);
  });

  it('each replica counts its share for itself where that was chosen, until Redis is back', async () => {
    const { redis, limits, errors } = await setUp({ onStoreFailure: 'local', replicas: 3 });
    for (let sent = 0; sent < 5; sent++) await limits.request(context);
    await redis.kill();
    let passed = 0;
    for (let sent = 0; sent < 50; sent++) if ((await code(limits.request(context))) === 'passed') passed++;
    expect(passed).toBe(10);
    expect(errors).toHaveLength(1);
    await redis.start();
    // What Redis had counted it has still: 25 are left of 30.
    let after = 0;
    await expect
      .poll(
        async () => {
          const said = await code(limits.request(context));
          if (said === 'passed') after++;
          return after;
        },
        { timeout: 30_000, interval: 5 },
      )
      .toBe(25);
    expect(await code(limits.request(context))).toBe('rate_limited');
  });

  it('a Redis that hangs is given up in time, and left alone', async () => {
    const { redis, client } = await setUp();
    let asked = 0;
    const counting: RedisClient = {
      eval: (script, options) => client.eval(script, options),
      evalSha: (sha, options) => {
        asked++;
        return client.evalSha(sha, options);
      },
    };
    const limits = limiter({ store: redisLimits(counting, { timeoutMs: 2000 }), retryMs: 60_000 });
    await limits.request(context);
    redis.signal('SIGSTOP');
    const said = await Promise.all(Array.from({ length: 50 }, () => code(limits.request(context))));
    for (let sent = 0; sent < 1000; sent++) said.push(await code(limits.request(context)));
    expect(new Set(said)).toEqual(new Set(['limits_unavailable']));
    expect(asked).toBe(51);
    redis.signal('SIGCONT');
  });

  it('usage is kept, added up, and counted once when it is back', async () => {
    const { redis, client } = await setUp();
    const usage = redisUsage(client, { timeoutMs: 10_000 });
    const errors: unknown[] = [];
    const tracker = usageTracker({ sink: usage, onError: (error) => errors.push(error) });
    for (let count = 0; count < 100; count++) tracker.record({ ...event, user: `u${String(count % 7)}` });
    await tracker.flush();
    await redis.kill();
    for (let count = 0; count < 100; count++) tracker.record({ ...event, user: `u${String(count % 7)}` });
    for (let tries = 0; tries < 3; tries++) await expect(tracker.flush()).rejects.toThrow();
    for (let count = 0; count < 100; count++) tracker.record(event);
    await redis.start();
    await expect
      .poll(
        () =>
          tracker.flush().then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true);
    expect(await tracker.close({ timeoutMs: 30_000 })).toEqual([]);
    const report = await usageReport(usage, contextFor(), { month: '2026-05' });
    expect(report.totals.requests).toBe(300);
    expect(errors).toHaveLength(1);
  });
});

describe('while PostgreSQL is down', () => {
  const server = startPostgres({ settings: { fsync: 'on' } });
  afterAll(async () => (await server).stop());

  it('usage is kept, and counted once when it is back, also where the answer was lost', async () => {
    const postgres = await server;
    const pool = new pg.Pool({ connectionString: postgres.url() });
    pool.on('error', () => undefined);
    cleanUp.push(() => pool.end());
    const usage = postgresUsage(pool);
    await usage.install();
    let losesAnswers = false;
    const sink: UsageSink = {
      async add(batch) {
        await usage.add(batch);
        if (losesAnswers) {
          await postgres.kill();
          throw new Error('the answer was lost');
        }
      },
    };
    const tracker = usageTracker({ sink });
    for (let count = 0; count < 100; count++) tracker.record(event);
    losesAnswers = true;
    await expect(tracker.flush()).rejects.toThrow('the answer was lost');
    losesAnswers = false;
    for (let count = 0; count < 50; count++) tracker.record(event);
    await expect(tracker.flush()).rejects.toThrow();
    await postgres.restart();
    expect(await tracker.close({ timeoutMs: 30_000 })).toEqual([]);
    const report = await usageReport(usage, contextFor(), { month: '2026-05' });
    expect(report.totals.requests).toBe(150);
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@keyv/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type Limiter, type TenantContext } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { limiter } from '../limiter/limiter.js';
import { limitScripts, serverTime } from './limit-scripts.js';
import type { RedisClient } from './redis-client.js';
import { RedisLimits, redisLimits, type RedisLimitsOptions } from './redis-limits.js';

const refusal = (code: string, data: object = {}): unknown =>
  expect.objectContaining({ code, data: expect.objectContaining(data) as unknown });
function newClient(url: string) {
  const made = createClient({ url, disableOfflineQueue: true });
  made.on('error', () => undefined);
  return made;
}
type Client = ReturnType<typeof newClient>;
interface Refused {
  readonly data: { readonly retryAfterMs: number };
}
const limited = (limits: TenantContext['tenant']['settings']['limits'], subject = 'alice', tenant = 'acme') =>
  contextFor({ tenant, subject, settings: { limits } });
const passed = (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 1,
    () => 0,
  );

describe.skipIf(skipWithoutRedis())('a limiter on Redis', () => {
  let redis: RedisServer;
  const clients: Client[] = [];
  const open: Limiter[] = [];
  let count = 0;

  async function client(): Promise<Client> {
    const made = newClient(redis.url);
    clients.push(made);
    await made.connect();
    return made;
  }
  /** Limiters of as many replicas, each with a connection of its own. */
  async function replicas(number: number, options: RedisLimitsOptions = {}): Promise<readonly Limiter[]> {
    const prefix = `t${String(count++)}`;
    return Promise.all(
      Array.from({ length: number }, async () => {
        const made = limiter({ store: redisLimits(await client(), { prefix, timeoutMs: 10_000, ...options }) });
        open.push(made);
        return made;
      }),
    );
  }
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await Promise.all(open.map((one) => one.close()));
    for (const one of clients) if (one.isOpen) one.destroy();
    await redis.stop();
  });

  it('is exact across replicas: of 200 requests at one time that three of them get, 50 pass', async () => {
    const three = await replicas(3, { refusalCacheMs: 0 });
    const both = { requestsPerMinute: 50, requestsPerDay: 1000 };
    const sent = Array.from({ length: 200 }, (_none, at) =>
      passed(three[at % 3]!.request(limited(both, `user-${String(at % 7)}`))),
    );
    expect((await Promise.all(sent)).reduce((a, b) => a + b)).toBe(50);
  });

  it('is exact across replicas for calls of a month and for those that run at one time', async () => {
    const three = await replicas(3);
    const atOnce = Array.from({ length: 100 }, (_none, at) =>
      passed(three[at % 3]!.call(limited({ concurrentCalls: 10 }))),
    );
    expect((await Promise.all(atOnce)).reduce((a, b) => a + b)).toBe(10);
    const month = contextFor({ tenant: 'globex', settings: { quotas: { callsPerMonth: 40 } } });
    const called = Array.from({ length: 100 }, async (_none, at) => {
      const place = await three[at % 3]!.call(month).catch(() => undefined);
      await place?.release();
      return place === undefined ? 0 : 1;
    });
    expect((await Promise.all<number>(called)).reduce((a, b) => a + b)).toBe(40);
  });

  it('says by Redis’ clock when the next request passes, and then it does', async () => {
    const connected = await client();
    // A server whose midnight is two seconds away.
    const offset = 86_400_000 - (Date.now() % 86_400_000) - 2000;
    const store = new RedisLimits(
      connected,
      { prefix: `t${String(count++)}`, timeoutMs: 10_000 },
      limitScripts(`${serverTime} + ${String(offset)}`),
    );
    const limits = limiter({ store });
    const context = limited({ requestsPerDay: 1 });
    const waitMs = async (): Promise<number> => {
      const error = (await limits.request(context).catch((thrown: unknown) => thrown)) as Refused | undefined;
      return error?.data.retryAfterMs ?? 0;
    };
    expect(await waitMs()).toBe(0);
    const askedAt = performance.now();
    const first = await waitMs();
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(2000);
    const latest = performance.now() + first + 1;
    // Whether Redis says it or what it said is remembered: nothing promises a moment before that one.
    for (let wait = first; wait > 100;) {
      await sleep(60);
      wait = await waitMs();
      if (wait > 0) expect(performance.now() + wait).toBeGreaterThanOrEqual(askedAt + first - 1);
    }
    await sleep(latest - performance.now() + 1);
    expect(await waitMs()).toBe(0);
  });

  it('refuses a caller again without a question, until a figure of its limits changes', async () => {
    const asked: string[] = [];
    const real = await client();
    const counting: RedisClient = {
      eval: (script, options) => real.eval(script, options),
      evalSha: (sha, options) => {
        asked.push(sha);
        return real.evalSha(sha, options);
      },
    };
    const store = redisLimits(counting, { prefix: `t${String(count++)}`, refusalCacheMs: 60_000, timeoutMs: 10_000 });
    const limits = limiter({ store });
    await limits.request(limited({ requestsPerMinute: 1 }));
    const first = (await limits.request(limited({ requestsPerMinute: 1 })).catch((error: unknown) => error)) as {
      data: { retryAfterMs: number };
    };
    for (let sent = 0; sent < 50; sent++) {
      const again = (await limits
        .request(limited({ requestsPerMinute: 1 }, `user-${String(sent)}`))
        .catch((error: unknown) => error)) as Refused;
      expect(again).toEqual(refusal('rate_limited', { limit: 'requestsPerMinute' }));
      expect(again.data.retryAfterMs).toBeLessThanOrEqual(first.data.retryAfterMs);
    }
    expect(asked).toHaveLength(2);
    await limits.request(limited({ requestsPerMinute: 2 }));
    expect(asked).toHaveLength(3);
    // With limits of their own, what one user met says nothing of another.
    const own = (user: string): Promise<void> => limits.request(limited({ userRequestsPerMinute: 1 }, user, 'globex'));
    await own('alice');
    await expect(own('alice')).rejects.toEqual(refusal('rate_limited', { scope: 'user' }));
    await expect(own('alice')).rejects.toEqual(refusal('rate_limited', { scope: 'user' }));
    await own('bob');
    expect(asked).toHaveLength(6);
  });

  it('gets a killed replica’s places back when their lease ends, and keeps those of calls that run', async () => {
    const prefix = `t${String(count++)}`;
    const lease = { prefix, leaseMs: 2000, timeoutMs: 10_000 };
    const dying = await client();
    const killed = limiter({ store: redisLimits(dying, lease) });
    const alive = limiter({ store: redisLimits(await client(), lease) });
    open.push(alive);
    const context = contextFor({ settings: { limits: { concurrentCalls: 2 }, quotas: { maxSessionsPerUser: 2 } } });
    await killed.call(context);
    await killed.session(context, 'lost');
    await alive.call(context);
    const session = await alive.session(context, 'kept');
    await expect(alive.call(context)).rejects.toEqual(refusal('concurrency_exceeded'));
    dying.destroy();
    await expect.poll(() => passed(alive.call(context)), { timeout: 10_000 }).toBe(1);
    await expect.poll(() => passed(alive.session(context, 'next')), { timeout: 10_000 }).toBe(1);
    // After more than a lease those that are held are held still.
    await sleep(3000);
    await expect(alive.call(context)).rejects.toEqual(refusal('concurrency_exceeded'));
    await expect(alive.session(context, 'one more')).rejects.toEqual(refusal('quota_exceeded'));
    await session.release();
    await session.release();
    await alive.session(context, 'one more');
    await expect(alive.session(context, 'and one')).rejects.toEqual(refusal('quota_exceeded'));
  });

  it('takes places again that Redis forgot while the calls run', async () => {
    const [one] = (await replicas(1, { leaseMs: 300 })) as [Limiter];
    const context = limited({ concurrentCalls: 1 }, 'alice', 'forgotten');
    const place = await one.call(context);
    await (await client()).flushAll();
    const busy = (): Promise<number> =>
      one.call(context).then(
        async (taken) => {
          await taken.release();
          return 0;
        },
        () => 1,
      );
    await expect.poll(busy, { timeout: 10_000 }).toBe(1);
    await place.release();
    expect(await busy()).toBe(0);
  });

  it('gives back what is held when it closes', async () => {
    const [one, two] = (await replicas(2)) as [Limiter, Limiter];
    const context = limited({ concurrentCalls: 1 });
    await one.call(context);
    await one.close();
    await two.call(context);
  });

  it('counts no call whose answer came too late', async () => {
    const real = await client();
    let held: Promise<void> | undefined;
    const slow: RedisClient = {
      eval: (script, options) => real.eval(script, options),
      evalSha: async (sha, options) => {
        const waits = held;
        held = undefined;
        const answer = await real.evalSha(sha, options);
        await waits;
        return answer;
      },
    };
    const store = redisLimits(slow, { prefix: `t${String(count++)}`, timeoutMs: 1000 });
    const limits = limiter({ store });
    const context = contextFor({ settings: { limits: { concurrentCalls: 1 }, quotas: { callsPerMonth: 5 } } });
    await (await limits.call(context)).release();
    let letGo = (): void => undefined;
    held = new Promise((resolve) => (letGo = resolve));
    await expect(limits.call(context)).rejects.toEqual(refusal('limits_unavailable'));
    const caller = { tenant: tenantId('acme'), user: context.identity.key };
    expect((await store.read(caller)).callsThisMonth).toBe(2);
    letGo();
    await expect.poll(async () => (await store.read(caller)).callsThisMonth, { timeout: 10_000 }).toBe(1);
    await limits.call(context);
  });

  it('takes an answer that is none for no answer', async () => {
    for (const nonsense of [null, 'OK', [], [0, 0, 0], ['0', '0', '0', '0'], [0, 0, 0, 0.5], [7, 7, 7, 7, 7]]) {
      const lying: RedisClient = { eval: () => Promise.resolve(nonsense), evalSha: () => Promise.resolve(nonsense) };
      const limits = limiter({ store: redisLimits(lying) });
      const context = contextFor({
        settings: { limits: { requestsPerMinute: 5, concurrentCalls: 5 }, quotas: { maxSessionsPerUser: 5 } },
      });
      await expect(limits.request(context)).rejects.toEqual(refusal('limits_unavailable'));
      await expect(limits.call(context)).rejects.toEqual(refusal('limits_unavailable'));
      await expect(limits.session(context, 's')).rejects.toEqual(refusal('limits_unavailable'));
    }
  });

  it('keeps no session id, and only what is of use', async () => {
    const real = await client();
    const prefix = `t${String(count++)}`;
    const store = redisLimits(real, { prefix, timeoutMs: 10_000 });
    const limits = limiter({ store });
    const context = contextFor({
      settings: {
        limits: { userRequestsPerMinute: 5, userRequestsPerDay: 5, concurrentCalls: 3 },
        quotas: { maxSessionsPerUser: 3 },
      },
    });
    await limits.request(context);
    await limits.call(context);
    await limits.session(context, 'the-secret-session');
    const keys = await real.keys(`${prefix}:*`);
    expect(keys.sort()).toEqual(
      [
        `${prefix}:{acme}:["calls"]`,
        `${prefix}:{acme}:["places"]`,
        `${prefix}:{acme}:["rate","test#alice"]`,
        `${prefix}:{acme}:["sessions","test#alice"]`,
      ].sort(),
    );
    for (const key of keys) expect(await real.pTTL(key)).toBeGreaterThan(0);
    expect(await real.zRange(`${prefix}:{acme}:["sessions","test#alice"]`, 0, -1)).not.toContain('the-secret-session');
    await limits.close();
    expect(() => redisLimits(real, { prefix: 'a{b}' })).toThrow(TypeError);
  });

  it('lets every request of a quiet tenant pass while a noisy one is refused', async () => {
    const [one] = (await replicas(1)) as [Limiter];
    const noisy = Array.from({ length: 2000 }, (_none, at) =>
      passed(
        one.request(limited({ requestsPerMinute: 20, userRequestsPerMinute: 5 }, `user-${String(at % 50)}`, 'noisy')),
      ),
    );
    const quiet = Array.from({ length: 50 }, () =>
      passed(one.request(limited({ requestsPerMinute: 50 }, 'alice', 'quiet'))),
    );
    expect((await Promise.all(quiet)).reduce((a, b) => a + b)).toBe(50);
    expect((await Promise.all(noisy)).reduce((a, b) => a + b)).toBe(20);
  });
});

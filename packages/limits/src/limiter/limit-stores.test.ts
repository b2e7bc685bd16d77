import { createClient } from '@keyv/redis';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { limitScripts } from '../redis/limit-scripts.js';
import { RedisLimits } from '../redis/redis-limits.js';
import { dayMs } from './calendar.js';
import type { Caller, LimitStore, RequestLimits } from './limit-store.js';
import { memoryLimits } from './memory-limits.js';

/** A store whose time a test sets. */
interface Timed {
  readonly store: LimitStore;
  readonly setNow: (at: number) => Promise<void>;
}

const acme = tenantId('acme');
const alice: Caller = { tenant: acme, user: 'test#alice' };
const bob: Caller = { tenant: acme, user: 'test#bob' };
/** 2026-05-31, ten seconds before midnight, which ends a day and a month. */
const evening = Date.UTC(2026, 4, 31, 23, 59, 50);

const timedMemory = (): Promise<Timed> => {
  let now = 0;
  const clock = (): number => now;
  return Promise.resolve({
    store: memoryLimits({ clock, monotonic: clock }),
    setNow: (at) => {
      now = at;
      return Promise.resolve();
    },
  });
};

contract('in memory', timedMemory, 200);

describe.skipIf(skipWithoutRedis())('with a server', () => {
  let redis: RedisServer;
  let client: Client;
  beforeAll(async () => {
    redis = await startRedis();
    client = newClient(redis.url);
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await redis.stop();
  });

  const timedRedis = (): Promise<Timed> => {
    const prefix = `t${String(count++)}`;
    const scripts = limitScripts(`tonumber(redis.call('GET', '${prefix}:now'))`);
    return Promise.resolve({
      store: new RedisLimits(client, { prefix, timeoutMs: 10_000, refusalCacheMs: 0 }, scripts),
      setNow: async (at) => {
        await client.set(`${prefix}:now`, at);
      },
    });
  };
  contract('on Redis', timedRedis, 60);

  it('a lease ends in time also where Redis’ clock jumped back', async () => {
    const { store, setNow } = await timedRedis();
    const limits = { concurrentCalls: 1 };
    await setNow(evening + dayMs);
    expect(await store.call(alice, limits)).toHaveProperty('place');
    await setNow(evening);
    expect(await store.call(alice, limits)).toHaveProperty('refusal');
    await setNow(evening + 29_999);
    expect(await store.call(alice, limits)).toHaveProperty('refusal');
    await setNow(evening + 30_000);
    expect(await store.call(alice, limits)).toHaveProperty('place');
    await store.close();
  });
});
let count = 0;

function newClient(url: string) {
  return createClient({ url });
}
type Client = ReturnType<typeof newClient>;

/** The plainest counting there is: every request that passed, and when. */
class Model {
  readonly #passed: { readonly at: number; readonly user: string }[] = [];

  isFull(caller: Caller, at: number, limits: RequestLimits): boolean {
    const of = (user?: string): readonly number[] =>
      this.#passed.filter((one) => user === undefined || one.user === user).map((one) => one.at);
    const minute = (passed: readonly number[], limit = Infinity): boolean =>
      passed.filter((one) => Math.floor(one / 1000) * 1000 + 61_000 > at).length >= limit;
    const day = (passed: readonly number[], limit = Infinity): boolean =>
      passed.filter((one) => Math.floor(one / dayMs) === Math.floor(at / dayMs)).length >= limit;
    return (
      minute(of(), limits.requestsPerMinute) ||
      day(of(), limits.requestsPerDay) ||
      minute(of(caller.user), limits.userRequestsPerMinute) ||
      day(of(caller.user), limits.userRequestsPerDay)
    );
  }

  pass({ user }: Caller, at: number): void {
    this.#passed.push({ at, user });
  }
}

function contract(name: string, open: () => Promise<Timed>, numRuns: number): void {
  describe(`the counters ${name}`, () => {
    const steps = fc.array(
      fc.record({
        waitMs: fc.oneof(
          { weight: 4, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
          { weight: 2, arbitrary: fc.integer({ min: 55_000, max: 63_000 }) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: dayMs }) },
        ),
        caller: fc.constantFrom(alice, bob),
      }),
      { minLength: 1, maxLength: 40 },
    );
    const limit = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
    const anyLimits = fc.record({
      requestsPerMinute: limit,
      requestsPerDay: limit,
      userRequestsPerMinute: limit,
      userRequestsPerDay: limit,
    });

    it('decides as the plainest counting does, whatever comes when', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(steps, anyLimits, async (sent, limits) => {
          const { store, setNow } = await open();
          const model = new Model();
          let now = evening;
          for (const { waitMs, caller } of sent) {
            now += waitMs;
            await setNow(now);
            const refusal = await store.request(caller, limits);
            expect(refusal !== undefined).toBe(model.isFull(caller, now, limits));
            if (refusal === undefined) model.pass(caller, now);
          }
        }),
        { numRuns },
      );
    });

    it(
      'lets no more through in any 60 s than the limit, and refuses only after as many in 61 s',
      { timeout: 120_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(steps, fc.integer({ min: 0, max: 6 }), async (sent, perMinute) => {
            const { store, setNow } = await open();
            const passed: number[] = [];
            let now = evening;
            for (const { waitMs, caller } of sent) {
              now += waitMs;
              await setNow(now);
              const lately = (span: number): number => passed.filter((at) => at > now - span).length;
              if ((await store.request(caller, { requestsPerMinute: perMinute })) === undefined) {
                passed.push(now);
                expect(passed.filter((at) => at >= now - 60_000).length).toBeLessThanOrEqual(perMinute);
              } else expect(lately(61_000)).toBeGreaterThanOrEqual(perMinute);
            }
          }),
          { numRuns },
        );
      },
    );

    it(
      'says when the next request passes: then it does, and a millisecond before it does not',
      { timeout: 120_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(steps, anyLimits, async (sent, limits) => {
            const { store, setNow } = await open();
            let now = evening;
            for (const { waitMs, caller } of sent) {
              now += waitMs;
              await setNow(now);
              const refusal = await store.request(caller, limits);
              if (refusal === undefined) continue;
              const opensAt = now + (refusal.retryAfterMs ?? 0);
              expect(opensAt).toBeGreaterThan(now);
              await setNow(opensAt - 1);
              expect(await store.request(caller, limits)).toEqual({ limit: refusal.limit, retryAfterMs: 1 });
              now = opensAt;
              await setNow(now);
              expect(await store.request(caller, limits)).toBeUndefined();
            }
          }),
          { numRuns },
        );
      },
    );

    it('counts a refused request nowhere: what the user meets uses up nothing of the tenant’s, nor the other way round', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      const limits = { requestsPerMinute: 3, userRequestsPerMinute: 1 };
      expect(await store.request(alice, limits)).toBeUndefined();
      for (let again = 0; again < 5; again++)
        expect(await store.request(alice, limits)).toMatchObject({ limit: 'userRequestsPerMinute' });
      expect(await store.request(bob, limits)).toBeUndefined();
      expect(await store.request({ ...alice, user: 'test#carol' }, limits)).toBeUndefined();
      const dave = { ...alice, user: 'test#dave' };
      expect(await store.request(dave, limits)).toMatchObject({ limit: 'requestsPerMinute' });
      expect(await store.request(dave, { userRequestsPerMinute: 1 })).toBeUndefined();
    });

    it('holds a limit that was changed for the next request, up and down', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      for (let sent = 0; sent < 2; sent++) expect(await store.request(alice, { requestsPerMinute: 2 })).toBeUndefined();
      expect(await store.request(alice, { requestsPerMinute: 2 })).toBeDefined();
      expect(await store.request(alice, { requestsPerMinute: 3 })).toBeUndefined();
      expect(await store.request(alice, { requestsPerMinute: 2 })).toMatchObject({ retryAfterMs: 61_000 });
      expect(await store.request(alice, { requestsPerMinute: 0 })).toEqual({
        limit: 'requestsPerMinute',
        retryAfterMs: undefined,
      });
      expect(await store.request(alice, {})).toBeUndefined();
    });

    it('begins a day at midnight UTC', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      expect(await store.request(alice, { requestsPerDay: 1 })).toBeUndefined();
      expect(await store.request(alice, { requestsPerDay: 1 })).toEqual({
        limit: 'requestsPerDay',
        retryAfterMs: 10_000,
      });
      expect(await store.request(alice, { requestsPerDay: 0 })).toEqual({
        limit: 'requestsPerDay',
        retryAfterMs: undefined,
      });
      await setNow(evening + 10_000);
      expect(await store.request(alice, { requestsPerDay: 1 })).toBeUndefined();
    });

    it('keeps two tenants, and two users of strange names, apart', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      const names = ['a', 'a"', 'a","b', '["a"]', '', '\ud800', '\ud801', '\ufffd', 'a\u0000', '}', '{globex}:[]'];
      for (const user of names) {
        for (const tenant of [acme, tenantId('globex'), tenantId('Acme')]) {
          const limits = { userRequestsPerMinute: 1, userRequestsPerDay: 1 };
          expect(await store.request({ tenant, user }, limits)).toBeUndefined();
          expect(await store.request({ tenant, user }, limits)).toBeDefined();
        }
      }
    });

    it('is not opened, nor shut for longer than a minute or a day, by a clock that jumps back', async () => {
      const { store, setNow } = await open();
      const limits = { requestsPerMinute: 2, requestsPerDay: 3 };
      const tomorrow = evening + 5 * dayMs;
      await setNow(tomorrow);
      for (let sent = 0; sent < 2; sent++) expect(await store.request(alice, limits)).toBeUndefined();
      await setNow(evening);
      expect(await store.request(alice, limits)).toEqual({ limit: 'requestsPerMinute', retryAfterMs: 61_000 });
      expect(await store.request(alice, { requestsPerDay: 2 })).toEqual({
        limit: 'requestsPerDay',
        retryAfterMs: 10_000,
      });
      await setNow(evening + 61_000);
      for (let sent = 0; sent < 2; sent++) expect(await store.request(alice, limits)).toBeUndefined();
    });

    it('counts calls by the month, and holds a place for each that runs', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      const limits = { callsPerMonth: 3, concurrentCalls: 2, userConcurrentCalls: 1 };
      const first = await store.call(alice, limits);
      expect(await store.call(alice, limits)).toEqual({ refusal: { limit: 'userConcurrentCalls' } });
      expect(await store.call(bob, limits)).toHaveProperty('place');
      const carol = { ...alice, user: 'test#carol' };
      expect(await store.call(carol, limits)).toEqual({ refusal: { limit: 'concurrentCalls' } });
      if ('place' in first) {
        await first.place.release();
        await first.place.release();
      }
      expect(await store.call(carol, limits)).toHaveProperty('place');
      // A place that was given back twice was one.
      const more = { ...limits, callsPerMonth: 9 };
      expect(await store.call(alice, more)).toEqual({ refusal: { limit: 'concurrentCalls' } });
      expect(await store.call(alice, limits)).toEqual({
        refusal: { limit: 'callsPerMonth', used: 3, retryAfterMs: 10_000 },
      });
      expect(await store.read(alice)).toMatchObject({ callsThisMonth: 3, monthEndsAt: Date.UTC(2026, 5) });
      await setNow(evening + 10_000);
      expect(await store.read(alice)).toMatchObject({ callsThisMonth: 0, monthEndsAt: Date.UTC(2026, 6) });
      expect(await store.call(alice, { callsPerMonth: 1 })).toHaveProperty('place');
      expect(await store.call(alice, { callsPerMonth: 1 })).toMatchObject({ refusal: { used: 1 } });
      await setNow(evening);
      expect(await store.call(alice, { callsPerMonth: 1 })).toMatchObject({ refusal: { used: 1 } });
      await setNow(Date.UTC(2026, 5, 1));
      expect(await store.call(alice, { callsPerMonth: 1 })).toHaveProperty('place');
    });

    it('knows the end of every month', async () => {
      const { store, setNow } = await open();
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: Date.UTC(2200, 0) }), async (at) => {
          await setNow(at);
          const now = new Date(at);
          const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);
          expect((await store.read(alice)).monthEndsAt).toBe(end);
        }),
        { numRuns: 300 },
      );
    });

    it('holds a place for each session of a user, and one for a session that comes again', async () => {
      const { store, setNow } = await open();
      await setNow(evening);
      const first = await store.session(alice, 's1', 2);
      expect(await store.session(alice, 's2', 2)).toHaveProperty('place');
      expect(await store.session(alice, 's3', 2)).toEqual({ refusal: { open: 2 } });
      expect(await store.session(alice, 's2', 2)).toHaveProperty('place');
      expect(await store.session(bob, 's3', 2)).toHaveProperty('place');
      expect(await store.read(alice)).toMatchObject({ openSessions: 2 });
      if ('place' in first) await first.place.release();
      expect(await store.session(alice, 's3', 2)).toHaveProperty('place');
      expect(await store.session(alice, 's4', undefined)).toHaveProperty('place');
      await store.close();
    });
  });
}

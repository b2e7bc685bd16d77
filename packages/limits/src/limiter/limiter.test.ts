import { describe, expect, it } from 'vitest';
import type { TenantContext, TenantPlans } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import type { LimitStore } from './limit-store.js';
import { limiter } from './limiter.js';
import { memoryLimits } from './memory-limits.js';

const refusal = (code: string, data: object = {}): unknown =>
  expect.objectContaining({ code, data: expect.objectContaining(data) as unknown });
const evening = Date.UTC(2026, 4, 31, 23, 59, 50);

/** A limiter in memory, and its time. */
function timed(plans?: TenantPlans, more: { readonly maxUsersPerTenant?: number } = {}) {
  const time = { now: evening };
  const clock = (): number => time.now;
  const store = memoryLimits({ clock, monotonic: clock, ...more });
  return { time, store, limits: limiter({ store, plans, clock, monotonic: clock }) };
}

const limited = (limits: TenantContext['tenant']['settings']['limits'], subject = 'alice', tenant = 'acme') =>
  contextFor({ tenant, subject, settings: { limits } });

describe('a limiter', () => {
  it('takes the plan’s figures where the tenant has none, and the tenant’s where it has', async () => {
    const plans: TenantPlans = { pro: { limits: { requestsPerMinute: 1 }, quotas: { callsPerMonth: 1 } } };
    const { limits } = timed(plans);
    await limits.request(contextFor());
    await expect(limits.request(contextFor())).rejects.toEqual(
      refusal('rate_limited', { limit: 'requestsPerMinute', scope: 'tenant', retryAfterMs: 61_000 }),
    );
    await limits.request(limited({ requestsPerMinute: 2 }));
    await (await limits.call(contextFor())).release();
    await expect(limits.call(contextFor())).rejects.toEqual(
      refusal('quota_exceeded', { quota: 'callsPerMonth', used: 1, allowed: 1, retryAfterMs: 10_000 }),
    );
    // A plan that is not on offer gives nothing.
    await expect(limits.request(contextFor({ tenant: 'globex', plan: 'prO' }))).rejects.toEqual(
      refusal('rate_limited'),
    );
  });

  it('says which limit was met, and whose', async () => {
    const { limits } = timed();
    await limits.request(limited({ userRequestsPerDay: 1 }));
    await expect(limits.request(limited({ userRequestsPerDay: 1 }))).rejects.toEqual(
      refusal('rate_limited', { limit: 'userRequestsPerDay', scope: 'user', retryAfterMs: 10_000 }),
    );
    const one = limited({ userConcurrentCalls: 1, concurrentCalls: 2 });
    const place = await limits.call(one);
    await expect(limits.call(one)).rejects.toEqual(
      refusal('concurrency_exceeded', { limit: 'userConcurrentCalls', scope: 'user' }),
    );
    await place.release();
    await place.release();
    await limits.call(one);
    await expect(limits.call(one)).rejects.toEqual(refusal('concurrency_exceeded'));
    const sessions = contextFor({ settings: { quotas: { maxSessionsPerUser: 1 } } });
    await limits.session(sessions, 's1');
    await expect(limits.session(sessions, 's2')).rejects.toEqual(
      refusal('quota_exceeded', { quota: 'maxSessionsPerUser', scope: 'user', used: 1, allowed: 1 }),
    );
  });

  it('promises no time where none helps', async () => {
    const { limits } = timed();
    const error: unknown = await limits.request(limited({ requestsPerMinute: 0 })).catch((thrown: unknown) => thrown);
    expect(error).toEqual(refusal('rate_limited', { limit: 'requestsPerMinute' }));
    expect(error).not.toHaveProperty('data.retryAfterMs');
    const none = contextFor({ settings: { quotas: { callsPerMonth: 0 } } });
    const quota: unknown = await limits.call(none).catch((thrown: unknown) => thrown);
    expect(quota).toEqual(refusal('quota_exceeded', { allowed: 0 }));
    expect(quota).not.toHaveProperty('data.retryAfterMs');
  });

  it.each([-1, NaN, 1.5, Infinity, '7' as unknown as number])(
    'takes the figure %s for 0, and never for no limit',
    async (figure) => {
      const { limits } = timed();
      await expect(limits.request(limited({ requestsPerMinute: figure }))).rejects.toEqual(refusal('rate_limited'));
      await expect(limits.call(limited({ concurrentCalls: figure }))).rejects.toEqual(refusal('concurrency_exceeded'));
      const sessions = contextFor({ settings: { quotas: { maxSessionsPerUser: figure } } });
      await expect(limits.session(sessions, 's')).rejects.toEqual(refusal('quota_exceeded'));
    },
  );

  it('refuses plans with a figure that is no whole number, and fewer than one replica', () => {
    const plans = { pro: { limits: { requestsPerMinute: -1 }, quotas: {} } };
    expect(() => limiter({ store: memoryLimits(), plans })).toThrow(refusal('config_invalid'));
    expect(() => limiter({ store: memoryLimits(), replicas: 0 })).toThrow(TypeError);
  });

  it('refuses a context that somebody wrote down', async () => {
    const { limits } = timed();
    const copy = { ...contextFor() };
    await expect(limits.request(copy)).rejects.toEqual(refusal('denied'));
    await expect(limits.call(copy)).rejects.toEqual(refusal('denied'));
    await expect(limits.session(copy, 's')).rejects.toEqual(refusal('denied'));
  });

  it('lets every request of a quiet tenant pass while a noisy one is refused', async () => {
    const { limits } = timed();
    let noisy = 0;
    for (let sent = 0; sent < 10_000; sent++) {
      noisy += await limits.request(limited({ requestsPerMinute: 100 }, `user-${String(sent % 500)}`, 'noisy')).then(
        () => 1,
        () => 0,
      );
      if (sent % 100 === 0) await limits.request(limited({ requestsPerMinute: 100 }, 'quiet', 'quiet'));
    }
    expect(noisy).toBe(100);
  });
});

describe('counters in memory', () => {
  it('are bounded: users beyond the most share one allowance, and those who were there keep theirs', async () => {
    const { limits, time } = timed(undefined, { maxUsersPerTenant: 10 });
    const send = (user: string): Promise<boolean> =>
      limits.request(limited({ userRequestsPerMinute: 2 }, user)).then(
        () => true,
        () => false,
      );
    for (let user = 0; user < 10; user++) expect(await send(`early-${String(user)}`)).toBe(true);
    let passed = 0;
    for (let user = 0; user < 1000; user++) if (await send(`late-${String(user)}`)) passed++;
    expect(passed).toBe(2);
    for (let user = 0; user < 10; user++) {
      expect(await send(`early-${String(user)}`)).toBe(true);
      expect(await send(`early-${String(user)}`)).toBe(false);
    }
    time.now += 61_001;
    // All are idle now, and forgotten as others come.
    for (let user = 0; user < 10; user++) expect(await send(`new-${String(user)}`)).toBe(true);
    expect(await send('new-0')).toBe(true);
  });

  it('give nobody two allowances who went from the shared ones to some of its own', async () => {
    const { limits, time } = timed(undefined, { maxUsersPerTenant: 1 });
    const send = (user: string): Promise<boolean> =>
      limits.request(limited({ userRequestsPerMinute: 1 }, user)).then(
        () => true,
        () => false,
      );
    expect(await send('early')).toBe(true);
    time.now += 30_000;
    expect(await send('late')).toBe(true);
    time.now += 31_001;
    expect(await send('late')).toBe(false);
  });

  it('do not mind a wall clock that jumps, as far as the minute goes', async () => {
    let wall = evening;
    const store = memoryLimits({ clock: () => wall });
    const limits = limiter({ store });
    await limits.request(limited({ requestsPerMinute: 1 }));
    wall += 3_600_000;
    await expect(limits.request(limited({ requestsPerMinute: 1 }))).rejects.toEqual(refusal('rate_limited'));
    wall -= 7_200_000;
    await expect(limits.request(limited({ requestsPerMinute: 1 }))).rejects.toEqual(refusal('rate_limited'));
  });
});

describe('a limiter whose store fails', () => {
  /** A store that can be broken, and that counts how often it is asked. */
  function breakable(): { readonly store: LimitStore; isBroken: boolean; asked: number } {
    const inner = memoryLimits();
    const state = { isBroken: false, asked: 0 };
    const run = <T>(work: () => Promise<T>): Promise<T> => {
      state.asked++;
      return state.isBroken ? Promise.reject(new Error('it is down')) : work();
    };
    const store: LimitStore = {
      request: (caller, limits) => run(() => inner.request(caller, limits)),
      call: (caller, limits) => run(() => inner.call(caller, limits)),
      session: (caller, id, most) => run(() => inner.session(caller, id, most)),
      read: (caller) => run(() => inner.read(caller)),
      close: () => inner.close(),
    };
    return Object.assign(state, { store });
  }

  it('denies what has a limit, says so once, leaves the store alone, and recovers by itself', async () => {
    const broken = breakable();
    const errors: unknown[] = [];
    let now = 0;
    const limits = limiter({ store: broken.store, monotonic: () => now, onError: (error) => errors.push(error) });
    const context = limited({ requestsPerMinute: 100, concurrentCalls: 1 });
    await limits.request(context);
    const place = await limits.call(context);
    broken.isBroken = true;
    for (let sent = 0; sent < 20; sent++)
      await expect(limits.request(context)).rejects.toEqual(refusal('limits_unavailable'));
    await expect(limits.call(context)).rejects.toEqual(refusal('limits_unavailable'));
    await expect(limits.request(contextFor())).resolves.toBeUndefined();
    await expect(limits.call(contextFor({ tenant: 'free' }))).resolves.toHaveProperty('release');
    // Another tenant may have its counters elsewhere, and is asked for until nobody had an answer for a while.
    expect(broken.asked).toBe(6);
    now += 1000;
    await expect(limits.request(context)).rejects.toEqual(refusal('limits_unavailable'));
    await expect(limits.request(context)).rejects.toEqual(refusal('limits_unavailable'));
    expect(broken.asked).toBe(7);
    await expect(limits.call(contextFor({ tenant: 'free' }))).resolves.toHaveProperty('release');
    expect(broken.asked).toBe(7);
    expect(errors).toHaveLength(1);
    broken.isBroken = false;
    now += 1000;
    await limits.request(context);
    await limits.request(context);
    await place.release();
    await limits.call(context);
    broken.isBroken = true;
    await expect(limits.request(context)).rejects.toEqual(refusal('limits_unavailable'));
    expect(errors).toHaveLength(2);
  });

  it('counts in this process where that was chosen, each replica its share', async () => {
    const broken = breakable();
    broken.isBroken = true;
    const passes = async (replicas: number | undefined, limit: number): Promise<number> => {
      const limits = limiter({ store: broken.store, onStoreFailure: 'local', replicas });
      let passed = 0;
      for (let sent = 0; sent < 50; sent++)
        passed += await limits.request(limited({ requestsPerMinute: limit })).then(
          () => 1,
          () => 0,
        );
      return passed;
    };
    expect(await passes(undefined, 30)).toBe(30);
    expect(await passes(4, 30)).toBe(7);
    expect(await passes(4, 3)).toBe(1);
    expect(await passes(4, 0)).toBe(0);
    const limits = limiter({ store: broken.store, onStoreFailure: 'local', replicas: 2 });
    const context = contextFor({ settings: { quotas: { callsPerMonth: 2, maxSessionsPerUser: 4 } } });
    await limits.call(context);
    await expect(limits.call(context)).rejects.toEqual(refusal('quota_exceeded', { used: 1, allowed: 1 }));
    for (let sessions = 0; sessions < 2; sessions++) await limits.session(context, `s${String(sessions)}`);
    await expect(limits.session(context, 's9')).rejects.toEqual(refusal('quota_exceeded', { allowed: 2 }));
    await limits.close();
  });

  it('leaves alone only those for whom it fails, as a cluster with one node down', async () => {
    const inner = memoryLimits();
    let asked = 0;
    const store: LimitStore = {
      ...inner,
      request: (caller, limits) => {
        if (caller.tenant !== 'acme') return inner.request(caller, limits);
        asked++;
        return Promise.reject(new Error('its node is down'));
      },
    };
    let now = 0;
    const limits = limiter({ store, monotonic: () => now });
    const of = (tenant: string) => contextFor({ tenant, settings: { limits: { requestsPerMinute: 1000 } } });
    await limits.request(of('globex'));
    for (let turn = 0; turn < 50; turn++) {
      now += 10;
      for (let sent = 0; sent < 5; sent++)
        await expect(limits.request(of('acme'))).rejects.toEqual(refusal('limits_unavailable'));
      await limits.request(of('globex'));
    }
    expect(asked).toBe(3);
  });

  it('is not brought down by a listener that throws', async () => {
    const broken = breakable();
    broken.isBroken = true;
    const limits = limiter({
      store: broken.store,
      onError: () => {
        throw new Error('a listener');
      },
    });
    await expect(limits.request(limited({ requestsPerMinute: 1 }))).rejects.toEqual(refusal('limits_unavailable'));
  });
});

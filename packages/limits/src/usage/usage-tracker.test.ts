import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { tenantId, type UsageEvent } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { usageReport } from '../report/usage-report.js';
import { latencyAt, latencyBucket, latencyError } from './latency-histogram.js';
import { memoryUsage } from './memory-usage.js';
import type { UsageBatch, UsageEntry } from './usage-entry.js';
import type { UsageSink } from './usage-store.js';
import { usageTracker } from './usage-tracker.js';

const noon = Date.UTC(2026, 4, 31, 12);
const acme = tenantId('acme');
const event: UsageEvent = {
  tenant: acme,
  user: 'test#alice',
  tool: 'note_read',
  outcome: 'allowed',
  latencyMs: 2,
  at: noon,
};
const month = { month: '2026-05' };

/** A sink over memory that fails as it is told: before the batch is kept, or after, when the answer is lost. */
function faultySink() {
  const store = memoryUsage();
  const state = { fault: 'none' as 'none' | 'before' | 'after' | 'never', batches: [] as UsageBatch[] };
  const sink: UsageSink = {
    async add(batch) {
      state.batches.push(batch);
      if (state.fault === 'never') return new Promise(() => undefined);
      if (state.fault === 'before') throw new Error('it is down');
      await store.add(batch);
      if (state.fault === 'after') throw new Error('the answer was lost');
    },
  };
  return Object.assign(state, { store, sink });
}
async function entriesOf(store: ReturnType<typeof memoryUsage>, tenant = acme): Promise<readonly UsageEntry[]> {
  const entries: UsageEntry[] = [];
  for await (const entry of store.read(tenant, '2000-01-01', '2100-01-01')) entries.push(entry);
  return entries;
}
const requests = async (store: ReturnType<typeof memoryUsage>, tenant = 'acme'): Promise<number> =>
  (await usageReport(store, contextFor({ tenant }), month)).totals.requests;

describe('a usage tracker', () => {
  it('counts each outcome by tenant, user, tool and UTC day', async () => {
    const { store, sink } = faultySink();
    const tracker = usageTracker({ sink });
    for (const outcome of ['allowed', 'allowed', 'denied', 'limited', 'error'] as const)
      tracker.record({ ...event, outcome });
    tracker.record({ ...event, user: 'test#bob', latencyMs: 7.5 });
    tracker.record({ ...event, at: Date.UTC(2026, 4, 31, 23, 59, 59, 999) });
    tracker.record({ ...event, at: Date.UTC(2026, 5, 1) });
    expect(await tracker.close()).toEqual([]);
    const entries = await entriesOf(store);
    expect(entries.map(({ latency: _latency, ...entry }) => entry)).toEqual([
      {
        tenant: acme,
        day: '2026-05-31',
        user: 'test#alice',
        tool: 'note_read',
        allowed: 3,
        denied: 1,
        limited: 1,
        errors: 1,
        latencyMicros: 12_000,
        latencyMaxMicros: 2000,
      },
      {
        tenant: acme,
        day: '2026-05-31',
        user: 'test#bob',
        tool: 'note_read',
        allowed: 1,
        denied: 0,
        limited: 0,
        errors: 0,
        latencyMicros: 7500,
        latencyMaxMicros: 7500,
      },
      {
        tenant: acme,
        day: '2026-06-01',
        user: 'test#alice',
        tool: 'note_read',
        allowed: 1,
        denied: 0,
        limited: 0,
        errors: 0,
        latencyMicros: 2000,
        latencyMaxMicros: 2000,
      },
    ]);
  });

  it('loses no count and counts none twice, whatever fails and when', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ record: fc.integer({ min: 1, max: 5 }), user: fc.constantFrom('a', 'b', 'c') }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ fault: fc.constantFrom('none' as const, 'before' as const, 'after' as const) }),
      },
      { weight: 2, arbitrary: fc.constant({ flush: true as const }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const faulty = faultySink();
        const tracker = usageTracker({ sink: faulty.sink });
        let recorded = 0;
        for (const one of steps) {
          if ('fault' in one) faulty.fault = one.fault;
          else if ('flush' in one) await tracker.flush().catch(() => undefined);
          else {
            for (let count = 0; count < one.record; count++) tracker.record({ ...event, user: one.user });
            recorded += one.record;
          }
        }
        faulty.fault = 'none';
        expect(await tracker.close()).toEqual([]);
        expect(await requests(faulty.store)).toBe(recorded);
      }),
    );
  });

  it('sends a batch without an answer again as it is, before any other', async () => {
    const faulty = faultySink();
    const tracker = usageTracker({ sink: faulty.sink });
    tracker.record(event);
    faulty.fault = 'after';
    await expect(tracker.flush()).rejects.toThrow('the answer was lost');
    tracker.record(event);
    await expect(tracker.flush()).rejects.toThrow('the answer was lost');
    faulty.fault = 'none';
    await tracker.flush();
    expect(faulty.batches.map(({ sequence }) => sequence)).toEqual([1, 1, 1, 2]);
    expect(faulty.batches[1]).toEqual(faulty.batches[0]);
    expect(await requests(faulty.store)).toBe(2);
    await tracker.close();
  });

  it('flushes by itself, backs off while the sink is down, says so once, and recovers', async () => {
    vi.useFakeTimers();
    try {
      const faulty = faultySink();
      const errors: unknown[] = [];
      const tracker = usageTracker({
        sink: faulty.sink,
        flushIntervalMs: 1000,
        onError: (error) => errors.push(error),
      });
      tracker.record(event);
      await vi.advanceTimersByTimeAsync(1000);
      expect(await requests(faulty.store)).toBe(1);
      faulty.fault = 'before';
      tracker.record(event);
      await vi.advanceTimersByTimeAsync(16_000);
      // After 1, 3, 7 and 15 seconds.
      expect(faulty.batches).toHaveLength(5);
      expect(errors).toHaveLength(1);
      faulty.fault = 'none';
      await vi.advanceTimersByTimeAsync(16_000);
      expect(await requests(faulty.store)).toBe(2);
      faulty.fault = 'before';
      tracker.record(event);
      await vi.advanceTimersByTimeAsync(1000);
      expect(errors).toHaveLength(2);
      faulty.fault = 'none';
      await tracker.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('returns at the end what it could not flush, in time, and nothing of it is counted twice later', async () => {
    for (const fault of ['before', 'after', 'never'] as const) {
      const faulty = faultySink();
      faulty.fault = fault;
      const errors: unknown[] = [];
      const tracker = usageTracker({ sink: faulty.sink, onError: (error) => errors.push(error) });
      for (let user = 0; user < 500; user++) tracker.record({ ...event, user: `u${String(user)}` });
      const left = await tracker.close({ timeoutMs: 50 });
      expect(left.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
      expect(errors.at(-1)).toMatchObject({ message: 'usage of 3 batches could not be flushed' });
      // As a file would give them back.
      for (const batch of JSON.parse(JSON.stringify(left)) as UsageBatch[]) await faulty.store.add(batch);
      expect(await requests(faulty.store)).toBe(500);
      tracker.record(event);
      expect(errors.at(-1)).toMatchObject({
        message: expect.stringContaining('after the tracker was closed') as unknown,
      });
    }
  });

  it('flushes what is recorded while it flushes', async () => {
    const store = memoryUsage();
    const tracker = usageTracker({
      sink: {
        async add(batch) {
          if (batch.sequence <= 3) tracker.record(event);
          await store.add(batch);
        },
      },
    });
    tracker.record(event);
    expect(await tracker.close()).toEqual([]);
    expect(await requests(store)).toBe(4);
  });

  it('keeps no more apart than it may, keeps every tenant’s totals exact, and leaves a quiet tenant its detail', async () => {
    const faulty = faultySink();
    faulty.fault = 'before';
    const tracker = usageTracker({ sink: faulty.sink, maxBufferedEntries: 1000, timeoutMs: 50 });
    for (let at = 0; at < 5000; at++) {
      tracker.record({ ...event, tenant: tenantId('noisy'), user: `u${String(at)}`, tool: `t${String(at % 300)}` });
      if (at % 1000 === 0) tracker.record({ ...event, tenant: tenantId('quiet'), user: `u${String(at)}` });
    }
    const left = await tracker.close({ timeoutMs: 1 });
    const noisy = left.flatMap(({ entries }) => entries).filter(({ tenant }) => tenant === 'noisy');
    expect(noisy.length).toBeLessThanOrEqual(100 + 10 + 1);
    for (const batch of left) await faulty.store.add(batch);
    expect(await requests(faulty.store, 'noisy')).toBe(5000);
    const report = await usageReport(faulty.store, contextFor({ tenant: 'quiet' }), { ...month, by: ['user'] });
    expect(report.rows.map(({ user }) => user)).toEqual(['u0', 'u1000', 'u2000', 'u3000', 'u4000']);
  });

  it('stays bounded with many tenants, and exact for each', async () => {
    const faulty = faultySink();
    faulty.fault = 'before';
    const tracker = usageTracker({ sink: faulty.sink, maxBufferedEntries: 1000 });
    for (let at = 0; at < 4000; at++)
      tracker.record({ ...event, tenant: tenantId(`t${String(at % 50)}`), user: `u${String(at)}` });
    const left = await tracker.close({ timeoutMs: 1 });
    expect(left.flatMap(({ entries }) => entries).length).toBeLessThanOrEqual(1000 + 100 + 50 + 200);
    for (const batch of left) await faulty.store.add(batch);
    for (let tenant = 0; tenant < 50; tenant++) expect(await requests(faulty.store, `t${String(tenant)}`)).toBe(80);
  });

  it('tells no more tools of a tenant apart than it may on a day: their names are made up easily', async () => {
    const store = memoryUsage();
    const tracker = usageTracker({ sink: store, maxToolsPerTenant: 10 });
    for (let at = 0; at < 100; at++) {
      tracker.record({ ...event, outcome: 'denied', tool: `made-up-${String(at)}` });
      if (at % 20 === 0) await tracker.flush();
    }
    tracker.record({ ...event, tool: 'made-up-3' });
    tracker.record({ ...event, tenant: tenantId('globex') });
    await tracker.close();
    const { rows, totals } = await usageReport(store, contextFor(), { ...month, by: ['tool'] });
    expect(rows).toHaveLength(11);
    expect(rows.find(({ tool }) => tool === '(other)')?.requests).toBe(90);
    expect(totals.requests).toBe(101);
  });

  it('never throws, and lets nothing in that a store could not keep', async () => {
    const store = memoryUsage();
    const errors: unknown[] = [];
    const tracker = usageTracker({
      sink: store,
      clock: () => noon,
      onError: (error) => {
        errors.push(error);
        throw new Error('a listener');
      },
    });
    for (const at of [NaN, Infinity, -1, 8.65e15, Date.UTC(12_000, 0)]) tracker.record({ ...event, at });
    for (const latencyMs of [NaN, Infinity, -5]) tracker.record({ ...event, latencyMs });
    tracker.record({ ...event, tool: 'a\0b', user: '\ud800' });
    tracker.record({ ...event, tenant: 'not a tenant' as typeof acme });
    tracker.record(null as unknown as UsageEvent);
    expect(errors).toHaveLength(2);
    await tracker.close();
    const entries = await entriesOf(store);
    expect(entries.map(({ user, tool }) => [user, tool])).toEqual([
      ['test#alice', 'note_read'],
      ['\ufffd', 'a\ufffdb'],
    ]);
    expect(entries[0]).toMatchObject({ allowed: 8, day: '2026-05-31' });
    expect(Number.isSafeInteger(entries[0]?.latencyMicros)).toBe(true);
  });
});

describe('a histogram of latencies', () => {
  it('gives each percentile within 5 % of the latency that has that rank', () => {
    const latency = fc.oneof(fc.double({ min: 10, max: 3.6e9, noNaN: true }), fc.integer({ min: 10, max: 10_000 }));
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (all, share) => {
          const histogram = new Map<number, number>();
          for (const micros of all)
            histogram.set(latencyBucket(micros), (histogram.get(latencyBucket(micros)) ?? 0) + 1);
          const sorted = [...all].sort((one, two) => one - two);
          const truth = sorted[Math.ceil(share * sorted.length) - 1]!;
          const said = latencyAt(histogram, share, sorted.at(-1)!);
          expect(Math.abs(said - truth) / truth).toBeLessThanOrEqual(latencyError + 1e-9);
        },
      ),
    );
    expect(latencyAt(new Map(), 0.5, 0)).toBe(0);
    expect(latencyBucket(1e15)).toBe(latencyBucket(3.6e9));
  });
});

import { describe, expect, it } from 'vitest';
import { tenantId, type OperatorAccess, type UsageEvent } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { limiter } from '../limiter/limiter.js';
import { memoryLimits } from '../limiter/memory-limits.js';
import { memoryUsage } from '../usage/memory-usage.js';
import type { UsageStore } from '../usage/usage-store.js';
import { usageTracker } from '../usage/usage-tracker.js';
import { quotaProgress, quotaProgressAsOperator } from './quota-progress.js';
import { usageCsv } from './usage-csv.js';
import { usageReport, usageReportAsOperator, type UsageReportQuery } from './usage-report.js';

const refusal = (code: string): unknown => expect.objectContaining({ code });
const acme = tenantId('acme');
const event: UsageEvent = {
  tenant: acme,
  user: 'test#alice',
  tool: 'note_read',
  outcome: 'allowed',
  latencyMs: 10,
  at: Date.UTC(2026, 4, 31, 12),
};
const month = { month: '2026-05' };

async function used(...events: readonly Partial<UsageEvent>[]): Promise<UsageStore> {
  const store = memoryUsage();
  const tracker = usageTracker({ sink: store });
  for (const some of events) tracker.record({ ...event, ...some });
  await tracker.close();
  return store;
}

describe('a report of usage', () => {
  it('is broken down by day, user and tool, as asked', async () => {
    const store = await used(
      {},
      { tool: 'note_write', outcome: 'denied' },
      { user: 'test#bob', at: Date.UTC(2026, 4, 1), latencyMs: 30 },
      { tenant: tenantId('globex') },
      { at: Date.UTC(2026, 5, 1) },
    );
    const report = await usageReport(store, contextFor(), { ...month, by: ['day', 'tool'] });
    expect(report).toMatchObject({ tenant: 'acme', from: '2026-05-01', to: '2026-05-31', by: ['day', 'tool'] });
    expect(report.rows).toMatchObject([
      { day: '2026-05-01', tool: 'note_read', requests: 1, latencyMs: { mean: 30, max: 30 } },
      { day: '2026-05-31', tool: 'note_read', requests: 1 },
      { day: '2026-05-31', tool: 'note_write', requests: 1, allowed: 0, denied: 1 },
    ]);
    expect(report.totals).toMatchObject({ requests: 3, allowed: 2, denied: 1, limited: 0, errors: 0 });
    expect(report.totals.latencyMs.mean).toBeCloseTo(16.667, 3);
    expect(report.totals.latencyMs.p50).toBeGreaterThanOrEqual(9.5);
    expect(report.totals.latencyMs.p50).toBeLessThanOrEqual(10.5);
    expect(report.totals.latencyMs.p99).toBeLessThanOrEqual(30);
    expect((await usageReport(store, contextFor(), { from: '2026-05-31', to: '2026-06-01' })).totals.requests).toBe(3);
  });

  it('is of the context’s own tenant, and of nobody else’s', async () => {
    const store = await used({}, { tenant: tenantId('globex') });
    expect((await usageReport(store, contextFor({ tenant: 'globex' }), month)).totals.requests).toBe(1);
    await expect(usageReport(store, { ...contextFor() }, month)).rejects.toEqual(refusal('denied'));
    await expect(usageReport(store, operatorFor() as never, month)).rejects.toEqual(refusal('denied'));
    const leaking: UsageStore = { ...store, read: () => store.read(tenantId('globex'), '2026-05-01', '2026-05-31') };
    await expect(usageReport(leaking, contextFor(), month)).rejects.toEqual(refusal('store_unavailable'));
  });

  it('is of any tenant for an operator, on record, while the operator’s context holds and for its tenants', async () => {
    const store = await used({});
    const seen: OperatorAccess[] = [];
    const operatorAccess = (access: OperatorAccess): Promise<void> => {
      seen.push(access);
      return Promise.resolve();
    };
    const operator = operatorFor({ tenants: ['acme'], expiresAt: 1000 });
    const reader = { operator, operatorAccess, clock: () => 999 };
    expect((await usageReportAsOperator(store, reader, acme, month)).totals.requests).toBe(1);
    expect(seen).toEqual([{ operator, tenant: acme, storage: 'usage' }]);
    const refused = [
      usageReportAsOperator(store, { ...reader, clock: () => 1000 }, acme, month),
      usageReportAsOperator(store, reader, tenantId('globex'), month),
      usageReportAsOperator(store, reader, '../acme' as typeof acme, month),
      usageReportAsOperator(store, { ...reader, operator: { ...operator } }, acme, month),
      usageReportAsOperator(store, { ...reader, operator: contextFor() as never }, acme, month),
      quotaProgressAsOperator(memoryLimits(), { ...reader, operator: { ...operator } }, contextFor().tenant),
    ];
    for (const one of refused) await expect(one).rejects.toEqual(refusal('denied'));
    expect(seen).toHaveLength(1);
    const unrecorded = { ...reader, operatorAccess: () => Promise.reject(new Error('no record')) };
    await expect(usageReportAsOperator(store, unrecorded, acme, month)).rejects.toThrow('no record');
  });

  it.each([
    [{ month: '2026-13' }, 'month'],
    [{ month: '2026-5' }, 'month'],
    [{ from: '2026-02-30', to: '2026-03-05' }, 'from'],
    [{ from: '2026-02-01', to: 'today' }, 'to'],
    [{ from: '2026-02-02', to: '2026-02-01' }, 'from'],
    [{ from: '2024-01-01', to: '2026-01-01' }, '400'],
  ] as readonly (readonly [UsageReportQuery, string])[])('refuses the period %j', async (query, named) => {
    await expect(usageReport(memoryUsage(), contextFor(), query)).rejects.toEqual(
      expect.objectContaining({ code: 'request_invalid', message: expect.stringContaining(named) as unknown }),
    );
  });

  it('fails where usage cannot be read, and never looks like no usage', async () => {
    const broken: UsageStore = {
      ...memoryUsage(),
      read: () => {
        throw new Error('it is down');
      },
    };
    await expect(usageReport(broken, contextFor(), month)).rejects.toEqual(refusal('store_unavailable'));
  });
});

describe('usage as CSV', () => {
  it('has a header and a line a row, and totals without a breakdown', async () => {
    const store = await used({}, { tool: 'a,"b"' });
    const byTool = usageCsv(await usageReport(store, contextFor(), { ...month, by: ['tool'] }));
    expect(byTool.split('\n').slice(0, 2)).toEqual([
      '"tool","requests","allowed","denied","limited","errors","mean_ms","max_ms","p50_ms","p95_ms","p99_ms"',
      expect.stringMatching(/^"a,""b""",1,1,0,0,0,10,10,[\d.]+,[\d.]+,[\d.]+$/) as unknown,
    ]);
    const totals = usageCsv(await usageReport(store, contextFor(), month))
      .trim()
      .split('\n');
    expect(totals).toHaveLength(2);
    expect(totals[1]).toMatch(/^2,2,0,0,0,10,/);
  });

  it('gives a spreadsheet no formula to run', async () => {
    const formulas = ['=cmd|calc', '+1', '-1', '@SUM(1)', '\tx', '\rx', '\nx', '＝1', 'x;=1', '",=1'];
    const store = await used(...formulas.map((tool) => ({ tool })));
    const csv = usageCsv(await usageReport(store, contextFor(), { ...month, by: ['tool'] }));
    for (const formula of formulas.slice(0, 8)) expect(csv).toContain(`"'${formula}"`);
    expect(csv).toContain('"x;=1"');
    expect(csv).toContain('""",=1"');
  });
});

describe('progress against the quotas', () => {
  it('says what is used, what remains, and when it begins anew', async () => {
    const now = Date.UTC(2026, 4, 31);
    const store = memoryLimits({ clock: () => now });
    const plans = { pro: { limits: {}, quotas: { callsPerMonth: 10, maxUsers: 2 } } };
    const limits = limiter({ store, plans });
    const context = contextFor({ settings: { quotas: { maxSessionsPerUser: 5 } } });
    for (let calls = 0; calls < 3; calls++) await (await limits.call(context)).release();
    await limits.session(context, 's1');
    const calls = { quota: 'callsPerMonth', used: 3, allowed: 10, remaining: 7, resetsAt: Date.UTC(2026, 5) };
    const users = { quota: 'maxUsers', used: 4, allowed: 2, remaining: 0 };
    const sessions = { quota: 'maxSessionsPerUser', used: 1, allowed: 5, remaining: 4 };
    expect(await quotaProgress(store, context, { plans, users: 4 })).toEqual([calls, users, sessions]);
    const reader = { operator: operatorFor(), operatorAccess: () => Promise.resolve() };
    expect(await quotaProgressAsOperator(store, reader, context.tenant, { plans, users: 4 })).toEqual([calls, users]);
    expect(await quotaProgress(store, contextFor({ tenant: 'globex' }))).toEqual([
      { quota: 'callsPerMonth', used: 0, resetsAt: Date.UTC(2026, 5) },
      { quota: 'maxSessionsPerUser', used: 0 },
    ]);
    await expect(quotaProgress(store, { ...context })).rejects.toEqual(refusal('denied'));
    const broken = { ...store, read: () => Promise.reject(new Error('it is down')) };
    await expect(quotaProgress(broken, context)).rejects.toEqual(refusal('limits_unavailable'));
  });
});

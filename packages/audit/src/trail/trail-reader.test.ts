import { beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { recordsOperators } from '../operators.js';
import { memoryAudit } from '../sink.js';
import { auditTrail } from './audit-trail.js';
import { memoryTrails, type MemoryTrails } from './memory-trails.js';
import { checkpointSigner, generateCheckpointKey } from './signer.js';
import { operatorTrails, tenantTrail, type TrailQuestion } from './trail-reader.js';

let store: MemoryTrails;
beforeEach(async () => {
  store = await memoryTrails();
  let now = 0;
  const signer = await checkpointSigner(await generateCheckpointKey());
  const trail = auditTrail({ store, signer, clock: () => (now += 1000) });
  for (let index = 0; index < 10; index++)
    for (const tenant of ['acme', 'globex'])
      await trail.record({
        type: 'refusal',
        effect: 'deny',
        code: 'denied',
        requestId: `${tenant}-${String(index)}`,
        tenant,
        latencyMs: 0,
      });
  await trail.record({ type: 'operator', effect: 'allow', action: 'tenants.list', requestId: 'o-1', latencyMs: 0 });
});

describe('a tenant', () => {
  it('reads its own trail, page by page, and no other', async () => {
    const reader = tenantTrail(store, contextFor({ tenant: 'acme' }));
    const ids: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await reader.query({ limit: 3, cursor });
      ids.push(...page.records.map(({ entry }) => entry['requestId']));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(ids).toEqual(Array.from({ length: 10 }, (_none, index) => `acme-${String(9 - index)}`));
  });

  it('reads no other trail, whatever the question or the cursor says', async () => {
    const reader = tenantTrail(store, contextFor({ tenant: 'acme' }));
    const cursor = Buffer.from(JSON.stringify(['9999', 'tenant:globex', 99])).toString('base64url');
    const attempts: object[] = [
      { trails: 'all' },
      { trails: ['tenant:globex'] },
      { trail: 'tenant:globex' },
      { tenant: 'globex' },
      { cursor },
    ];
    for (const attempt of attempts) {
      const { records } = await reader.query(attempt);
      expect(new Set(records.map(({ trail }) => trail))).toEqual(new Set(['tenant:acme']));
    }
  });

  it('is one whose context a resolver made', () => {
    const context = contextFor({ tenant: 'acme' });
    for (const forged of [{ ...context }, JSON.parse(JSON.stringify(context)), operatorFor(), undefined])
      expect(() => tenantTrail(store, forged as never)).toThrow(expect.objectContaining({ code: 'denied' }) as Error);
  });

  it.each([
    { limit: 0 },
    { limit: 1001 },
    { limit: 1.5 },
    { order: 'random' },
    { from: NaN },
    { to: 1e20 },
    { cursor: 'x' },
    { cursor: 'WzEsMiwzXQ' },
  ])('is told that %j is no question', async (question) => {
    await expect(tenantTrail(store, contextFor()).query(question as TrailQuestion)).rejects.toMatchObject({
      code: 'request_invalid',
    });
  });
});

describe('an operator', () => {
  it('reads the trails that it names, on record, and all there are only where it may', async () => {
    const audit = memoryAudit();
    const record = recordsOperators(audit);
    const some = operatorFor({ tenants: ['acme'], reason: 'ticket 5' });
    const reader = await operatorTrails(store, some, { tenants: [tenantId('acme')], record });
    expect((await reader.query({ limit: 50 })).records.length).toBe(10);
    expect(audit.entries).toMatchObject([
      { type: 'operator', action: 'audit.read', tenant: 'acme', reason: 'ticket 5' },
    ]);
    for (const tenants of ['all', [tenantId('globex')], [tenantId('acme'), tenantId('globex')]] as const)
      await expect(operatorTrails(store, some, { tenants, record })).rejects.toMatchObject({ code: 'denied' });
    expect(audit.entries.length).toBe(1);
    const all = await operatorTrails(store, operatorFor(), { tenants: 'all', record });
    expect((await all.query({ limit: 50 })).records.length).toBe(21);
  });

  it('reads nothing where that cannot be recorded, and nothing when its right has ended', async () => {
    const record = () => Promise.reject(new PortcullisError('audit_unavailable'));
    await expect(operatorTrails(store, operatorFor(), { tenants: 'all', record })).rejects.toMatchObject({
      code: 'audit_unavailable',
    });
    let now = 0;
    const operator = operatorFor({ expiresAt: 100 });
    const reader = await operatorTrails(store, operator, {
      tenants: 'all',
      record: () => Promise.resolve(),
      clock: () => now,
    });
    await reader.query();
    now = 100;
    await expect(reader.query()).rejects.toMatchObject({ code: 'denied' });
    await expect(
      operatorTrails(store, operator, { tenants: 'all', record: () => Promise.resolve(), clock: () => now }),
    ).rejects.toMatchObject({ code: 'denied' });
    await expect(
      operatorTrails(store, { ...operatorFor() }, { tenants: 'all', record: () => Promise.resolve() }),
    ).rejects.toMatchObject({ code: 'denied' });
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type AttributeValue, type Impersonation } from '@portcullis/core';
import { sealTenantContext } from '@portcullis/core/seal';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { changedMembers } from './changed-members.js';
import { recordsConfiguration } from './configuration.js';
import { auditActor, type AuditEntry } from './entry.js';
import { recordsOperators } from './operators.js';
import { memoryAudit } from './sink.js';
import { trailsOf } from './trail/trails-of.js';

const mark: Impersonation = {
  grant: 'g-1',
  kind: 'break_glass',
  operator: 'test#olga',
  reason: 'ticket 7',
  approvedBy: 'test#otto',
  expiresAt: 1,
};
const change = {
  author: identityFor({ subject: 'ann' }),
  tenant: tenantId('acme'),
  action: 'tenant.update',
  target: 'acme',
  before: { name: 'Acme', plan: 'free', oauth: { id: 'x', clientSecret: 'old' }, tools: ['a'] },
  after: { name: 'Acme', plan: 'pro', oauth: { id: 'x', clientSecret: 'new' }, tools: ['a', 'b'] },
  requestId: 'r-1',
} as const;

describe('the record of a change', () => {
  it('has who, what and the members that differ, before and after, without secrets', async () => {
    const audit = memoryAudit();
    await recordsConfiguration(audit)(change);
    const [entry] = audit.entries;
    expect(entry).toMatchObject({ type: 'configuration', actor: { id: 'test#ann' }, tenant: 'acme', target: 'acme' });
    expect(entry).toHaveProperty('before', { plan: 'free', oauth: { clientSecret: '[redacted]' }, tools: ['a'] });
    expect(entry).toHaveProperty('after', { plan: 'pro', oauth: { clientSecret: '[redacted]' }, tools: ['a', 'b'] });
    expect(trailsOf(entry!)).toEqual(['tenant:acme']);
  });

  it('is in the operators’ trail too where an operator makes it, and names a job of the system’s own', async () => {
    const audit = memoryAudit();
    const record = recordsConfiguration(audit);
    await record({ ...change, reason: 'ticket 7' });
    await record({ ...change, impersonation: mark });
    const { tenant: _tenant, ...global } = change;
    await record({ ...global, author: { system: 'import' }, before: null, after: 1 });
    expect(audit.entries.map(trailsOf)).toEqual([
      ['tenant:acme', 'operators'],
      ['tenant:acme', 'operators'],
      ['system'],
    ]);
    expect(audit.entries[1]?.actor?.impersonation).toEqual({
      grant: 'g-1',
      kind: 'break_glass',
      approvedBy: 'test#otto',
      reason: 'ticket 7',
    });
    expect(audit.entries[2]?.actor).toMatchObject({ id: 'system#import', kind: 'system' });
  });

  it('keeps the change from being made when it cannot be written', async () => {
    const shut = { ...memoryAudit(), record: () => Promise.reject(new PortcullisError('audit_unavailable')) };
    await expect(recordsConfiguration(shut)(change)).rejects.toMatchObject({ code: 'audit_unavailable' });
    await expect(
      recordsOperators(shut)({ operator: change.author, action: 'x', effect: 'allow', requestId: 'r' }),
    ).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  it('has exactly what differs: put over the state before, it gives the state after', () => {
    const json = fc.jsonValue() as fc.Arbitrary<AttributeValue>;
    fc.assert(
      fc.property(json, json, (before, after) => {
        const changed = changedMembers(before, after);
        expect(same(put(before, changed.before, changed.after), after)).toBe(true);
        expect(same(put(after, changed.after, changed.before), before)).toBe(true);
        const none = changedMembers(before, before);
        if (typeof before === 'object' && before !== null && !Array.isArray(before))
          expect(none).toEqual({ before: {}, after: {} });
      }),
    );
  });
});

type Members = Record<string, AttributeValue>;
const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const same = (one: unknown, other: unknown): boolean => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : isMembers(value)
      ? Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, member]) => [name, sorted(member)])
      : value;

function put(state: AttributeValue, was: AttributeValue, willBe: AttributeValue): AttributeValue {
  if (!isMembers(state) || !isMembers(was) || !isMembers(willBe)) return willBe;
  const result = new Map(Object.entries(state));
  for (const name of Object.keys(was)) if (!Object.hasOwn(willBe, name)) result.delete(name);
  for (const [name, member] of Object.entries(willBe))
    result.set(name, Object.hasOwn(was, name) ? put(state[name]!, was[name]!, member) : member);
  return Object.fromEntries(result);
}

describe('what an operator does', () => {
  it('is recorded in the trail of the tenant and in the operators’', async () => {
    const audit = memoryAudit();
    await recordsOperators(audit)({
      ...{ operator: change.author, action: 'grant.use', effect: 'allow', tenant: tenantId('acme'), grant: 'g-1' },
      ...{ kind: 'support', reason: 'ticket 7', expiresAt: 86_400_000, requestId: 'r-1' },
    });
    expect(audit.entries).toMatchObject([
      { type: 'operator', actor: { id: 'test#ann' }, grantKind: 'support', expiresAt: '1970-01-02T00:00:00.000Z' },
    ]);
    expect(audit.entries.map(trailsOf)).toEqual([['tenant:acme', 'operators']]);
  });

  it('and was denied does not tell the tenant who tried', async () => {
    const audit = memoryAudit();
    const event = { operator: change.author, action: 'grant.use', effect: 'deny', requestId: 'r' } as const;
    await recordsOperators(audit)({ ...event, tenant: tenantId('globex') });
    await recordsOperators(audit)({ ...event, effect: 'allow' });
    expect(audit.entries.map(trailsOf)).toEqual([['operators'], ['operators']]);
  });

  it('in a tenant as somebody else bears the mark in every entry', () => {
    const context = sealTenantContext({ ...contextFor(), impersonation: mark });
    const entry: AuditEntry = {
      ...{ type: 'outcome', outcome: 'ok', requestId: 'r', tenant: 'acme', latencyMs: 0 },
      actor: auditActor(context),
    };
    expect(entry.actor?.impersonation).toMatchObject({ grant: 'g-1', approvedBy: 'test#otto' });
    expect(trailsOf(entry)).toEqual(['tenant:acme', 'operators']);
    expect(trailsOf({ ...entry, actor: auditActor(contextFor()) })).toEqual(['tenant:acme']);
  });

  it('with a tenant whose name is that of another trail is not in that', () => {
    for (const tenant of ['operators', 'system', 'tenant'])
      expect(trailsOf({ type: 'outcome', tenant })).toEqual([`tenant:${tenant}`]);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  tenantId,
  type Attributes,
  type AttributeValue,
  type CheckRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { policyFiles } from '@portcullis/pdp';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { failWith, shrinkingMs, type Case } from './embedded-case.js';
import { differences } from './embedded-difference.js';
import { rounds, seed } from './embedded-runs.js';

const policies = join(import.meta.dirname, '..', '..', 'policies');
let cerbos: PolicyDecisionPoint;
let inProcess: PolicyDecisionPoint;
beforeAll(async () => {
  [cerbos, inProcess] = await Promise.all([cerbosSidecar({ policies, pollMs: 0 }), embedded({ policies })]);
});
afterAll(async () => {
  await Promise.all([cerbos.close(), inProcess.close()]);
});

/** Mostly right attributes, so that rules are reached; any of them missing or odd, so that they err. */
const odd = fc.constantFrom(null, '', 0, 1000.5, true, [], {}, ['x'], { obligation: 1 });
const mostly = (...values: readonly fc.Arbitrary<AttributeValue>[]) =>
  fc.oneof(...values.map((arbitrary) => ({ weight: 40, arbitrary })), { weight: 1, arbitrary: odd });
const text = (...values: readonly string[]) => mostly(fc.constantFrom(...values));
const anyRecord = (
  members: Record<string, fc.Arbitrary<AttributeValue>>,
  required: readonly string[],
): fc.Arbitrary<Attributes> =>
  fc
    .oneof(
      { weight: 12, arbitrary: fc.record(members, { requiredKeys: [...required] }) },
      { weight: 1, arbitrary: fc.record(members, { requiredKeys: [] }) },
    )
    .map((record) => JSON.parse(JSON.stringify(record)) as Attributes);
const principal = fc.record({
  id: fc.constantFrom('auth0#auth0|alice', 'auth0#auth0|mallory', 'test#bob', 'x'),
  roles: fc.uniqueArray(
    fc.constantFrom(
      'owner',
      'admin',
      'member',
      'readonly',
      'operator_support',
      'operator_security',
      'operator_admin',
      'none',
      'tenant_admin',
    ),
    { maxLength: 3 },
  ),
  attr: anyRecord(
    {
      tenant: text('acme', 'globex', ''),
      plan: text('free', 'pro', 'enterprise'),
      features: mostly(fc.constantFrom<Attributes>({}, { sharing: true }, { sharing: false })),
      scopes: mostly(fc.constant([]), fc.constant(['a', 'b'])),
      groups_known: mostly(fc.boolean()),
      kind: text('user', 'operator'),
      provider: text('auth0', 'staff'),
      subject: text('alice'),
      impersonation: mostly(fc.constant({ by: 'x' })),
    },
    ['tenant', 'plan', 'features', 'scopes', 'groups_known'],
  ),
});
const resource = fc.record({
  kind: fc.constantFrom('document', 'ticket', 'invoice', 'tool', 'mcp_server', 'tenant', 'platform', 'nothing'),
  id: fc.constantFrom('1', 'whoami', 'usage_report'),
  tenant: fc.constantFrom(tenantId('acme'), tenantId('globex')),
  attr: anyRecord(
    {
      author: text('auth0#auth0|alice', 'test#bob'),
      classification: text('public', 'internal', 'confidential', 'secret'),
      status: text('open', 'closed', 'paid', 'refunded'),
      amount: mostly(fc.constantFrom(0, 999.99, 1000, 1000.01, 2e6, -1), fc.double({ noNaN: true, min: 0, max: 1e12 })),
      member: text('auth0#bob', 'staff#olga'),
      requested_by: text('auth0#auth0|alice', 'test#bob'),
      ttl_ms: mostly(fc.constantFrom(-1, 0, 1)),
    },
    ['author', 'classification', 'status', 'amount', 'member'],
  ),
});
const action = fc.constantFrom(
  ...['list', 'read', 'create', 'update', 'share', 'close', 'comment', 'refund', 'tools/call', 'tools/list'],
  ...['initialize', 'logging/setLevel', 'members:write', 'members:read', 'usage:read', 'act', 'approve_break_glass'],
  ...['tenants:list', 'audit:read', 'provision', 'sessions:end', 'suspend', 'settings:write', 'unheard/of'],
);
const request: fc.Arbitrary<CheckRequest> = fc.record({
  principal,
  scope: fc.constantFrom('acme', 'globex', 'globex.sub', ''),
  questions: fc.array(fc.record({ resource, actions: fc.uniqueArray(action, { minLength: 1, maxLength: 6 }) }), {
    minLength: 1,
    maxLength: 20,
  }),
});

describe('the policies of the demo', () => {
  it('are decided alike in this process and by Cerbos', { timeout: 30_000 * rounds + shrinkingMs }, async () => {
    let allowed = 0;
    const found: Case[] = [];
    const about = await documents();
    for (const asked of fc.sample(request, { numRuns: 300 * rounds, seed })) {
      if ((await differences(inProcess, cerbos, asked)).length > 0) found.push({ request: asked, ...about });
      allowed += (await inProcess.check(asked)).flat().filter(({ effect }) => effect === 'allow').length;
    }
    await failWith(`the policies of the demo, seed ${String(seed)}`, found.slice(0, 1));
    expect(allowed).toBeGreaterThan(20);
  });
});

/** The policies and schemas as a case holds them. */
async function documents(): Promise<Pick<Case, 'policies' | 'schemas'>> {
  const read = (...path: readonly string[]): unknown => parse(readFileSync(join(policies, ...path), 'utf8'));
  return {
    policies: (await policyFiles(policies)).map((file) => read(file)),
    schemas: Object.fromEntries(
      readdirSync(join(policies, '_schemas')).map((file) => [basename(file, '.json'), read('_schemas', file)]),
    ),
  };
}

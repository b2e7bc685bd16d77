import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  builtInRoles,
  evaluatePlan,
  principalOf,
  tenantId,
  type Attributes,
  type AttributeValue,
  type ResourceQuestion,
  type TenantId,
  type TenantRole,
} from '@portcullis/core';
import { readPolicies } from '@portcullis/pdp';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { members, memoryStore, registry, resolver } from '@portcullis/tenants';
import { isReservedRole, rolesFromYaml, rolesToYaml, syncRoles, tenantRoles } from '@portcullis/tenants/roles';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { anyRoles } from './any-roles.js';

const base = join(import.meta.dirname, '..', '..', 'policies');
const scratch = mkdtempSync(join(tmpdir(), 'portcullis-roles-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Tenants with random roles each; globex has a policy of its own, too, with denials for built-in roles. */
const tenants = ['acme', 'globex', 'a-b', 'a_b', '1', 'A-b'].map((id) => tenantId(id));
const kinds: readonly ResourceQuestion['resource'][] = [
  ...['public', 'internal', 'confidential', 'secret'].flatMap((classification) =>
    ['test#alice', 'test#bob'].map((author) => ({ kind: 'document', attr: { classification, author } })),
  ),
  ...['open', 'closed'].map((status) => ({ kind: 'ticket', attr: { status } })),
  ...[5, 1000, 1500.5].map((amount) => ({ kind: 'invoice', attr: { amount, status: 'paid' } })),
  { kind: 'tool', attr: {} },
  { kind: 'mcp_server', attr: {} },
  { kind: 'no-such:kind', attr: {} },
].map((resource) => ({ ...resource, id: resource.kind === 'tool' ? 'whoami' : '1', tenant: tenantId('acme') }));
const actions = [
  'read',
  'list',
  'update',
  'share',
  'create',
  'comment',
  'close',
  'refund',
  'tools/call',
  'tools/list',
  'initialize',
];

/** Who may do what: `kind attributes action` for each that is allowed. */
async function allowed(pdp: Sidecar, tenant: TenantId, roles: readonly string[]): Promise<ReadonlySet<string>> {
  const principal = principalOf(contextFor({ tenant, memberRoles: [...roles] }));
  const questions = kinds.map((resource) => ({ resource: { ...resource, tenant }, actions }));
  const decisions = (await pdp.check({ principal, scope: tenant, questions })).flat();
  return new Set(
    decisions.flatMap(({ effect, action }, index) =>
      effect === 'allow' ? [spelled(Math.floor(index / actions.length), action)] : [],
    ),
  );
}

function spelled(kind: number, action: string): string {
  return `${String(kind)} ${action}`;
}

/** What a condition means, written down a second time. */
function holds(expected: AttributeValue, actual: AttributeValue | undefined): boolean {
  if (actual === undefined) return false;
  if (typeof expected !== 'object' || expected === null) return expected === actual;
  const [operator, operand] = Object.entries(expected)[0]!;
  if (operator === 'ne') return operand !== actual;
  if (operator === 'in') return (operand as readonly AttributeValue[]).includes(actual);
  if (typeof operand === 'string' && typeof actual === 'string') {
    const order = Buffer.compare(Buffer.from(actual), Buffer.from(operand));
    return { lt: order < 0, lte: order <= 0, gt: order > 0, gte: order >= 0 }[operator] === true;
  }
  if (typeof operand !== 'number' || typeof actual !== 'number') return false;
  return (
    { lt: actual < operand, lte: actual <= operand, gt: actual > operand, gte: actual >= operand }[operator] === true
  );
}

function lists({ permissions }: TenantRole, kind: string, attr: Attributes, action: string): boolean {
  return permissions.some(
    (permission) =>
      ['*', kind].includes(permission.resource) &&
      ['*', action].includes(permission.action) &&
      Object.entries(permission.conditions ?? {}).every(([name, expected]) =>
        holds(expected, Object.hasOwn(attr, name) ? attr[name] : undefined),
      ),
  );
}

describe('roles of a tenant’s own', () => {
  it('survive the way to YAML and back', () => {
    fc.assert(
      fc.property(anyRoles(tenantId('acme')), (roles) => {
        const files = rolesToYaml(tenantId('acme'), roles);
        const read = rolesFromYaml(files);
        expect([...read].sort(byId)).toEqual([...roles].sort(byId));
        expect(rolesToYaml(tenantId('acme'), [...read].reverse())).toEqual(files);
      }),
      { numRuns: 40 },
    );
  });

  describe('at the PDP', () => {
    let pdp: Sidecar;
    let alone: Sidecar;
    const roles = new Map<TenantId, readonly TenantRole[]>();
    let compared = 0;
    const seed = Number(process.env['SEED'] ?? 20_261);

    beforeAll(async () => {
      const folder = join(scratch, 'policies');
      cpSync(base, folder, { recursive: true });
      tenants.forEach((tenant, index) => {
        const drawn = fc.sample(anyRoles(tenant, 30), { numRuns: 40, seed: seed + index });
        const most = drawn.reduce((one, other) => (other.length > one.length ? other : one));
        roles.set(tenant, most);
        for (const { path, text } of rolesToYaml(tenant, most)) {
          mkdirSync(dirname(join(folder, path)), { recursive: true });
          writeFileSync(join(folder, path), text);
        }
      });
      [pdp, alone] = await Promise.all([
        cerbosSidecar({ policies: folder, schemaEnforcement: 'none' }),
        cerbosSidecar({ policies: base, schemaEnforcement: 'none' }),
      ]);
    });
    afterAll(async () => {
      await Promise.all([pdp.close(), alone.close()]);
    });

    it.each(tenants)('never do what their parents may not, and do all that they list of it: %s', async (tenant) => {
      const known = new Map<string, ReadonlySet<string>>();
      for (const role of builtInRoles) known.set(role, await allowed(alone, tenant, [role]));
      for (const role of roles.get(tenant) ?? []) {
        const mine = await allowed(pdp, tenant, [role.roleId]);
        const parents = new Set(role.parentRoles.flatMap((parent) => [...(known.get(parent) ?? [])]));
        const expected = kinds.flatMap(({ kind, attr = {} }, index) =>
          actions
            .filter((action) => lists(role, kind, { ...attr, tenant }, action))
            .map((action) => spelled(index, action)),
        );
        expect([...mine].filter((question) => !parents.has(question))).toEqual([]);
        const full = expected.filter((question) => parents.has(question)).sort();
        expect([...mine].filter((question) => !full.includes(question))).toEqual([]);
        // A denial for any of several parents is one for the role: then it may do less.
        if (role.parentRoles.length === 1) expect([...mine].sort()).toEqual(full);
        known.set(role.roleId, mine);
      }
    });

    it.each(tenants.slice(0, 2))('list what they may do one by one, and nothing else: %s', async (tenant) => {
      for (const role of roles.get(tenant)?.slice(0, 8) ?? []) {
        const principal = principalOf(contextFor({ tenant, memberRoles: [role.roleId] }));
        const mine = await allowed(pdp, tenant, [role.roleId]);
        for (const [kind, action] of [
          ['document', 'read'],
          ['document', 'update'],
          ['document', 'list'],
          ['ticket', 'comment'],
          ['invoice', 'read'],
        ] as const) {
          const plan = await pdp.plan({ principal, scope: tenant, kind, action, tenant });
          kinds.forEach((resource, index) => {
            if (resource.kind !== kind) return;
            const known = { id: resource.id, attr: { ...resource.attr, tenant } };
            const listed =
              plan.outcome === 'conditional' ? evaluatePlan(plan.condition, known) : plan.outcome === 'always_allowed';
            if (listed !== undefined) compared++;
            if (listed !== undefined && listed !== mine.has(spelled(index, action)))
              expect.fail(`${JSON.stringify(role)} ${action} ${JSON.stringify(known)} ${JSON.stringify(plan)}`);
          });
        }
      }
      expect(compared).toBeGreaterThan(50);
    });

    it('give together what each of them gives', async () => {
      for (const tenant of tenants.slice(0, 2)) {
        const [one, two, three] = (roles.get(tenant) ?? []).map(({ roleId }) => roleId);
        const held = [one, two, three, 'readonly'].filter((role) => role !== undefined);
        const each = await Promise.all(held.map((role) => allowed(pdp, tenant, [role])));
        expect([...(await allowed(pdp, tenant, held))].sort()).toEqual(
          [...new Set(each.flatMap((set) => [...set]))].sort(),
        );
      }
    });

    it('are nothing in another tenant', async () => {
      for (const tenant of tenants.slice(0, 3)) {
        for (const { roleId } of roles.get(tenant)?.slice(0, 5) ?? []) {
          for (const other of tenants) {
            if (roles.get(other)?.some((role) => role.roleId === roleId) === true) continue;
            expect([...(await allowed(pdp, other, [roleId]))]).toEqual([]);
          }
        }
      }
    });
  });

  it('decide for a member, from the store to the answer, and follow the store', async () => {
    const folder = join(scratch, 'followed');
    cpSync(base, folder, { recursive: true });
    const acme = tenantId('acme');
    const store = memoryStore();
    await store.createTenant({ id: acme, name: 'Acme', settings: { identityProviders: [{ provider: 'test' }] } });
    const own = tenantRoles({ store, record: () => Promise.resolve() });
    const actor = { system: 'test', requestId: 'r' };
    const reviewer = {
      tenantId: acme,
      roleId: 'doc-reviewer',
      name: 'Reviewer',
      parentRoles: ['admin'],
      permissions: [
        { resource: 'mcp_server', action: '*' },
        { resource: 'document', action: 'read', conditions: { classification: { in: ['public', 'internal'] } } },
        { resource: 'document', action: 'list' },
      ],
    };
    await own.put(actor, reviewer);
    await members({ store, record: () => Promise.resolve() }).add(actor, acme, 'test#rita', ['doc-reviewer']);
    const tenants = resolver({ registry: registry({ store, maxAgeMs: 0, negativeMaxAgeMs: 0 }) });
    const context = await tenants.resolve({ identity: identityFor({ subject: 'rita' }), requestId: 'r' });
    await syncRoles(store, folder);
    const changed: string[] = [];
    const pdp = await cerbosSidecar({ policies: folder, onPolicyChange: ({ revision }) => changed.push(revision) });
    try {
      const resource = (classification: string): ResourceQuestion['resource'] => ({
        kind: 'document',
        id: 'd1',
        tenant: acme,
        attr: { classification, author: 'test#bob' },
      });
      const effects = async (): Promise<readonly string[]> => {
        const questions = [
          { resource: { kind: 'mcp_server', id: 'x', tenant: acme }, actions: ['initialize', 'tools/list'] },
          ...['public', 'secret'].map((kind) => ({ resource: resource(kind), actions: ['read', 'update'] })),
        ];
        const found = await pdp.check({ principal: principalOf(context), scope: acme, questions });
        return found.flat().map(({ effect }) => effect);
      };
      expect(await effects()).toEqual(['allow', 'allow', 'allow', 'deny', 'deny', 'deny']);
      const plan = await pdp.plan({
        principal: principalOf(context),
        scope: acme,
        kind: 'document',
        action: 'read',
        tenant: acme,
      });
      if (plan.outcome !== 'conditional') throw new Error(plan.outcome);
      for (const classification of ['public', 'internal', 'confidential', 'secret']) {
        const known = { ...resource(classification), attr: { classification, author: 'test#bob', tenant: acme } };
        expect(evaluatePlan(plan.condition, known)).toBe(['public', 'internal'].includes(classification));
      }
      await own.put(actor, { ...reviewer, permissions: [{ resource: '*', action: '*' }] });
      await syncRoles(store, folder);
      await expect.poll(() => changed.length, { timeout: 20_000 }).toBeGreaterThan(0);
      expect(await effects()).toEqual(['allow', 'allow', 'allow', 'allow', 'allow', 'allow']);
    } finally {
      await pdp.close();
    }
  });

  it('cannot have the name of a role that the policies name', async () => {
    const named = (await readPolicies(base)).flatMap(({ kind, name, rules, text }) => [
      ...rules.flatMap(({ roles, derivedRoles }) => [...roles, ...derivedRoles]),
      ...(kind === 'role' ? [name] : []),
      ...[...text.matchAll(/"(?:name|parentRoles)":("\w+"|\[[^\]]*\])/g)].flatMap(([, found = '[]']) =>
        kind === 'derived_roles' ? (JSON.parse(`[${found}]`) as readonly (string | readonly string[])[]).flat() : [],
      ),
    ]);
    expect(named).toEqual(expect.arrayContaining(['tenant_editor', 'owner', 'author']));
    expect(
      [...new Set(named)].filter((name) => !['*', 'common', 'operators'].includes(name) && !isReservedRole(name)),
    ).toEqual([]);
  });
});

function byId(one: TenantRole, other: TenantRole): number {
  return one.roleId < other.roleId ? -1 : 1;
}

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type Attributes, type Plan, type PlanExpression, type PlanRequest } from '@portcullis/core';
import { embedded } from '../embedded.js';
import type { FolderOptions } from '../options.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-plan-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const apiVersion = 'api.cerbos.dev/v1';
const consent = 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS';
const met = (expr: string) => ({ condition: { match: { expr } } });
const rule = (effect: 'ALLOW' | 'DENY', role: string, more: object = {}) => ({
  actions: ['read'],
  effect: `EFFECT_${effect}`,
  roles: [role],
  ...more,
});

function write(...policies: readonly object[]): void {
  for (const [index, policy] of policies.entries())
    writeFileSync(join(folder, `p${String(index)}.json`), JSON.stringify({ apiVersion, ...policy }));
}
const note = (rules: readonly object[], more: object = {}) => ({
  resourcePolicy: { resource: 'note', version: 'default', rules, ...more },
});

async function planned(request: Partial<PlanRequest> = {}, options: Partial<FolderOptions> = {}): Promise<Plan> {
  const pdp = await embedded({ policies: folder, pollMs: 0, allowWideningScopes: true, ...options });
  try {
    return await pdp.plan({
      principal: { id: 'alice', roles: ['member'], attr: { team: 'red', teams: ['red', 'blue'], none: [], n: 2 } },
      scope: '',
      kind: 'note',
      action: 'read',
      tenant: tenantId('acme'),
      ...request,
    });
  } finally {
    await pdp.close();
  }
}

/** A plan, short. */
async function text(request: Partial<PlanRequest> = {}, options: Partial<FolderOptions> = {}): Promise<string> {
  const plan = await planned(request, options);
  return plan.outcome === 'conditional' ? written(plan.condition) : plan.outcome;
}

function written(expression: PlanExpression): string {
  switch (expression.type) {
    case 'value':
      return JSON.stringify(expression.value);
    case 'variable':
      return expression.name.replace('request.resource.', 'R.');
    case 'operation':
      return `${expression.operator}(${expression.operands.map(written).join(', ')})`;
  }
}

describe('the plan of an expression', () => {
  it.each<[expression: string, plan: string, shared?: Attributes]>([
    // What needs nothing of the row is decided.
    ['P.attr.team == "red"', 'always_allowed'],
    ['P.attr.team == "blue"', 'always_denied'],
    ['P.attr.missing == R.attr.a', 'always_denied'],
    ['R.attr.tenant == "acme"', 'always_allowed'],
    ['R.attr.a == 1', 'always_allowed', { a: 1 }],
    ['has(R.attr.a) && R.attr["a"] == 2 || R.kind == "note"', 'always_allowed'],
    ['"tenant" in R.attr', 'always_allowed'],
    ['R.attr.a == P.attr.team', 'eq(R.attr.a, "red")'],
    ['request.resource.attr["a"] != P.attr.team', 'ne(R.attr.a, "red")'],
    ['R.attr["a.b"] == 1', 'eq(index(R.attr, "a.b"), 1)'],
    ['R.id == P.id', 'eq(R.id, "alice")'],
    ['R.attr.m.x[R.attr.k] == 1', 'eq(index(R.attr.m.x, R.attr.k), 1)'],
    ['R.attr.l[0].x == 1', 'eq(get-field(index(R.attr.l, 0), x), 1)'],
    ['R.attr.a in P.attr.teams', 'in(R.attr.a, ["red","blue"])'],
    ['R.attr.a in {"x": 1}', 'in(R.attr.a, ["x"])'],
    ['{"x": 1}[R.attr.a] > 0', 'gt(index({"x":1}, R.attr.a), 0)'],
    ['true && R.attr.a == 1', 'eq(R.attr.a, 1)'],
    ['true && R.attr.b', 'and(true, R.attr.b)'],
    ['(true && R.attr.b) == R.attr.a', 'eq(and(true, R.attr.b), R.attr.a)'],
    ['R.attr.a == 1 || true', 'always_allowed'],
    ['R.attr.a == 1 && false', 'always_denied'],
    ['R.attr.a == 1 ? P.id == "alice" : R.attr.b == 2', 'if(eq(R.attr.a, 1), true, eq(R.attr.b, 2))'],
    // What errs whatever the row is.
    ['R.attr.a == 1 && P.attr.missing', 'always_denied'],
    ['R.attr.a == 1 || P.attr.missing', 'eq(R.attr.a, 1)'],
    ['!(R.attr.a == 1 && P.attr.missing)', 'not(eq(R.attr.a, 1))'],
    ['!(R.attr.a == 1 || P.attr.missing)', 'always_denied'],
    ['(R.attr.a == 1 || P.attr.missing) == false', 'eq(or(index([], 0), eq(R.attr.a, 1)), false)'],
    ['R.attr.n + 1 == 2', 'always_denied'],
    ['R.attr.n % 2 == 0', 'always_denied'],
    ['R.attr.n + 0.5 > 1.0', 'gt(add(R.attr.n, 0.5), 1)'],
    ['size(R.attr.l) + 1 > 2', 'gt(add(size(R.attr.l), 1), 2)'],
    ['size(R.attr.l) + P.attr.n > 2.0', 'always_denied'],
    ['R.attr.a < P.attr.teams', 'always_denied'],
    ['R.attr.l[-1] == 1', 'always_denied'],
    // Macros: over what is known they are written out, over the row they have a lambda.
    ['P.attr.teams.exists(t, t == R.attr.a)', 'or(eq("red", R.attr.a), eq("blue", R.attr.a))'],
    ['P.attr.none.all(t, t == R.attr.a)', 'always_allowed'],
    ['R.attr.l.exists(v, v == P.id)', 'exists(R.attr.l, lambda(eq(v, "alice"), v))'],
    ['R.attr.l.map(v, v.x > 1, v.y) == []', 'eq(map(filter(R.attr.l, lambda(gt(v.x, 1), v)), lambda(v.y, v)), [])'],
    // A list that is written out errs as a whole.
    ['[R.attr.a, 1].exists(v, v == 1)', 'exists(list(R.attr.a, 1), lambda(eq(v, 1), v))'],
    ['{"a": R.attr.a, "b": 1}.b == 1', 'eq(get-field(struct(set-field("a", R.attr.a), set-field("b", 1)), b), 1)'],
    // An attribute that is there is no more than that.
    ['has(R.attr.a)', 'in("a", R.attr)'],
    ['!has(R.attr.a)', 'not(in("a", R.attr))'],
    ['has(R.attr.m.x)', 'or(eq(R.attr.m.x, null), ne(R.attr.m.x, null))'],
    // Variables.
    ['V.known', 'always_allowed'],
    ['V.row', 'eq(R.attr.a, 1)'],
    ['V.erred == null', 'always_allowed'],
    ['V.always == null', 'always_allowed'],
  ])('%s is %s', async (expression: string, plan: string, shared?: Attributes) => {
    const variables = { known: 'P.id == "alice"', row: 'R.attr.a == 1', erred: 'P.attr.x', always: 'R.attr.n + 1' };
    write(note([rule('ALLOW', '*', met(expression))], { variables: { local: variables } }));
    expect(await text(shared === undefined ? {} : { attr: shared })).toBe(plan);
  });

  it.each([
    ['R.attr.a == 9223372036854775806', /too large/],
    ['[1, 2][int(R.attr.i)] + 1 > 2', /whole number/],
    ['P.attr.n / 0.0 > R.attr.a', /not finite/],
    ['R.attr.s.substring(P.attr.n) == "x"', /does not tell from an int/],
    ['type(R.attr.a) == string', /cannot carry/],
    ['R.attr.l.exists(v, cel.bind(x, v.a, R.attr.k.exists(v, v == x)))', /hides another/],
    ['R.attr.m.exists(k, v, k == v)', /in this form/],
    ['"author" in runtime.effectiveDerivedRoles && R.attr.a == 1', /depends on the row/],
  ])('%s is refused, and the detail says where', async (expression, reason) => {
    write(note([{ name: 'readers', ...rule('ALLOW', '*', met(expression)) }]));
    const error: unknown = await planned().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'pdp_unavailable', detail: expect.stringMatching(reason) as unknown });
    expect(error).toMatchObject({ detail: expect.stringContaining('resource.note.vdefault#readers') as unknown });
    expect(error).toMatchObject({ detail: expect.stringContaining(`\`${expression}\``) as unknown });
  });

  it('is refused where it is written out into too much', async () => {
    write(note([rule('ALLOW', '*', met('P.attr.l.all(a, P.attr.l.all(b, R.attr.x != [a, b]))'))]));
    const l = Array.from({ length: 200 }, (_none, index) => index);
    await expect(planned({ principal: { id: 'p', roles: ['member'], attr: { l } } })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
  });

  it('is bounded in what it takes, also where nothing of it is left', async () => {
    write(note([rule('ALLOW', '*', met('P.attr.l.all(a, P.attr.l.all(b, a + b >= 0.0 || R.attr.x == 1))'))]));
    const of = (count: number): Partial<PlanRequest> => ({
      principal: { id: 'p', roles: ['member'], attr: { l: Array.from({ length: count }, (_, index) => index) } },
    });
    expect(await text(of(10))).toBe('always_allowed');
    await expect(planned(of(300))).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });
});

describe('the plan of a policy', () => {
  const a = met('R.attr.a == 1');
  const b = met('R.attr.b == 2');
  const yesA = 'eq(R.attr.a, 1)';
  const yesB = 'eq(R.attr.b, 2)';

  it('denies where nothing allows, and whom no rule is for', async () => {
    expect(await text({ kind: 'unknown' })).toBe('always_denied');
    write(note([rule('ALLOW', 'editor')]));
    expect(await text()).toBe('always_denied');
    expect(await text({ principal: { id: 'p', roles: [], attr: {} } })).toBe('always_denied');
    expect(await text({ action: 'other' })).toBe('always_denied');
    expect(await text({ principal: { id: 'p', roles: ['editor'], attr: {} } })).toBe('always_allowed');
  });

  it('lets a denial override, within the role that it is for', async () => {
    write(note([rule('ALLOW', 'member', a), rule('DENY', 'member', b), rule('ALLOW', 'editor')]));
    expect(await text()).toBe(`and(not(${yesB}), ${yesA})`);
    expect(await text({ principal: { id: 'p', roles: ['member', 'editor'], attr: {} } })).toBe('always_allowed');
  });

  it('takes conditions together as the policy does', async () => {
    const of = [{ expr: 'R.attr.a == 1' }, { expr: 'R.attr.b == 2' }];
    for (const [word, plan] of [
      ['all', `and(${yesA}, ${yesB})`],
      ['any', `or(${yesA}, ${yesB})`],
      ['none', `not(or(${yesA}, ${yesB}))`],
    ] as const) {
      write(note([rule('ALLOW', '*', { condition: { match: { [word]: { of } } } })]));
      expect(await text()).toBe(plan);
    }
  });

  it('lets the most specific scope decide, and asks those above where it needs their consent', async () => {
    write(note([rule('ALLOW', '*', a)]), note([rule('DENY', '*', b)], { scope: 'acme' }));
    expect(await text({ scope: 'acme' })).toBe(`and(not(${yesB}), ${yesA})`);
    expect(await text({ scope: 'other' })).toBe(yesA);
    write(note([rule('ALLOW', '*', a)]), note([rule('ALLOW', '*', b)], { scope: 'acme' }));
    expect(await text({ scope: 'acme' })).toBe(`or(${yesB}, ${yesA})`);
    write(note([rule('ALLOW', '*', a)]), note([rule('ALLOW', '*', b)], { scope: 'acme', scopePermissions: consent }));
    expect(await text({ scope: 'acme' })).toBe(`and(not(not(${yesB})), ${yesA})`);
    write(note([rule('ALLOW', '*', a)]), note([rule('ALLOW', '*')], { scope: 'acme', scopePermissions: consent }));
    expect(await text({ scope: 'acme' })).toBe(yesA);
  });

  it('looks at the policy of the principal first', async () => {
    const principalPolicy = {
      principal: 'alice',
      version: 'default',
      rules: [{ resource: 'note', actions: [{ action: 'read', effect: 'EFFECT_DENY', ...b }] }],
    };
    write(note([rule('ALLOW', '*', a)]), { principalPolicy });
    expect(await text()).toBe(`and(not(${yesB}), ${yesA})`);
    expect(await text({ principal: { id: 'bob', roles: ['member'], attr: {} } })).toBe(yesA);
  });

  it('gives a derived role to whom its condition names, and takes nothing from role policies that restrict', async () => {
    const derivedRoles = { name: 'common', definitions: [{ name: 'author', parentRoles: ['member'], ...a }] };
    const byAuthor = { actions: ['read'], effect: 'EFFECT_ALLOW', derivedRoles: ['author'], ...b };
    write(note([byAuthor], { importDerivedRoles: ['common'] }), { derivedRoles });
    expect(await text()).toBe(`and(${yesA}, ${yesB})`);
    const rolePolicy = (allowActions: readonly string[], more: object = {}) => ({
      rolePolicy: { role: 'member', rules: [{ resource: 'note', allowActions, ...more }] },
    });
    write(note([rule('ALLOW', '*', a)]), rolePolicy(['read'], b));
    expect(await text()).toBe(`and(${yesB}, ${yesA})`);
    write(note([rule('ALLOW', '*', a)]), rolePolicy(['write']));
    expect(await text()).toBe('always_denied');
  });

  it('lets a role policy of a scope restrict what those above allow, of the kinds that it speaks of', async () => {
    const rolePolicy = (resource: string) => ({
      rolePolicy: {
        role: 'member',
        scope: 'acme',
        scopePermissions: consent,
        rules: [{ resource, allowActions: ['write'] }],
      },
    });
    write(note([rule('ALLOW', '*', a)]), rolePolicy('note'));
    expect(await text({ scope: 'acme' })).toBe('always_denied');
    expect(await text()).toBe(yesA);
    write(note([rule('ALLOW', '*', a)]), rolePolicy('memo'));
    expect(await text({ scope: 'acme' })).toBe(yesA);
  });

  it('takes the version that is asked for', async () => {
    write(note([rule('ALLOW', '*')], { version: 'v2' }));
    expect(await text()).toBe('always_denied');
    expect(await text({ policyVersion: 'v2' })).toBe('always_allowed');
    expect(await text({}, { policyVersion: 'v2' })).toBe('always_allowed');
  });
});

describe('a plan under schemas', () => {
  const schemas = {
    principalSchema: { ref: 'cerbos:///principal.json' },
    resourceSchema: { ref: 'cerbos:///note.json', ignoreWhen: { actions: ['list'] } },
  };
  beforeEach(() => {
    mkdirSync(join(folder, '_schemas'));
    const principal = { type: 'object', required: ['team'] };
    const resource = { type: 'object', properties: { a: { type: 'string', minLength: 1 } }, required: ['a', 'tenant'] };
    writeFileSync(join(folder, '_schemas', 'principal.json'), JSON.stringify(principal));
    writeFileSync(join(folder, '_schemas', 'note.json'), JSON.stringify(resource));
    write(note([{ ...rule('ALLOW', '*'), actions: ['read', 'list'] }], { schemas }));
  });

  it('leaves out the rows that a check would refuse', async () => {
    expect(await text()).toBe('and(in("a", R.attr), and(startsWith(R.attr.a, ""), ge(size(R.attr.a), 1)))');
    expect(await text({ attr: { a: 'x' } })).toBe('always_allowed');
    expect(await text({ attr: { a: '' } })).toBe('always_denied');
  });

  it('heeds the actions that are left out, and whether schemas count', async () => {
    expect(await text({ action: 'list' })).toBe('always_allowed');
    expect(await text({}, { schemaEnforcement: 'warn' })).toBe('always_allowed');
  });

  it('denies all to a principal that breaks its own', async () => {
    expect(await text({ action: 'list', principal: { id: 'p', roles: ['member'], attr: {} } })).toBe('always_denied');
  });

  it.each([{ not: { type: 'string' } }, { minLength: 1 }, { type: 'object' }, { items: { type: 'string' } }])(
    'is refused where the schema says what no plan can: %j',
    async (member) => {
      writeFileSync(
        join(folder, '_schemas', 'note.json'),
        JSON.stringify({ type: 'object', properties: { a: member } }),
      );
      await expect(text()).rejects.toMatchObject({
        code: 'pdp_unavailable',
        detail: expect.stringContaining('the schema of `resource.note.vdefault`') as unknown,
      });
    },
  );
});

describe('a request for a plan', () => {
  it.each<Partial<PlanRequest>>([
    { kind: '' },
    { action: '' },
    { scope: 'a..b' },
    { principal: { id: '', roles: [], attr: {} } },
    { attr: { n: Number.NaN } },
  ])('is not answered if it is malformed: %j', async (request) => {
    write(note([rule('ALLOW', '*')]));
    await expect(planned(request)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('is not answered late', async () => {
    write(note([rule('ALLOW', '*')]));
    const pdp = await embedded({ policies: folder, pollMs: 0 });
    const request: PlanRequest = {
      principal: { id: 'p', roles: ['member'], attr: {} },
      ...{ scope: '', kind: 'note', action: 'read', tenant: tenantId('acme') },
    };
    expect(await pdp.plan(request)).toMatchObject({ outcome: 'always_allowed', engine: 'embedded' });
    await expect(pdp.plan(request, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await pdp.close();
    await expect(pdp.plan(request)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });
});

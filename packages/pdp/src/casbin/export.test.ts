import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type TenantRole } from '@portcullis/core';
import { casbin, rbacModel, tenantRoleLines, toCasbin, type Casbin, type PolicyLine } from './index.js';

const acme = tenantId('acme');

async function allows(
  pdp: Casbin,
  roles: readonly string[],
  kind: string,
  action: string,
  tenant = acme,
): Promise<boolean> {
  const [[decision] = []] = await pdp.check({
    principal: { id: 'test#alice', roles, attr: {} },
    scope: tenant,
    questions: [{ resource: { kind, id: '1', tenant }, actions: [action] }],
  });
  return decision?.effect === 'allow';
}

describe('a policy folder as lines of casbin', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'to-casbin-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const policy = (rules: string, more = ''): string =>
    `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: document\n  version: default\n${more}  rules:\n${rules}`;
  const allow = '    - actions: [read]\n      effect: EFFECT_ALLOW\n      roles: [member]\n';

  it('decides by roles, each apart, in every tenant', async () => {
    const rules = `${allow}    - actions: ['*']\n      effect: EFFECT_ALLOW\n      roles: [admin]\n    - actions: [erase]\n      effect: EFFECT_DENY\n      roles: ['*']\n`;
    await writeFile(join(folder, 'document.yaml'), policy(rules));
    const exported = await toCasbin(folder);
    const pdp = await casbin(exported);
    expect(await allows(pdp, ['member'], 'document', 'read')).toBe(true);
    expect(await allows(pdp, ['member'], 'document', 'write')).toBe(false);
    expect(await allows(pdp, ['admin'], 'document', 'write', tenantId('globex'))).toBe(true);
    expect(await allows(pdp, ['admin'], 'document', 'erase')).toBe(false);
    expect(exported.lines.map(({ place }) => place)).toEqual([
      'document.yaml:6',
      'document.yaml:9',
      'document.yaml:12',
    ]);
  });

  it.each([
    [
      policy(`${allow}      condition: { match: { expr: "true" } }\n`),
      'document.yaml:9: `resourcePolicy.rules.0.condition`',
    ],
    [
      policy(`${allow}      output: { when: { ruleActivated: "1" } }\n`),
      'document.yaml:9: `resourcePolicy.rules.0.output`',
    ],
    [
      policy(allow.replace('roles: [member]', 'derivedRoles: [own]')),
      'document.yaml:8: `resourcePolicy.rules.0.derivedRoles`',
    ],
    [policy(allow.replace('      roles: [member]\n', '')), 'is nobody’s'],
    [policy(allow.replace('[read]', "['read:*']")), 'document.yaml:6: `resourcePolicy.rules.0.actions.0`'],
    [policy(allow).replace('resource: document', 'resource: a:b'), 'document.yaml:3: `resourcePolicy.resource`'],
    [policy(allow).replace('resource: document', 'resource: "doc*"'), 'document.yaml:3: `resourcePolicy.resource`'],
    [
      policy(allow, '  scopePermissions: SCOPE_PERMISSIONS_OVERRIDE_PARENT\n'),
      'document.yaml:5: `resourcePolicy.scopePermissions`',
    ],
    [policy(allow, '  scope: acme\n'), 'document.yaml:5: `resourcePolicy.scope`'],
    [policy(allow, '  importDerivedRoles: [own]\n'), 'document.yaml:5: `resourcePolicy.importDerivedRoles`'],
    [policy(allow, '  variables: { local: { a: "1" } }\n'), 'document.yaml:5: `resourcePolicy.variables`'],
    [policy(allow, '  constants: { local: { a: 1 } }\n'), 'document.yaml:5: `resourcePolicy.constants`'],
    [
      policy(allow, '  schemas: { principalSchema: { ref: "cerbos:///a.json" } }\n'),
      'document.yaml:5: `resourcePolicy.schemas`',
    ],
    [policy(allow).replace('version: default', 'version: v2'), 'document.yaml:4: `resourcePolicy.version`'],
    [
      'apiVersion: api.cerbos.dev/v1\nrolePolicy:\n  role: a\n  scope: acme\n  rules: [{ resource: x, allowActions: [read] }]\n',
      'document.yaml:1: ',
    ],
    ['apiVersion: api.cerbos.dev/v1\nprincipalPolicy:\n  principal: a\n  version: default\n', 'document.yaml:1: '],
    [
      'apiVersion: api.cerbos.dev/v1\nderivedRoles:\n  name: a\n  definitions: [{ name: b, parentRoles: [c] }]\n',
      'document.yaml:1: ',
    ],
  ])('refuses what says more, with its place: %#', async (text, expected) => {
    await writeFile(join(folder, 'document.yaml'), text);
    await expect(toCasbin(folder)).rejects.toMatchObject({ code: 'policies_invalid' });
    await expect(toCasbin(folder)).rejects.toThrow(expected);
  });

  it('refuses a second policy for a kind', async () => {
    await writeFile(join(folder, 'a.yaml'), policy(allow));
    await writeFile(join(folder, 'b.yaml'), policy(allow));
    await expect(toCasbin(folder)).rejects.toThrow('`document` has a policy already');
  });
});

describe('tenants’ own roles as lines of casbin', () => {
  const line = (...values: readonly string[]): PolicyLine => ({ ptype: 'p', values });
  const base: readonly PolicyLine[] = [
    line('member', '*', 'document', 'read', 'allow'),
    line('member', '*', 'document', 'write', 'allow'),
    line('admin', '*', '*', '*', 'allow'),
    line('admin', 'acme', 'vault', '*', 'deny'),
    { ptype: 'g', values: ['owner', 'admin', '*'] },
  ];
  const role = (
    roleId: string,
    parentRoles: readonly string[],
    ...permissions: TenantRole['permissions']
  ): TenantRole => ({
    tenantId: acme,
    roleId,
    name: roleId,
    parentRoles,
    permissions,
    version: 1,
  });
  const over = async (...roles: readonly TenantRole[]): Promise<Casbin> =>
    casbin({ model: rbacModel, lines: [...base, ...tenantRoleLines(roles, { lines: base }).lines], sharedDomain: '*' });

  it('narrow what their parents give, and never widen it', async () => {
    const pdp = await over(
      role('reader', ['member'], { resource: '*', action: 'read' }, { resource: 'ticket', action: 'read' }),
      role('curator', ['owner'], { resource: 'document', action: '*' }, { resource: 'vault', action: 'open' }),
      role('lost', ['nobody'], { resource: '*', action: '*' }),
      role('below', ['reader'], { resource: 'document', action: '*' }),
    );
    expect(await allows(pdp, ['reader'], 'document', 'read')).toBe(true);
    expect(await allows(pdp, ['reader'], 'document', 'write')).toBe(false);
    expect(await allows(pdp, ['reader'], 'ticket', 'read')).toBe(false);
    expect(await allows(pdp, ['curator'], 'document', 'erase')).toBe(true);
    expect(await allows(pdp, ['curator'], 'ticket', 'erase')).toBe(false);
    expect(await allows(pdp, ['curator'], 'vault', 'open')).toBe(false);
    expect(await allows(pdp, ['lost'], 'document', 'read')).toBe(false);
    expect(await allows(pdp, ['below'], 'document', 'read')).toBe(true);
    expect(await allows(pdp, ['below'], 'document', 'write')).toBe(false);
    // A role is a role in its own tenant.
    expect(await allows(pdp, ['curator'], 'document', 'erase', tenantId('globex'))).toBe(false);
  });

  const all = { resource: '*', action: '*' };
  const elsewhere = (one: TenantRole): TenantRole => ({ ...one, tenantId: tenantId('evil') });

  it('are never made from lines that the base has for another tenant', () => {
    const lines = [
      ...base,
      line('member', 'evil', 'vault', 'open', 'allow'),
      line('evil_only', 'evil', '*', '*', 'allow'),
    ];
    const made = tenantRoleLines([role('a', ['member', 'evil_only'], all), elsewhere(role('b', ['member'], all))], {
      lines,
    });
    expect(made.lines.map(({ values }) => values.join())).toEqual([
      'a,acme,document,read,allow',
      'a,acme,document,write,allow',
      'b,evil,document,read,allow',
      'b,evil,document,write,allow',
      'b,evil,vault,open,allow',
    ]);
    // Also of a tenant that has no lines of its own.
    const third = { ...role('c', ['member', 'evil_only'], all), tenantId: tenantId('third') };
    expect(tenantRoleLines([third], { lines }).lines.map(({ values }) => values.slice(2).join())).toEqual([
      'document,read,allow',
      'document,write,allow',
    ]);
  });

  it.each([
    [{ resource: 'doc"', action: 'read' }],
    [{ resource: 'document ', action: 'read' }],
    [{ resource: 'a #b', action: 'read' }],
    [{ resource: 'zero\u200bwidth', action: 'x' }],
    [{ resource: 'document', action: '' }],
    [{ resource: 'document', action: 'read', conditions: { status: 'open' } }],
  ])('do not stop another tenant’s revocation: %j', async (bad) => {
    let roles: readonly TenantRole[] = [role('reviewer', ['member'], { resource: 'document', action: 'read' })];
    const pdp = await casbin({
      model: rbacModel,
      sharedDomain: '*',
      adapter: {
        loadPolicy(loaded) {
          for (const { values } of [...base.slice(0, 4), ...tenantRoleLines(roles, { lines: base }).lines])
            loaded.model
              .get('p')
              ?.get('p')
              ?.policy.push([...values]);
          return Promise.resolve();
        },
      },
    });
    expect(await allows(pdp, ['reviewer'], 'document', 'read')).toBe(true);
    const hostile = elsewhere(role('x', ['admin'], bad, { resource: 'note', action: 'read' }));
    roles = [hostile, role('reviewer', ['member'])];
    await pdp.reload();
    expect(await allows(pdp, ['reviewer'], 'document', 'read')).toBe(false);
    const { refused } = tenantRoleLines(roles, { lines: base });
    expect(refused).toMatchObject([{ tenantId: 'evil', roleId: 'x', error: { code: 'role_invalid' } }]);
    // What can be said is; a role with a condition gives nothing at all.
    expect(await allows(pdp, ['x'], 'note', 'read', tenantId('evil'))).toBe(!('conditions' in bad));
  });

  it('are denied everything where not even their denials can be told, and nobody else is', () => {
    const denied = (roles: readonly TenantRole[], lines = base): readonly string[] => {
      const made = tenantRoleLines([...roles, elsewhere(role('fine', ['member'], all))], { lines });
      expect(made.lines.filter(({ values }) => values[0] === 'fine')).toHaveLength(2);
      expect(new Set(made.refused.map(({ tenantId }) => tenantId))).toEqual(new Set(['acme']));
      return made.lines.filter(({ values }) => values[1] === 'acme').map(({ values }) => values.join());
    };
    const nothing = (name: string): string => `${name},acme,*,*,deny`;
    expect(denied([role('a', ['b'], all), role('b', ['a'], all)])).toEqual([nothing('a'), nothing('b')]);
    expect(denied([role('a', ['member'], all), role('a', ['admin'], all)])).toEqual([nothing('a')]);
    expect(denied([role('a', ['member'], all)], [...base, line('a', 'acme', 'x', 'y', 'allow')])).toEqual([
      nothing('a'),
    ]);
    expect(denied([role('a', ['member'], all)], [...base, { ptype: 'g', values: ['member', 'a', 'acme'] }])).toEqual([
      nothing('a'),
    ]);
    const chain = Array.from({ length: 20_000 }, (_, at) => role(`r${String(at)}`, [`r${String(at + 1)}`], all));
    expect(denied(chain).every((values) => values.endsWith(',acme,*,*,deny'))).toBe(true);
    // These names have rights of the base or of nobody, and lines for them would change those.
    for (const name of ['admin', 'owner', 'readonly', 'none', '*', 'a"', ' ', ''])
      expect(denied([role(name, ['member'], all)])).toEqual([]);
    expect(denied([role('a', ['admin'], { ...all, conditions: { status: 'open' } })])).toEqual(['a,acme,vault,*,deny']);
  });

  it('have no more lines than there is room for, and keep the denials', () => {
    const many = (prefix: string, of: (name: string) => TenantRole['permissions'][number]) =>
      Array.from({ length: 400 }, (_, at) => of(`${prefix}${String(at)}`));
    const a = role('a', ['admin'], ...many('a', (action) => ({ resource: '*', action })));
    const b = role('b', ['a'], ...many('r', (resource) => ({ resource, action: '*' })));
    const made = tenantRoleLines([a, b], { lines: base });
    expect(made.lines.filter(({ values }) => values[0] === 'a')).toHaveLength(401);
    expect(made.lines.filter(({ values }) => values[0] === 'b').map(({ values }) => values.join())).toEqual([
      'b,acme,vault,*,deny',
    ]);
    expect(made.refused.map(({ roleId }) => roleId)).toEqual(['b']);
    const small = tenantRoleLines([a, role('c', ['admin'], all), elsewhere(role('c', ['member'], all))], {
      lines: base,
      maxLinesPerTenant: 401,
    });
    expect(small.lines.slice(401).map(({ values }) => values.join())).toEqual([
      'c,acme,*,*,deny',
      'c,evil,document,read,allow',
      'c,evil,document,write,allow',
    ]);
    expect(small.refused.map(({ roleId }) => roleId)).toEqual(['c']);
    for (const maxLinesPerTenant of [0, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => tenantRoleLines([], { lines: base, maxLinesPerTenant })).toThrow(TypeError);
  });

  it('are not told when that takes too long, and keep the denials', () => {
    const wide = Array.from({ length: 400 }, (_, at) => line('admin', '*', `o${String(at)}`, 'read', 'allow'));
    const nothing = ['a', 'b', 'c'].map((action) => ({ resource: 'nothing', action }));
    const made = tenantRoleLines([role('a', ['admin'], ...nothing)], {
      lines: [...wide, line('admin', '*', 'vault', '*', 'deny')],
      maxLinesPerTenant: 1,
    });
    expect(made.lines.map(({ values }) => values.join())).toEqual(['a,acme,vault,*,deny']);
    expect(made.refused).toMatchObject([{ roleId: 'a', error: { code: 'role_invalid' } }]);
  });

  it('may be many, and each is looked at once', () => {
    const open = { ...all, conditions: { status: 'open' } };
    const many = Array.from({ length: 150 }, (_, at) => role(`r${String(at)}`, ['a'], all));
    const { refused } = tenantRoleLines([role('a', ['member'], open), ...many], { lines: base });
    expect(refused.map(({ roleId }) => roleId)).toEqual(['a']);
  });

  it('are none of what is no tenant, whose lines would be every tenant’s, and have names of a bounded length', () => {
    const everywhere = { ...role('x', ['member'], all), tenantId: '*' } as unknown as TenantRole;
    const named = (length: number): TenantRole => role('x'.repeat(length), ['member'], all);
    expect(tenantRoleLines([everywhere, named(101)], { lines: base })).toMatchObject({
      lines: [],
      refused: [{ tenantId: '*' }, { tenantId: 'acme' }],
    });
    expect(tenantRoleLines([named(100)], { lines: base }).refused).toEqual([]);
  });

  it('are refused over a base that nothing can narrow', () => {
    const refused = (lines: readonly PolicyLine[]) =>
      expect(() => tenantRoleLines([role('a', ['member'], all)], { lines })).toThrow(
        expect.objectContaining({ code: 'role_invalid' }) as Error,
      );
    // A line for everybody would be one for this role, too.
    refused([...base, line('*', '*', 'x', 'y', 'allow')]);
    refused([line('member', '*', 'x', 'y')]);
    const { lines } = tenantRoleLines([role('a', ['member'], { ...all, conditions: {} })], {
      lines: [...base, line('*', '*', 'vault', '*', 'deny')],
    });
    expect(lines.map(({ values }) => values.slice(2).join())).toEqual([
      'vault,*,deny',
      'document,read,allow',
      'document,write,allow',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type TenantRole } from '@portcullis/core';
import { isReservedRole } from './reserved.js';
import { parseRole, requireSoundRoles, roleSchema } from './role.js';

const acme = tenantId('acme');
const reviewer = {
  tenantId: acme,
  roleId: 'reviewer',
  name: 'Reviewer',
  parentRoles: ['member'],
  permissions: [{ resource: 'document', action: 'read' }],
  version: 1,
};
const role = (more: object): TenantRole => parseRole({ ...reviewer, ...more });

function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code !== 'role_invalid') throw error;
    return String(error.data['field']);
  }
}

const when = (conditions: unknown): object => ({
  permissions: [{ resource: 'document', action: 'read', conditions }],
});

describe('a role of a tenant’s own', () => {
  it.each<readonly [string, object, string]>([
    ['the id of a built-in role', { roleId: 'owner' }, 'roleId'],
    ['a built-in role in another case', { roleId: 'Admin' }, 'roleId'],
    ['the role of those who have none', { roleId: 'none' }, 'roleId'],
    ['an operator’s role', { roleId: 'operator_admin' }, 'roleId'],
    ['an operator’s role with a dash', { roleId: 'support-operator' }, 'roleId'],
    ['an id that would be a test suite', { roleId: 'x-test' }, 'roleId'],
    ['an id with a path', { roleId: '../x' }, 'roleId'],
    ['an id of the engine’s patterns', { roleId: '*' }, 'roleId'],
    ['an empty id', { roleId: '' }, 'roleId'],
    ['a name with a line end', { name: 'a\nrolePolicy:' }, 'name'],
    ['half a character', { name: 'a\uD800' }, 'name'],
    ['a tenant that is none', { tenantId: 'a/b' }, 'tenantId'],
    ['no parent', { parentRoles: [] }, 'parentRoles'],
    ['two parents of its own', { parentRoles: ['one', 'two'] }, 'parentRoles'],
    ['a parent of its own and a built-in one', { parentRoles: ['one', 'member'] }, 'parentRoles'],
    ['a pattern of kinds', { permissions: [{ resource: 'doc*', action: 'read' }] }, 'permissions.0.resource'],
    ['a set of actions', { permissions: [{ resource: 'document', action: '{read,update}' }] }, 'permissions.0.action'],
    ['a negated action', { permissions: [{ resource: 'document', action: '!read' }] }, 'permissions.0.action'],
    ['an attribute that is an expression', when({ 'x || true': 1 }), 'permissions.0.conditions.x || true'],
    ['an attribute that is a word of CEL', when({ in: 1 }), 'permissions.0.conditions.in'],
    ['an empty set of conditions', when({}), 'permissions.0.conditions'],
    ['conditions that are a list', when([]), 'permissions.0.conditions'],
    ['two operators', when({ amount: { gt: 1, lt: 5 } }), 'permissions.0.conditions.amount'],
    ['an operator that is none', when({ amount: { matches: '.*' } }), 'permissions.0.conditions.amount'],
    ['a list without `in`', when({ amount: [1] }), 'permissions.0.conditions.amount'],
    ['an empty `in`', when({ amount: { in: [] } }), 'permissions.0.conditions.amount'],
    ['a list of lists', when({ amount: { in: [[1]] } }), 'permissions.0.conditions.amount'],
    ['an order of booleans', when({ amount: { gt: true } }), 'permissions.0.conditions.amount'],
    ['no number', when({ amount: Number.NaN }), 'permissions.0.conditions.amount'],
    ['too long a text', when({ author: 'x'.repeat(501) }), 'permissions.0.conditions.author'],
    [
      'a condition that the engine cannot read for its length',
      when({ author: { in: Array.from({ length: 100 }, () => '"'.repeat(500)) } }),
      'permissions.0.conditions.author',
    ],
    ['a member that there is none of', { scopePermissions: 'x' }, ''],
  ])('is refused with %s', (_name, more, field) => {
    expect(refusal(() => role(more))).toBe(field);
  });

  it('keeps a condition whose name a parser would drop: it is refused, and never left out', () => {
    const conditions: unknown = JSON.parse('{"__proto__": {"eq": "x"}}');
    expect(refusal(() => role(when(conditions)))).toBe('permissions.0.conditions.__proto__');
  });

  const read = { resource: 'document', action: 'read' };
  const conditions = { classification: 'public' };
  it.each<readonly [string, readonly object[]]>([
    ['the same twice', [read, read]],
    ['with conditions and without', [read, { ...read, conditions }]],
    ['a kind, and some of every kind', [read, { resource: '*', action: 'read', conditions }]],
    [
      'an action, and some of every action',
      [
        { ...read, conditions },
        { resource: 'document', action: '*' },
      ],
    ],
    [
      'conditions on every kind and on one, which the engine mixes up',
      [
        { ...read, conditions },
        { resource: '*', action: 'list', conditions: { author: 'x' } },
      ],
    ],
  ])('is refused with permissions that are more to us than to the engine: %s', (_name, permissions) => {
    expect(refusal(() => role({ permissions }))).toMatch(/^permissions\.\d$/);
    expect(refusal(() => role({ permissions: permissions.toReversed() }))).toMatch(/^permissions\.\d$/);
  });

  it('is refused by the schema of stores as well where its name is reserved', () => {
    expect(roleSchema.safeParse({ ...reviewer, roleId: 'operator_admin' }).success).toBe(false);
    expect(roleSchema.safeParse(reviewer).success).toBe(true);
  });

  it('has one form', () => {
    const found = role({
      parentRoles: ['member', 'member'],
      permissions: [
        { ...read, conditions: { classification: { eq: 'public' } } },
        { resource: 'ticket', action: 'close' },
        { ...read, conditions: { amount: -0, author: { ne: null } } },
      ],
    });
    expect(found.parentRoles).toEqual(['member']);
    expect(found.permissions).toEqual([
      { ...read, conditions: { classification: 'public' } },
      { ...read, conditions: { amount: 0, author: { ne: null } } },
      { resource: 'ticket', action: 'close' },
    ]);
    expect(parseRole(found)).toEqual(found);
  });

  it('cannot have a name that the platform’s own policies give', () => {
    expect(refusal(() => parseRole(reviewer, { reserved: ['Reviewer'] }))).toBe('roleId');
    expect(isReservedRole('re-viewer', ['re_viewer'])).toBe(true);
  });
});

describe('the roles of a tenant', () => {
  it.each<readonly [string, readonly TenantRole[]]>([
    ['two that the engine takes for one', [role({ roleId: 'doc-reader' }), role({ roleId: 'doc_reader' })]],
    ['two that a file system takes for one', [role({ roleId: 'reader' }), role({ roleId: 'Reader' })]],
    ['a parent that is not there', [role({ parentRoles: ['ghost'] })]],
    ['one that builds on itself', [role({ parentRoles: ['reviewer'] })]],
    ['a circle', [role({ parentRoles: ['b'] }), role({ roleId: 'b', parentRoles: ['reviewer'] })]],
    [
      'too long a chain',
      Array.from({ length: 11 }, (_one, at) =>
        role({ roleId: `r${String(at)}`, parentRoles: [at === 0 ? 'member' : `r${String(at - 1)}`] }),
      ),
    ],
    ['too many', Array.from({ length: 201 }, (_one, at) => role({ roleId: `r${String(at)}` }))],
  ])('are refused with %s', (_name, roles) => {
    expect(refusal(() => requireSoundRoles(roles))).not.toBe('accepted');
  });

  it('are refused with a circle for what it is', () => {
    expect(() => requireSoundRoles([role({ parentRoles: ['reviewer'] })])).toThrow('would build on itself');
  });

  it('are accepted with a chain of ten', () => {
    const chain = Array.from({ length: 10 }, (_one, at) =>
      role({ roleId: `r${String(at)}`, parentRoles: [at === 0 ? 'member' : `r${String(at - 1)}`] }),
    );
    requireSoundRoles(chain.toReversed());
  });
});

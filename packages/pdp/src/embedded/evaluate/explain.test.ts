import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tenantId, type Attributes, type CheckRequest } from '@portcullis/core';
import { embedded } from '../embedded.js';
import type { Explanation } from './explain.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-explain-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const head = { apiVersion: 'api.cerbos.dev/v1' };
const write = (name: string, policy: object): void => {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ ...head, ...policy }));
};
const rule = (effect: 'ALLOW' | 'DENY', roles: readonly string[], more: object = {}): object => ({
  actions: ['read'],
  effect: `EFFECT_${effect}`,
  roles,
  ...more,
});
const when = (...expressions: readonly string[]): object => ({
  condition: { match: { all: { of: expressions.map((expr) => ({ expr })) } } },
});
const note = (rules: readonly object[], more: object = {}): void => {
  write(`note${String(JSON.stringify(more).length)}`, {
    resourcePolicy: { resource: 'note', version: 'default', ...more, rules },
  });
};

async function explained({
  attr = {},
  roles = ['member'],
  scope = '',
  kind = 'note',
}: {
  readonly attr?: Attributes;
  readonly roles?: readonly string[];
  readonly scope?: string;
  readonly kind?: string;
} = {}): Promise<Explanation> {
  const pdp = await embedded({ policies: folder, pollMs: 0 });
  const request: CheckRequest = {
    principal: { id: 'p', roles, attr: {} },
    scope,
    questions: [{ resource: { kind, id: '1', tenant: tenantId('t'), attr }, actions: ['read'] }],
  };
  const [[explanation] = []] = await pdp.explain(request);
  const [[decision] = []] = await pdp.check(request);
  const { effect, policy } = decision!;
  expect(explanation!.decision).toMatchObject({ effect, policy, scope: decision!.scope });
  await pdp.close();
  return explanation!;
}
const outcomes = ({ rules }: Explanation) => rules.map(({ rule: name, outcome }) => [name.split('#')[1], outcome]);

describe('an explanation', () => {
  it('names the rule that allows, and why each other one did not', async () => {
    note([
      rule('ALLOW', ['admin'], { name: 'admins' }),
      rule('ALLOW', ['member'], { name: 'open', ...when('R.attr.open') }),
      rule('ALLOW', ['member'], { name: 'own', ...when('R.attr.owner == P.id') }),
      rule('ALLOW', ['guest'], { name: 'guests' }),
    ]);
    const explanation = await explained({ attr: { owner: 'p' }, roles: ['member', 'guest'] });
    expect(explanation.reason).toBe('`resource.note.vdefault#own` allows it');
    expect(explanation.decidedBy).toBe('resource.note.vdefault#own');
    expect(outcomes(explanation)).toEqual([
      ['open', 'condition_not_met'],
      ['own', 'decided'],
      ['admins', 'role_not_held'],
      ['guests', 'not_reached'],
    ]);
    expect(explanation.rules[0]?.condition).toEqual({
      text: 'all',
      result: 'false',
      of: [{ text: 'R.attr.open', result: 'error', of: [] }],
    });
  });

  it('shows each part of a condition: true, false, an error, no boolean', async () => {
    note([rule('ALLOW', ['member'], when('1 == 1', 'R.attr.n == 2', 'R.attr.missing.x', 'R.attr.s'))]);
    const { reason, decidedBy, rules } = await explained({ attr: { n: 1, s: 'true' } });
    expect([reason, decidedBy]).toEqual(['no rule allows it', undefined]);
    expect(rules[0]?.condition?.of.map(({ result }) => result)).toEqual(['true', 'false', 'error', 'not_a_boolean']);
  });

  it('names the rule that denies, though another one allows', async () => {
    note([
      rule('ALLOW', ['member'], { name: 'all' }),
      rule('DENY', ['*'], { name: 'locked', ...when('R.attr.locked') }),
    ]);
    const explanation = await explained({ attr: { locked: true } });
    expect(explanation.reason).toBe('`resource.note.vdefault#locked` denies it');
    expect(outcomes(explanation)).toEqual([
      ['all', 'met'],
      ['locked', 'decided'],
    ]);
  });

  it('tells of a derived role that the principal does not have', async () => {
    write('derived', {
      derivedRoles: {
        name: 'd',
        definitions: [{ name: 'owner', parentRoles: ['member'], ...when('R.attr.owner == P.id') }],
      },
    });
    note([{ actions: ['read'], effect: 'EFFECT_ALLOW', derivedRoles: ['owner'], ...when('R.attr.open') }], {
      importDerivedRoles: ['d'],
    });
    const [first] = (await explained({ attr: { owner: 'q', open: true } })).rules;
    expect(first).toMatchObject({ outcome: 'derived_role_not_met', condition: undefined });
    expect(first?.derivedRole).toMatchObject({ name: 'owner', condition: { result: 'false' } });
    const [second] = (await explained({ attr: { owner: 'p', open: true } })).rules;
    expect(second).toMatchObject({ outcome: 'decided', derivedRole: { condition: { result: 'true' } } });
  });

  it('tells of a scope that allows, where none above consents', async () => {
    note([rule('ALLOW', ['admin'])]);
    note([rule('ALLOW', ['member'])], {
      scope: 'acme',
      scopePermissions: 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS',
    });
    const explanation = await explained({ scope: 'acme' });
    expect(explanation.scopesWithoutConsent).toEqual(['acme']);
    expect(explanation.reason).toBe('no rule allows it, and what the scope `acme` allows, no scope above it does');
  });

  it('names the role policy that forbids', async () => {
    note([rule('ALLOW', ['editor', 'member'])]);
    write('role', { rolePolicy: { role: 'editor', rules: [{ resource: 'note', allowActions: ['write'] }] } });
    const explanation = await explained({ roles: ['editor'] });
    expect(explanation.decidedBy).toBe('role.editor.vdefault');
    expect(explanation.rolePolicies).toEqual([{ policy: 'role.editor.vdefault', scope: '', forbids: true }]);
    expect((await explained({ roles: ['editor', 'member'] })).decidedBy).toBe('resource.note.vdefault#rule-001');
  });

  it('names the rule of a principal policy', async () => {
    note([rule('ALLOW', ['member'])]);
    write('principal', {
      principalPolicy: {
        principal: 'p',
        version: 'default',
        rules: [{ resource: 'note', actions: [{ action: 'read', effect: 'EFFECT_DENY', name: 'banned' }] }],
      },
    });
    const explanation = await explained();
    expect(explanation.decidedBy).toBe('principal.p.vdefault#banned');
    expect(outcomes(explanation)).toEqual([
      ['banned', 'decided'],
      ['rule-001', 'not_reached'],
    ]);
  });

  it('shows a rule of several roles once', async () => {
    note([
      rule('ALLOW', ['member', 'guest'], { name: 'first' }),
      rule('ALLOW', ['admin', 'helper', 'guest'], { name: 'held' }),
      rule('ALLOW', ['admin', 'helper'], { name: 'not-held' }),
    ]);
    expect(outcomes(await explained({ roles: ['member', 'guest'] }))).toEqual([
      ['first', 'decided'],
      ['held', 'not_reached'],
      ['not-held', 'role_not_held'],
    ]);
  });

  it('tells that there is no policy for the kind', async () => {
    note([rule('ALLOW', ['member'])]);
    expect((await explained({ kind: 'other' })).reason).toBe('no policy is about `other`');
  });

  it('is not given for what cannot be answered', async () => {
    note([rule('ALLOW', ['member'])]);
    await expect(explained({ scope: '../x' })).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('is of the time of its decision', async () => {
    note([rule('ALLOW', ['*'], when('now().getMilliseconds() % 2 == 0'))]);
    let time = 0;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => time++);
    try {
      const pdp = await embedded({ policies: folder, pollMs: 0 });
      const [[explanation] = []] = await pdp.explain({
        principal: { id: 'p', roles: [], attr: {} },
        scope: '',
        questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('acme') }, actions: ['read'] }],
      });
      expect(explanation?.decidedBy !== undefined).toBe(explanation?.decision.effect === 'allow');
      await pdp.close();
    } finally {
      clock.mockRestore();
    }
  });
});

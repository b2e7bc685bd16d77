import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Enforcer, StringAdapter, type Model } from 'casbin';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  evaluatePlan,
  PortcullisError,
  principalOf,
  tenantId,
  type Attributes,
  type CheckRequest,
  type PolicyDecisionPoint,
  type Principal,
} from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { casbin, rbacModel, type PolicyEvent, type PolicyLine } from './index.js';
import type { PolicySet } from './policy-set.js';
import { reloading } from './reload.js';
import { model } from './test-model.js';

const acme = tenantId('acme');
const globex = tenantId('globex');

/** Lines as in a CSV file. */
function lines(...texts: readonly string[]): readonly PolicyLine[] {
  return texts.map((text) => {
    const [ptype = '', ...values] = text.split(', ');
    return { ptype, values };
  });
}

const member: Principal = principalOf(contextFor({ tenant: 'acme', subject: 'alice', memberRoles: ['member'] }));

interface Question {
  readonly principal?: Principal;
  readonly roles?: readonly string[];
  readonly id?: string;
  readonly scope?: string;
  readonly tenant?: typeof acme;
  readonly kind?: string;
  readonly resourceId?: string;
  readonly action?: string;
  readonly attr?: CheckRequest['questions'][number]['resource']['attr'];
}

function requestOf(question: Question): CheckRequest {
  const { principal = member, tenant = acme, kind = 'document', resourceId = '1', action = 'read', attr } = question;
  const { roles = principal.roles, id = principal.id, scope = 'acme' } = question;
  return {
    principal: { ...principal, roles, id },
    scope,
    questions: [{ resource: { kind, id: resourceId, tenant, attr }, actions: [action] }],
  };
}

async function effect(pdp: PolicyDecisionPoint, question: Question = {}): Promise<string> {
  const [[decision] = []] = await pdp.check(requestOf(question));
  return decision?.effect ?? 'none';
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'casbin-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

describe('casbin behind the port', () => {
  it('decides by roles in the tenant, and names the line', async () => {
    const pdp = await casbin({
      model: model(),
      lines: lines('p, member, acme, document, read', 'g, senior, member, acme', 'p, admin, acme, document, write'),
    });
    const [[decision] = []] = await pdp.check(requestOf({}));
    expect(decision).toMatchObject({
      effect: 'allow',
      policy: 'p, member, acme, document, read',
      scope: 'acme',
      engine: 'casbin',
    });
    expect(await effect(pdp, { action: 'write' })).toBe('deny');
    expect(await effect(pdp, { roles: ['senior'] })).toBe('allow');
    expect(await effect(pdp, { roles: ['member', 'admin'], action: 'write' })).toBe('allow');
    expect(await effect(pdp, { kind: 'ticket' })).toBe('deny');
  });

  it('denies whatever the lines say where the resource is another tenant’s', async () => {
    const open = model({ m: 'g(r.sub, p.sub, r.dom) && (r.obj == p.obj) && (r.act == p.act)' });
    const pdp = await casbin({
      model: open,
      sharedDomain: '*',
      lines: lines('p, member, globex, document, read', 'p, member, *, ticket, read', 'p, member, acme, note, read'),
    });
    expect(await effect(pdp, { tenant: globex })).toBe('deny');
    expect(await effect(pdp, { tenant: globex, kind: 'ticket' })).toBe('deny');
    // Lines of another tenant are not there at all, although this matcher never looks at the domain.
    expect(await effect(pdp)).toBe('deny');
    expect(await effect(pdp, { kind: 'note' })).toBe('allow');
    expect(await effect(pdp, { kind: 'ticket' })).toBe('allow');
    // Scope and resource agree, and the principal was made for another tenant.
    expect(await effect(pdp, { scope: 'globex', tenant: globex, kind: 'ticket' })).toBe('deny');
    const [[why] = []] = pdp.explain(requestOf({ tenant: globex }));
    expect(why?.reason).toBe('the resource is another tenant’s');
  });

  it('denies another tenant’s resource to a principal that says nothing of its tenant', async () => {
    const pdp = await casbin({
      model: rbacModel,
      lines: lines('p, *, globex, *, *, allow', 'p, *, acme, *, *, allow'),
    });
    const principal: Principal = { id: 'test#alice', roles: ['member'], attr: {} };
    expect(await effect(pdp, { principal })).toBe('allow');
    expect(await effect(pdp, { principal, tenant: globex })).toBe('deny');
    expect(await effect(pdp, { principal, scope: 'globex' })).toBe('deny');
  });

  it('denies where there is no line, also what a matcher allows without one', async () => {
    const m = 'r.sub == "root" || (r.sub == p.sub && r.obj == p.obj && r.act == p.act)';
    const pdp = await casbin({
      model: model({ m }),
      subject: 'id',
      lines: lines('p, test#alice, acme, document, read'),
    });
    expect(await effect(pdp, { id: 'root' })).toBe('allow');
    const there = principalOf(contextFor({ tenant: 'globex', subject: 'root' }));
    expect(await effect(pdp, { principal: there, id: 'root', scope: 'globex', tenant: globex })).toBe('deny');
  });

  it('keeps roles in their tenant', async () => {
    const pdp = await casbin({
      model: model(),
      lines: lines('g, member, admin, globex', 'p, admin, acme, document, read', 'p, admin, globex, document, read'),
    });
    expect(await effect(pdp)).toBe('deny');
    const gina = principalOf(contextFor({ tenant: 'globex', subject: 'gina', memberRoles: ['member'] }));
    expect(await effect(pdp, { principal: gina, scope: 'globex', tenant: globex })).toBe('allow');
  });

  it('has lines for every tenant only where a shared domain is set', async () => {
    const shared = lines('p, member, *, document, read', 'g, senior, member, *', 'g, boss, senior, acme');
    const pdp = await casbin({ model: model(), lines: shared, sharedDomain: '*' });
    expect(await effect(pdp, { roles: ['boss'] })).toBe('allow');
    const gina = principalOf(contextFor({ tenant: 'globex', subject: 'gina', memberRoles: ['senior'] }));
    const there = { principal: gina, scope: 'globex', tenant: globex };
    expect(await effect(pdp, there)).toBe('allow');
    expect(await effect(pdp, { ...there, roles: ['boss'] })).toBe('deny');
    await expect(casbin({ model: model(), lines: shared })).rejects.toMatchObject({ code: 'policies_invalid' });
  });

  it('lets a line `deny` for one role win over another role, or asks roles apart', async () => {
    const options = {
      model: rbacModel,
      lines: lines('p, member, acme, document, *, allow', 'p, suspended, acme, *, read, deny'),
    };
    const roles = ['member', 'suspended'];
    expect(await effect(await casbin(options), { roles })).toBe('deny');
    expect(await effect(await casbin(options), { roles: ['member'] })).toBe('allow');
    expect(await effect(await casbin({ ...options, roles: 'apart' }), { roles })).toBe('allow');
    expect(await effect(await casbin({ ...options, roles: 'apart' }), { roles: ['suspended'] })).toBe('deny');
  });

  it('names the line that denies', async () => {
    const pdp = await casbin({
      model: rbacModel,
      lines: lines('p, *, acme, *, *, allow', 'p, member, acme, *, read, deny'),
    });
    const [[decision] = []] = await pdp.check(requestOf({}));
    expect(decision).toMatchObject({ effect: 'deny', policy: 'p, member, acme, *, read, deny' });
  });

  it('goes by priority, in the order of the numbers and then of the lines', async () => {
    const byPriority = model({
      p: 'sub, dom, obj, act, eft, priority',
      e: 'priority(p.eft) || deny',
      m: 'g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act',
    });
    const pdp = await casbin({
      model: byPriority,
      sharedDomain: '*',
      lines: lines(
        'p, member, acme, document, read, allow, 10',
        'p, member, acme, document, read, deny, 9',
        'p, member, *, ticket, read, deny, 2',
        'p, member, acme, ticket, read, allow, 2',
        'p, member, acme, note, read, allow, 1',
        'p, member, *, note, read, deny, 1',
      ),
    });
    expect(await effect(pdp)).toBe('deny');
    expect(await effect(pdp, { kind: 'ticket' })).toBe('deny');
    expect(await effect(pdp, { kind: 'note' })).toBe('allow');
  });

  it('takes a principal by its id, and its roles from lines `g` alone', async () => {
    const pdp = await casbin({
      model: model({ m: '(r.sub == p.sub || g(r.sub, p.sub, r.dom)) && r.obj == p.obj && r.act == p.act' }),
      subject: 'id',
      lines: lines('g, test#alice, admin, acme', 'p, admin, acme, document, read', 'p, test#bob, acme, document, read'),
    });
    expect(await effect(pdp, { id: 'test#alice', roles: [] })).toBe('allow');
    expect(await effect(pdp, { id: 'test#bob', roles: [] })).toBe('allow');
    expect(await effect(pdp, { id: 'test#carol', roles: ['admin'] })).toBe('deny');
    // Somebody who is called as a role is.
    await expect(effect(pdp, { id: 'admin', roles: [] })).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: 'the principal’s id is the name of a role',
    });
  });

  it('keeps ids and roles apart where both are asked', async () => {
    const pdp = await casbin({
      model: model(),
      subject: 'roles_and_id',
      lines: lines('p, admin, acme, document, read', 'p, user:test#bob, acme, document, read'),
    });
    expect(await effect(pdp, { id: 'admin', roles: [] })).toBe('deny');
    expect(await effect(pdp, { id: 'test#bob', roles: [] })).toBe('allow');
    expect(await effect(pdp, { id: 'test#x', roles: ['admin'] })).toBe('allow');
    await expect(effect(pdp, { roles: ['user:test#bob'] })).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('takes a kind, or a kind and an id, for the object, and never one for the other', async () => {
    const policies = lines('p, member, acme, document:1, read', 'p, member, acme, a:b:c, read');
    const byKind = await casbin({ model: model(), lines: policies });
    expect(await effect(byKind)).toBe('deny');
    expect(await effect(byKind, { kind: 'document:1' })).toBe('allow');
    const byId = await casbin({ model: model(), lines: policies, object: 'kind:id' });
    expect(await effect(byId)).toBe('allow');
    expect(await effect(byId, { resourceId: '2' })).toBe('deny');
    expect(await effect(byId, { kind: 'a', resourceId: 'b:c' })).toBe('allow');
    await expect(effect(byId, { kind: 'a:b', resourceId: 'c' })).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('follows roles as far as they go, where casbin stops after ten without a word', async () => {
    const chain = Array.from({ length: 30 }, (_, at) => `g, r${String(at)}, r${String(at + 1)}, acme`);
    const pdp = await casbin({ model: model(), lines: lines(...chain, 'p, r30, acme, document, read') });
    expect(await effect(pdp, { roles: ['r0'] })).toBe('allow');
    expect(await effect(pdp, { roles: ['r31'] })).toBe('deny');
  });

  it('takes names of objects’ members for names', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
    const pdp = await casbin({ model: rbacModel, lines: lines('p, member, acme, document, read, allow') });
    for (const name of names) {
      expect(await effect(pdp, { roles: [name] })).toBe('deny');
      expect(await effect(pdp, { kind: name, action: name })).toBe('deny');
    }
    const named = await casbin({
      model: rbacModel,
      lines: lines(...names.map((name) => `p, ${name}, acme, ${name}, ${name}, allow`), 'g, member, __proto__, acme'),
    });
    for (const name of names) expect(await effect(named, { roles: [name], kind: name, action: name })).toBe('allow');
    expect(await effect(named, { kind: '__proto__', action: '__proto__' })).toBe('allow');
    expect(await effect(named, { kind: 'toString', action: 'toString' })).toBe('deny');
  });

  it('gives a principal without roles the role `none`', async () => {
    const pdp = await casbin({
      model: rbacModel,
      lines: lines('p, *, acme, document, read, allow', 'p, none, acme, note, read, allow'),
    });
    expect(await effect(pdp, { roles: [] })).toBe('allow');
    expect(await effect(pdp, { roles: [], kind: 'note' })).toBe('allow');
    expect(await effect(pdp, { kind: 'note' })).toBe('deny');
  });

  it('refuses a malformed question, and one for a policy version', async () => {
    const pdp = await casbin({ model: rbacModel, lines: lines('p, *, acme, *, *, allow') });
    const malformed: readonly Question[] = [
      { id: '' },
      { roles: [''] },
      { roles: ['\u0001subject'] },
      { scope: '' },
      { scope: '*', tenant: '*' as typeof acme },
      { kind: '' },
      { resourceId: '' },
      { action: '' },
      { action: 'read\n' },
    ];
    for (const question of malformed)
      await expect(effect(pdp, question)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await expect(pdp.check({ ...requestOf({}), policyVersion: 'v2' })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
    const twice = requestOf({}).questions.map(({ resource }) => ({ resource, actions: ['read', 'read'] }));
    await expect(pdp.check({ ...requestOf({}), questions: twice })).rejects.toBeInstanceOf(TypeError);
  });

  it('has no answer for a request that lacks a part, or has half a character in it', async () => {
    const pdp = await casbin({ model: rbacModel, lines: lines('p, *, acme, *, *, allow') });
    const unavailable = { code: 'pdp_unavailable' };
    const { principal } = requestOf({});
    const broken: readonly object[] = [
      { principal: undefined },
      { principal: { id: principal.id, attr: {} } },
      { principal: { ...principal, attr: undefined } },
      { questions: undefined },
      { questions: [{}] },
      { questions: [{ resource: null, actions: ['read'] }] },
    ];
    for (const parts of broken)
      await expect(pdp.check({ ...requestOf({}), ...parts })).rejects.toMatchObject(unavailable);
    for (const question of [{ id: 'a\ud800' }, { roles: ['a\ud800'] }, { kind: '\udc00' }, { action: '\ud800' }])
      await expect(effect(pdp, question)).rejects.toMatchObject(unavailable);
    const planned = { principal: { id: 'a', attr: {} }, scope: 'acme', kind: 'document', action: 'read', tenant: acme };
    await expect(pdp.plan(planned as unknown as Parameters<typeof pdp.plan>[0])).rejects.toMatchObject(unavailable);
  });

  it.each(['r.obj == "document"', 'r.obj == r.obj', '"document" == r.obj'])(
    'heeds lines of all objects where the matcher says %s beside a pattern',
    async (named) => {
      const m = `g(r.sub, p.sub, r.dom) && ${named} && keyMatch(r.obj, p.obj) && r.act == p.act`;
      const wide = await casbin({ model: model({ m }), lines: lines('p, member, acme, doc*, read') });
      expect(await effect(wide)).toBe('allow');
    },
  );

  it('names the revision of the lines that decided', async () => {
    const pdp = await casbin({ model: rbacModel, lines: lines('p, *, acme, *, *, allow') });
    const [[decision] = []] = await pdp.check(requestOf({}));
    expect(decision?.policyRevision).toBe(pdp.revision);
  });

  it('has another revision with another model, of the same matcher too', async () => {
    const revisionOf = async (e: string): Promise<string> =>
      (await casbin({ model: model({ e }), lines: lines('p, member, acme, document, read') })).revision;
    expect(await revisionOf('some(where (p.eft == allow))')).not.toBe(
      await revisionOf('some(where (p.eft == allow)) && !some(where (p.eft == deny))'),
    );
  });

  it('answers nothing once it is closed, or the caller is gone', async () => {
    const pdp = await casbin({ model: rbacModel, lines: lines('p, *, acme, *, *, allow') });
    await expect(pdp.check(requestOf({}), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
    await pdp.close();
    await expect(pdp.check(requestOf({}))).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(() => pdp.explain(requestOf({}))).toThrow(PortcullisError);
    await expect(pdp.reload()).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('has one enforcer for all objects that the same lines are about', async () => {
    const pdp = await casbin({
      model: rbacModel,
      object: 'kind:id',
      lines: lines('p, member, acme, *, read, allow', 'p, member, acme, document:7, read, deny'),
    });
    const made = vi.spyOn(Enforcer.prototype, 'setModel');
    for (let id = 0; id < 20; id++)
      expect(await effect(pdp, { resourceId: String(id) })).toBe(id === 7 ? 'deny' : 'allow');
    expect(made).toHaveBeenCalledTimes(2);
    made.mockRestore();
  });

  it('decides the same with room for one enforcer only', async () => {
    const pdp = await casbin({
      model: model(),
      maxEnforcers: 1,
      lines: lines('p, member, acme, a, read', 'p, member, acme, b, read'),
    });
    for (const [kind, expected] of [
      ['a', 'allow'],
      ['b', 'allow'],
      ['c', 'deny'],
      ['a', 'allow'],
    ] as const)
      expect(await effect(pdp, { kind })).toBe(expected);
  });
});

describe('conditions on attributes', () => {
  const attributed = (condition: string): string =>
    model({
      r: 'sub, dom, obj, act, principal, resource',
      m: `g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act && ${condition}`,
    });
  const one = lines('p, member, acme, document, read');
  const decide = async (condition: string, attr: Question['attr'] = {}, own: Attributes = { team: 'red' }) => {
    const pdp = await casbin({ model: attributed(condition), lines: one });
    return effect(pdp, { principal: { ...member, attr: { ...member.attr, ...own } }, attr });
  };

  it('read the principal and the resource', async () => {
    expect(await decide('r.resource.attr.owner === r.principal.id', { owner: member.id })).toBe('allow');
    expect(await decide('r.resource.attr.owner === r.principal.id', { owner: 'test#bob' })).toBe('deny');
    expect(await decide('(r.resource.attr.state in ["open", "new"])', { state: 'new' })).toBe('allow');
    expect(await decide('(r.principal.attr.team in r.resource.attr.teams)', { teams: ['blue', 'red'] })).toBe('allow');
    expect(await decide('(r.principal.attr.team in r.resource.attr.teams)', { teams: ['blue'] })).toBe('deny');
    expect(await decide('r.resource.tenant === "acme"', { tenant: 'globex' })).toBe('allow');
    expect(await decide('r.resource.attr.tenant === "globex"', { tenant: 'globex' })).toBe('deny');
  });

  it('do not hold where an attribute is missing, inherited, or not of the form that is read', async () => {
    const same = 'r.resource.attr.team === r.principal.attr.team';
    expect(await decide(same, { team: 'red' })).toBe('allow');
    expect(await decide(same, {}, {})).toBe('deny');
    expect(await decide('r.resource.attr.a.id === r.principal.attr.team.id', { a: 'x' }, { team: 'y' })).toBe('deny');
    expect(await decide('r.resource.attr.constructor === r.principal.attr.constructor')).toBe('deny');
    expect(await decide('r.resource.attr.team !== "blue"', {})).toBe('deny');
    expect(await decide('(r.principal.attr.team in r.resource.attr.teams)', { teams: { red: 1 } })).toBe('deny');
    expect(await decide('(r.principal.attr.team in r.resource.attr.teams)', { teams: 'red' })).toBe('deny');
    expect(await decide('r.resource.attr.team === r.principal.attr.team', { team: ['red'] })).toBe('deny');
  });

  it('deny where a later line might, too', async () => {
    const pdp = await casbin({
      model: model({
        r: 'sub, dom, obj, act, principal, resource',
        p: 'sub, dom, obj, act, eft, team',
        e: 'some(where (p.eft == allow)) && !some(where (p.eft == deny))',
        m: 'g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act && (p.team == "any" || r.resource.attr.team === p.team)',
      }),
      lines: lines('p, member, acme, document, read, allow, any', 'p, member, acme, document, read, deny, red'),
    });
    expect(await effect(pdp, { attr: { team: 'blue' } })).toBe('allow');
    expect(await effect(pdp, { attr: { team: 'red' } })).toBe('deny');
    expect(await effect(pdp, { attr: {} })).toBe('deny');
    const [[why] = []] = pdp.explain(requestOf({}));
    expect(why?.reason).toBe('`resource.attr.team` is missing');
  });
});

describe('functions for matchers', () => {
  const calling = (call: string): string =>
    model({
      r: 'sub, dom, obj, act, principal, resource',
      m: `g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act && ${call}`,
    });
  const one = lines('p, member, acme, document, read');

  it('are asked with texts and attributes, which they cannot change', async () => {
    const attr = { tags: ['a'], nested: { b: 1 } };
    const seen: unknown[] = [];
    const pdp = await casbin({
      model: calling('tagged(r.resource.attr.tags, r.resource.attr.nested, p.act)'),
      lines: one,
      functions: {
        tagged(tags, nested, act) {
          seen.push(act, Object.getPrototypeOf(nested));
          (tags as string[]).push('b');
          return true;
        },
      },
    });
    expect(await effect(pdp, { attr })).toBe('allow');
    expect(seen).toEqual(['read', null]);
    expect(attr.tags).toEqual(['a']);
  });

  it.each([
    ['a text', 'yes'],
    ['a number', 1],
    ['a promise', Promise.resolve(true)],
    ['nothing', undefined],
    ['an object', {}],
  ])('that answer with %s are no answer', async (_what, answer) => {
    const pdp = await casbin({
      model: calling('odd(r.act)'),
      lines: one,
      functions: { odd: (() => answer) as unknown as () => boolean },
    });
    await expect(effect(pdp)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('may allow beside the lines, and not by what they do not answer', async () => {
    const beside = (call: string) => ({
      model: calling('true').replace('m = ', `m = ${call} || `).replace(' && true', ''),
      lines: one,
      functions: { special: (action: unknown) => action === 'list' },
    });
    expect(await effect(await casbin(beside('special(r.act)')), { action: 'list' })).toBe('allow');
    await expect(casbin(beside('!special(r.act)'))).rejects.toThrow('allows what no line speaks of');
  });

  it('that throw are no answer, and do not stop the next question', async () => {
    let broken = true;
    const pdp = await casbin({
      model: calling('shaky(r.act)'),
      lines: one,
      functions: {
        shaky() {
          if (broken) throw new Error('away');
          return true;
        },
      },
    });
    await expect(effect(pdp)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    broken = false;
    expect(await effect(pdp)).toBe('allow');
  });

  it('cannot ask the engine that asks them', async () => {
    const m = 'r.obj == p.obj && r.act == p.act && again(r.act) && !g(r.sub, p.sub, r.dom)';
    let ask: () => unknown = () => undefined;
    const pdp = await casbin({
      model: model({ m }),
      lines: lines('p, banned, acme, document, read'),
      functions: {
        again() {
          try {
            ask();
          } catch {
            // The question that is being answered is not touched.
          }
          return true;
        },
      },
    });
    expect(await effect(pdp, { roles: ['banned'] })).toBe('deny');
    let error: unknown;
    ask = () => {
      try {
        return pdp.explain(requestOf({ roles: ['other'] }));
      } catch (thrown) {
        error = thrown;
        throw thrown;
      }
    };
    expect(await effect(pdp, { roles: ['banned'] })).toBe('deny');
    expect(error).toMatchObject({ code: 'pdp_unavailable' });
  });

  it('are not taken under a name that means something else', async () => {
    for (const name of ['keyMatch', 'attribute', 'contains', 'g', 'g2', 'r_sub', 'eval', 'toString', 'a.b', ''])
      await expect(casbin({ model: rbacModel, functions: { [name]: () => true } })).rejects.toMatchObject({
        code: 'config_invalid',
      });
    const later = { later: (async () => Promise.resolve(true)) as unknown as () => boolean };
    await expect(casbin({ model: rbacModel, functions: later })).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('match patterns of lines in time that is linear in the text', async () => {
    const matching = (name: string): string =>
      model({ m: `g(r.sub, p.sub, r.dom) && ${name}(r.obj, p.obj) && r.act == p.act` });
    const kinds = async (name: string, pattern: string, ...all: string[]): Promise<string[]> => {
      const pdp = await casbin({ model: matching(name), lines: lines(`p, member, acme, ${pattern}, read`) });
      return Promise.all(all.map((kind) => effect(pdp, { kind })));
    };
    // Also where casbin asks and not we: its own `keyMatch2` takes `ab` for `a|b`.
    const m = 'g(r.sub, p.sub, r.dom) && r.obj == p.obj && keyMatch2(r.act, p.act)';
    const byAction = await casbin({ model: model({ m }), lines: lines('p, member, acme, document, a|b') });
    expect([await effect(byAction, { action: 'b' }), await effect(byAction, { action: 'ab' })]).toEqual([
      'allow',
      'deny',
    ]);
    expect(await kinds('keyMatch', '/doc/*', '/doc/1', '/docs')).toEqual(['allow', 'deny']);
    expect(await kinds('keyMatch2', '/doc/:id', '/doc/1', '/doc/1/2', '/doc/')).toEqual(['allow', 'deny', 'deny']);
    expect(await kinds('keyMatch2', 'a|b', 'a', 'ab', 'xb')).toEqual(['allow', 'deny', 'deny']);
    expect(await kinds('regexMatch', '^(a+)+$', 'aaa', `${'a'.repeat(60)}!`)).toEqual(['allow', 'deny']);
  });
});

describe('a plan', () => {
  const planned = { principal: member, scope: 'acme', kind: 'document', action: 'read', tenant: acme };

  it('is for all of a kind or none, where the matcher does not read the resource', async () => {
    const pdp = await casbin({ model: rbacModel, lines: lines('p, member, acme, document, read, allow') });
    expect((await pdp.plan(planned)).outcome).toBe('always_allowed');
    expect((await pdp.plan({ ...planned, action: 'write' })).outcome).toBe('always_denied');
    expect((await pdp.plan({ ...planned, tenant: globex })).outcome).toBe('always_denied');
    await expect(pdp.plan({ ...planned, policyVersion: 'v2' })).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await expect(pdp.plan({ ...planned, scope: '' })).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('names the ids that lines name, where they are objects', async () => {
    const plan = async (...texts: readonly string[]) => {
      const pdp = await casbin({ model: rbacModel, lines: lines(...texts), object: 'kind:id', sharedDomain: '*' });
      const answer = await pdp.plan(planned);
      const allowed = (id: string): boolean => {
        if (answer.outcome !== 'conditional') return answer.outcome === 'always_allowed';
        return evaluatePlan(answer.condition, { id, attr: { tenant: 'acme' } }) === true;
      };
      for (const id of ['1', '2', '3', 'a:b', 'x'])
        expect([id, allowed(id)]).toEqual([id, (await effect(pdp, { resourceId: id })) === 'allow']);
      return answer.outcome;
    };
    expect(await plan('p, member, acme, document:1, read, allow', 'p, *, *, document:a:b, read, allow')).toBe(
      'conditional',
    );
    expect(await plan('p, member, acme, *, read, allow', 'p, member, *, document:2, read, deny')).toBe('conditional');
    expect(await plan('p, member, acme, *, read, allow', 'p, admin, acme, document:2, read, deny')).toBe(
      'always_allowed',
    );
    expect(await plan('p, member, acme, ticket:1, read, allow', 'p, member, globex, *, read, allow')).toBe(
      'always_denied',
    );
  });

  it('is refused where the object has roles, or the id is the name of a role', async () => {
    const m = 'g(r.sub, p.sub, r.dom) && g2(r.obj, p.obj, r.dom) && r.act == p.act';
    const grouped = await casbin({
      model: model({ g: 'g = _, _, _\ng2 = _, _, _', m }),
      object: 'kind:id',
      lines: lines('p, member, acme, folder, read', 'g2, document:1, folder, acme'),
    });
    expect(await effect(grouped)).toBe('allow');
    await expect(grouped.plan(planned)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    const byId = await casbin({
      model: model(),
      subject: 'id',
      lines: lines('p, admin, acme, document, read', 'g, test#bob, admin, acme'),
    });
    const asAdmin = { ...planned, principal: { ...member, id: 'admin' } };
    await expect(byId.plan(asAdmin)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('is refused where the resource decides', async () => {
    const all = lines('p, member, acme, document, read');
    const m = 'g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act && r.resource.id === "1"';
    const byResource = await casbin({ model: model({ r: 'sub, dom, obj, act, resource', m }), lines: all });
    await expect(byResource.plan(planned)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    // Those are the same for all rows that are asked about.
    const shared = m.replace('r.resource.id === "1"', 'r.resource.kind === "document" && r.resource.tenant === "acme"');
    const ofAll = await casbin({ model: model({ r: 'sub, dom, obj, act, resource', m: shared }), lines: all });
    expect((await ofAll.plan(planned)).outcome).toBe('always_allowed');
    const pattern = model({ m: 'g(r.sub, p.sub, r.dom) && keyMatch(r.obj, p.obj) && r.act == p.act' });
    const byId = await casbin({ model: pattern, lines: all, object: 'kind:id' });
    await expect(byId.plan(planned)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });
});

describe('policies from elsewhere', () => {
  it('come from CSV and YAML files', async () => {
    const csv = await file('policy.csv', '# roles\np, member , acme, document, read\n\ng, "senior", member, acme\n');
    const yaml = await file(
      'policy.yaml',
      'version: 1\np:\n  - [admin, acme, document, write]\ng:\n  - [boss, admin, acme]\n',
    );
    const conf = await file('model.conf', model());
    const pdp = await casbin({ model: conf, policies: [csv, yaml] });
    expect(await effect(pdp, { roles: ['senior'] })).toBe('allow');
    expect(await effect(pdp, { roles: ['boss'], action: 'write' })).toBe('allow');
    const [[why] = []] = pdp.explain(requestOf({}));
    expect(why?.line).toEqual({ ptype: 'p', values: ['member', 'acme', 'document', 'read'], place: 'policy.csv:2' });
    const [[other] = []] = pdp.explain(requestOf({ roles: ['admin'], action: 'write' }));
    expect(other?.line?.place).toBe('policy.yaml:3');
  });

  it('come from any adapter, and are not changed by it later', async () => {
    let kept: Model | undefined;
    const csv = new StringAdapter('p, member, acme, document, read\ng, senior, member, acme');
    const pdp = await casbin({
      model: model(),
      adapter: {
        loadPolicy(loaded) {
          kept = loaded;
          return csv.loadPolicy(loaded);
        },
      },
    });
    expect(await effect(pdp, { roles: ['senior'] })).toBe('allow');
    kept?.model.get('p')?.get('p')?.policy.push(['member', 'acme', 'document', 'write']);
    expect(await effect(pdp, { action: 'write' })).toBe('deny');
  });

  it('come into a model that an adapter cannot change', async () => {
    const pdp = await casbin({
      model: rbacModel,
      adapter: {
        loadPolicy: (loaded) => {
          loaded.addPolicy('p', 'p', ['member', 'acme', 'document', 'read', 'allow']);
          loaded.addPolicy('p', 'p', ['member', 'acme', 'document', 'read', 'deny']);
          loaded.addDef('e', 'e', 'some(where (p.eft == allow))');
          loaded.addDef('m', 'm', 'true');
          return Promise.resolve();
        },
      },
    });
    expect(await effect(pdp)).toBe('deny');
    await pdp.reload();
    expect(await effect(pdp)).toBe('deny');
  });

  it('are not taken from an adapter that fails, hangs, or loads what is no line', async () => {
    const odd = (values: unknown): Promise<unknown> =>
      casbin({
        model: model(),
        adapter: {
          loadPolicy(loaded) {
            loaded.model
              .get('p')
              ?.get('p')
              ?.policy.push(values as string[]);
            return Promise.resolve();
          },
        },
      });
    const refused = { code: 'policies_invalid' };
    await expect(odd(['member', 'acme', 'document', 7])).rejects.toMatchObject(refused);
    await expect(odd(['member', 'acme', 'document'])).rejects.toMatchObject(refused);
    await expect(odd(null)).rejects.toMatchObject(refused);
    const failing = { loadPolicy: () => Promise.reject(new Error('down')) };
    await expect(casbin({ model: model(), adapter: failing })).rejects.toMatchObject(refused);
    const hanging = { loadPolicy: () => new Promise<void>(() => undefined) };
    await expect(casbin({ model: model(), adapter: hanging, loadDeadlineMs: 20 })).rejects.toMatchObject(refused);
  });

  it('are swapped whole when a watcher tells so, and kept where the new ones are broken', async () => {
    const path = await file('live.csv', 'p, member, acme, document, read');
    const events: PolicyEvent[] = [];
    let tell: () => void = () => undefined;
    const pdp = await casbin({
      model: model(),
      policies: path,
      watcher: {
        setUpdateCallback(callback) {
          tell = callback;
        },
      },
      onEvent(event) {
        events.push(event);
        throw new Error('a listener that fails');
      },
    });
    const before = pdp.revision;
    await writeFile(path, 'p, member, acme, document, write');
    tell();
    await vi.waitFor(() => {
      expect(events).toHaveLength(1);
    });
    expect([await effect(pdp), await effect(pdp, { action: 'write' })]).toEqual(['deny', 'allow']);
    expect(pdp.revision).not.toBe(before);
    const good = pdp.revision;
    await writeFile(path, 'p, member, acme, document, read\np, member, acme, document');
    tell();
    await vi.waitFor(() => {
      expect(events).toHaveLength(2);
    });
    expect(events[1]).toMatchObject({ type: 'refused', revision: good, error: { code: 'policies_invalid' } });
    expect([await effect(pdp), await effect(pdp, { action: 'write' })]).toEqual(['deny', 'allow']);
    await expect(pdp.reload()).rejects.toMatchObject({ code: 'policies_invalid' });
    await pdp.close();
    tell();
    expect(events).toHaveLength(3);
  });

  it('are read again for a change that came during the first load, and not after the engine is closed', async () => {
    let changed: () => void = () => undefined;
    let allowed = ['member', 'acme', 'document', 'read'];
    let loads = 0;
    const pdp = await casbin({
      model: model(),
      watcher: {
        setUpdateCallback(callback) {
          changed = callback;
        },
      },
      adapter: {
        loadPolicy(loaded) {
          loaded.model
            .get('p')
            ?.get('p')
            ?.policy.push([...allowed]);
          if (++loads > 1) return Promise.resolve();
          allowed = ['member', 'acme', 'document', 'write'];
          changed();
          return Promise.resolve();
        },
      },
    });
    expect([await effect(pdp), await effect(pdp, { action: 'write' })]).toEqual(['deny', 'allow']);
    expect(loads).toBe(2);
    await pdp.close();
    changed();
    expect(loads).toBe(2);
  });

  it('are never replaced by an older load', async () => {
    for (let ticks = 0; ticks < 10; ticks++) {
      let running = 0;
      let most = 0;
      let first = true;
      const all: Promise<void>[] = [];
      const reload = reloading({
        async load() {
          most = Math.max(most, ++running);
          await new Promise((go) => setTimeout(go, 1));
          running--;
          return { revision: '' } as PolicySet;
        },
        take: () => undefined,
        revision: () => '',
        tell() {
          if (!first) return;
          first = false;
          // As many steps later, in the gap between a load that has ended and the one that waits for it.
          let later = Promise.resolve();
          for (let at = 0; at < ticks; at++) later = later.then(() => undefined);
          all.push(later.then(reload));
        },
      });
      await Promise.all([reload(), reload()]);
      await Promise.all(all);
      expect(most).toBe(1);
    }
  });

  it('are in time, whatever hangs', async () => {
    const pipe = join(folder, 'pipe.csv');
    execFileSync('mkfifo', [pipe]);
    const started = casbin({ model: model(), policies: pipe, loadDeadlineMs: 30 });
    await expect(started).rejects.toMatchObject({ code: 'policies_invalid' });
    // Lets go of the thread that waits for somebody to write.
    await writeFile(pipe, '');
    for (const loadDeadlineMs of [0, -1, Number.NaN, Infinity])
      await expect(casbin({ model: model(), loadDeadlineMs })).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('are read again for a change that came while they were read', async () => {
    const loads: (() => void)[] = [];
    let text = 'p, member, acme, document, read';
    let first = true;
    const pdp = await casbin({
      model: model(),
      adapter: {
        async loadPolicy(loaded) {
          const read = new StringAdapter(text);
          if (!first)
            await new Promise<void>((go) => {
              loads.push(go);
            });
          first = false;
          await read.loadPolicy(loaded);
        },
      },
    });
    const one = pdp.reload();
    await vi.waitFor(() => {
      expect(loads).toHaveLength(1);
    });
    text = 'p, member, acme, document, write';
    const two = pdp.reload();
    const three = pdp.reload();
    loads.shift()?.();
    await one;
    expect(await effect(pdp)).toBe('allow');
    await vi.waitFor(() => {
      expect(loads).toHaveLength(1);
    });
    loads.shift()?.();
    await Promise.all([two, three]);
    expect(await effect(pdp)).toBe('deny');
    expect(loads).toHaveLength(0);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { casbin, rbacModel, type CasbinOptions } from './index.js';
import { ask, SmallEnforcer } from './enforcer.js';
import { checkLines } from './checked-lines.js';
import { readModel } from './model.js';
import { roleGraph } from './roles.js';
import { model } from './test-model.js';

/** What loading is refused with. */
async function refusal(options: CasbinOptions): Promise<string> {
  try {
    await casbin(options);
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${String(error.code)}: ${error.message}` : String(error);
  }
  return 'taken';
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

const usual = 'g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act';

describe('a model', () => {
  const withAttributes = 'sub, dom, obj, act, principal, resource';

  // What casbin does with each is in the comment.
  it.each([
    // allows: a text that is not empty
    ['"yes"', 'model:10: `"yes"` is not true or false: casbin would take any text for an allow'],
    ['r.act', 'model:10: `r_act` is not true or false'],
    [`${usual} && p.act`, 'is not true or false'],
    [`${usual} || "x"`, 'is not true or false'],
    // allows: a number
    ['1', 'is not true or false'],
    [`${usual} || true`, 'is not true or false'],
    // runs what lines say
    ['eval(p.sub)', '`eval` is refused'],
    [`${usual} && eval(p.act)`, '`eval` is refused'],
    [`${usual} || r.act == "eval(p_sub)"`, '`eval` is refused'],
    // evaluates them: code of the host can be reached from there
    ['r.sub.__lookupGetter__("__proto__")', 'a part that is not supported'],
    [`${usual} && constructor("x")`, 'the function `constructor` is not known'],
    [`${usual} && toString()`, 'the function `toString` is not known'],
    [`${usual} && p.sub.concat("x") == "x"`, 'a part that is not supported'],
    [`${usual} && r.principal["attr"] == "x"`, 'a part that is not supported'],
    [`${usual} && this == "x"`, 'a part that is not supported'],
    [`${usual} && r.principal.constructor === "x"`, '`r.principal.constructor` is not known'],
    [`${usual} && r.principal === "x"`, 'is read by its members'],
    [`${usual} && r.principal.attr === "x"`, 'is not known'],
    [`${usual} && r.principal.id.length === 2`, 'is not known'],
    [`${usual} && r.principal.tenant === "x"`, 'is not known'],
    [`${usual} && p.obj.length === 1`, 'only `r.principal` and `r.resource` have members'],
    // gives `undefined` for them, and two of those are equal
    [`${usual} && r.nothing == p.nothing`, '`r.nothing` is not known'],
    [`${usual} && q == "x"`, '`q` is not known'],
    [`${usual} && unheard(r.act)`, 'the function `unheard` is not known'],
    // hang on some lines, or err on others
    [`${usual} && keyMatch4(r.obj, p.obj)`, 'the function `keyMatch4` is not known'],
    [`${usual} && globMatch(r.obj, p.obj)`, 'the function `globMatch` is not known'],
    // reach across tenants
    [`${usual} && keyMatch(r.dom, p.dom)`, 'a pattern for tenants is refused'],
    ['g(r.sub, p.sub, "acme") && r.obj == p.obj && r.act == p.act', '`g` is asked as `g(r.sub, p.sub, r.dom)`'],
    ['g(r.sub, p.sub, p.dom) && r.obj == p.obj && r.act == p.act', '`g` is asked as'],
    [`g(r.sub, p.dom, r.dom) && ${usual}`, '`g` is asked as'],
    [`g(r.sub, r.act, r.dom) && ${usual}`, '`g` is asked as'],
    ['g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act', '`g` is asked as'],
    ['g("admin", p.sub, r.dom) && r.obj == p.obj && r.act == p.act', '`g` is asked as'],
    [`${usual} && g(r.act, p.act, r.dom)`, '`g` is asked as'],
    ['g(r.sub, p.sub, r.dom, r.act) && r.obj == p.obj && r.act == p.act', '`g` is asked as'],
    [`g(r.sub, p.nothing, r.dom) && ${usual}`, '`g` is asked as'],
    // `in` binds as loosely as `||`
    [`${usual} && r.act in ("read", "list")`, '`in` binds as loosely as `||`'],
    [`r.act in ("read", "list") && ${usual}`, '`in` binds as loosely as `||`'],
    [`${usual} && ("a" in "abc")`, '`in` binds as loosely'],
    [`${usual} && (r.act in ["read", r.act])`, 'a list holds texts, numbers and booleans'],
    [`${usual} && (r.act in r.act)`, '`in` binds as loosely'],
    [`${usual} && (["a"] in ["a"])`, '`in` binds as loosely'],
    [`${usual} && ["a"] === ["a"]`, 'compares texts'],
    // match what is no text, by what no line says
    [`${usual} && keyMatch(r.obj)`, '`keyMatch` takes a text and a field of the line'],
    [`${usual} && keyMatch()`, '`keyMatch` takes a text and a field of the line'],
    [`${usual} && keyMatch(r.obj, "*")`, '`keyMatch` takes a text and a field of the line'],
    [`${usual} && keyMatch(r.obj, r.act)`, '`keyMatch` takes a text and a field of the line'],
    [`${usual} && keyMatch(r.obj, p.obj, p.act)`, '`keyMatch` takes a text and a field of the line'],
    [`${usual} && keyMatch(r.principal.attr.path, p.obj)`, '`keyMatch` takes a text and a field of the line'],
    // coerce
    [`${usual} && r.principal.attr.level == p.act`, 'compare attributes by `===`'],
    [`${usual} && r.principal.attr.level != 3`, 'compare attributes by `!==`'],
    [`${usual} && r.principal.attr.level < 3`, '`<` is not supported'],
    [`${usual} && -1 === r.principal.attr.level`, '`-` is not supported'],
    [`${usual} && (r.act == r.obj) == (p.act == p.obj)`, 'compares texts'],
    // compares the sentinel, or one role of several
    [`r.sub == p.sub && r.obj == p.obj && r.act == p.act`, '`r.sub` stands for all roles of a principal'],
    // leave a part of the line or of the question out
    ['g(r.sub, p.sub, r.dom) && r.obj == p.obj', '`p.act` is never read'],
    ['g(r.sub, p.sub, r.dom) && r.act == p.act', '`p.obj` is never read'],
    ['p.sub == "*" && r.obj == p.obj && r.act == p.act', '`r.sub` is never read'],
    ['g(r.sub, p.sub, r.dom) && p.obj == "x" && r.act == p.act', '`r.obj` is never read'],
    // allows what no line speaks of
    [`!(${usual})`, 'model: the matcher allows what no line speaks of'],
    [`(${usual}) || r.act != p.act`, 'model: the matcher allows what no line speaks of'],
    [
      `(${usual}) || r.principal.attr.team !== r.resource.attr.team`,
      'model: the matcher allows what no line speaks of',
    ],
    [`r.principal.attr.admin === true || !(${usual})`, 'model: the matcher allows what no line speaks of'],
    [`(r.act in r.principal.attr.some) || !(${usual})`, 'model: the matcher allows what no line speaks of'],
    // reads other texts than are written
    [`${usual} && r.act == "a$&b"`, '`$` is not supported'],
    [`${usual} && r.act == 'read'`, 'in double quotes'],
    [`${usual} && r.act == "a\\\\"`, 'in double quotes'],
    [`${usual} && r.act == "é"`, 'plain ASCII'],
    [`${usual} && r.act == "a in (b, c) in d (e, f)"`, 'in more than one way'],
    // cuts at a comment
    [`${usual} # and more`, 'model:10: casbin cuts a line at `#` and `;`'],
    [`${usual} || r.act == "a;b"`, 'model:10: casbin cuts a line at `#` and `;`'],
    ['', 'is not supported here'],
    [`${usual} && `, 'model:10: the matcher cannot be read'],
    [`${usual} &&& r.act == p.act`, 'model: casbin refuses the model'],
  ])('with the matcher %s is refused', async (m, expected) => {
    expect(await refusal({ model: model({ r: withAttributes, m }) })).toContain(expected);
  });

  it.each([
    [model({ e: '!some(where (p.eft == deny))' }), 'model:8: the effect is not supported'],
    [model({ e: 'subjectPriority(p.eft) || deny' }), 'model:8: the effect is not supported'],
    [model({ e: 'some(where (p.eft == allow)) || true' }), 'model:8: the effect is not supported'],
    [model({ g: 'g = _, _' }), 'model:6: a role is a role in one tenant'],
    [model({ g: 'g = _, _, _, _' }), 'model:6: a role is a role in one tenant'],
    // casbin stops at the first number that is missing, and leaves the lines out
    [model({ g: 'g = _, _, _\ng3 = _, _, _' }), 'model:7: casbin reads `g2` here'],
    [model({ g: 'g = _, _, _\ng = _, _, _' }), 'model:7: `g = _, _, _` is there twice'],
    [`${model()}m = ${usual}\n`, 'model:11: `m ='],
    [`${model()}m2 = ${usual}\n`, 'model:11: `m2 ='],
    [`${model()}[matchers]\n`, 'is there twice'],
    [`${model()}[role_defnition]\ng = _, _, _\n`, 'model:11: the section `role_defnition` is not known'],
    [model({ r: 'sub, obj, act' }), 'model:2: `dom` is missing'],
    [model({ p: 'sub, obj, act' }), 'model:4: `dom` is missing'],
    [model({ r: 'sub, dom, obj, act, attr' }), 'model:2: `attr` is not known'],
    [model({ r: 'sub, dom, obj, act, sub' }), 'is not a list of names'],
    [model({ p: 'sub, dom, obj, act, priority' }), '`priority` means nothing to this effect'],
    ['[matchers]\nm = x\n', 'the model has no `r`'],
    ['\n', 'the model has no `r`'],
    ['nowhere.conf', 'nowhere.conf: the model cannot be read'],
  ])('is refused: %#', async (text, expected) => {
    expect(await refusal({ model: text })).toContain(`policies_invalid: `);
    expect(await refusal({ model: text })).toContain(expected);
  });

  it('can go over several lines, and have comments of its own', async () => {
    const text = model()
      .replace(' && r.obj', ' && \\\n  r.obj')
      .replace('[matchers]', '# who may\n; and who not\n[matchers]');
    expect(await refusal({ model: text })).toBe('taken');
    expect(await refusal({ model: text.replaceAll('\n', '\r\n') })).toBe('taken');
    expect(await refusal({ model: `${text}\\` })).toContain('not finished');
  });
});

describe('a line', () => {
  const withEffect = model({ p: 'sub, dom, obj, act, eft' });

  it.each([
    [['member', 'acme', 'document'], 'has 3 fields and not 5'],
    // allows: casbin takes an effect that is missing or empty for `allow`
    [['member', 'acme', 'document', 'read'], 'has 4 fields and not 5'],
    [['member', 'acme', 'document', 'read', ''], '`eft` is empty'],
    [['member', 'acme', 'document', 'read', 'Deny'], '`eft` is neither `allow` nor `deny`'],
    [['member', 'acme', 'document', 'read', 'allow', 'x'], 'has 6 fields and not 5'],
    [['', 'acme', 'document', 'read', 'allow'], '`sub` is empty'],
    [['member', '', 'document', 'read', 'allow'], '`dom` is empty'],
    [[' member', 'acme', 'document', 'read', 'allow'], '`sub` begins or ends with a blank'],
    [['mem\u200bber', 'acme', 'document', 'read', 'allow'], '`sub` has characters that cannot be seen'],
    [['\u0001subject', 'acme', 'document', 'read', 'allow'], '`sub` has characters that cannot be seen'],
    [['mem"ber', 'acme', 'document', 'read', 'allow'], '`sub` has a quotation mark'],
    [['member', 'acme', 'document', 'read # not write', 'allow'], '`act` has a comment in it'],
    [['member', '*', 'document', 'read', 'allow'], '`*` is not a tenant; for lines of every tenant set `sharedDomain`'],
    [['member', 'ac*', 'document', 'read', 'allow'], '`ac*` is not a tenant'],
    [['member', 'acme.eu', 'document', 'read', 'allow'], '`acme.eu` is not a tenant'],
  ])('%j is refused', async (values, expected) => {
    const said = await refusal({ model: withEffect, lines: [{ ptype: 'p', values, place: 'x.csv:7' }] });
    expect(said).toContain('policies_invalid: x.csv:7: ');
    expect(said).toContain(expected);
  });

  it.each([
    ['P, member, acme, document, read', 'live.csv:1: casbin leaves the line out: the model has no `P`'],
    ['g2, a, b, acme', 'casbin leaves the line out'],
    ['g, a, b', 'has 2 fields and not 3'],
    ['g, a, b, acme, c', 'has 4 fields and not 3'],
    ['p, member, acme, document', 'has 3 fields and not 4'],
    ['p, member, acme, , read', 'is empty'],
    ['p, member, acme, document, read # more', 'has a comment in it'],
    ['p, member, acme, docu"ment, read', 'has a quotation mark'],
    ['p, member, acme, (document, read', 'casbin cannot read the line'],
    ['g, a, b, acme\ng, b, c, acme\ng, c, a, acme', 'live.csv:3: `g, c, a, acme` closes a circle of roles'],
    ['g, a, a, acme', 'closes a circle of roles'],
  ])('of a CSV file, as %s, is refused with its place', async (text, expected) => {
    const said = await refusal({ model: model(), policies: await file('live.csv', text) });
    expect(said).toContain(expected);
    expect(said).toMatch(/^policies_invalid: live\.csv:\d: /);
  });

  it.each([
    ['version: 2\n', 'live.yaml:1: '],
    ['p: []\n', 'live.yaml:1: '],
    [
      'version: 1\np:\n  - [member, acme, document, read]\n  - [member, acme, document, 1.0]\n',
      'live.yaml:4: has to be a text',
    ],
    ['version: 1\np:\n  - [member, acme, document, true]\n', 'live.yaml:3: has to be a text'],
    [
      'version: 1\np:\n  - [member, acme, document]\n',
      'live.yaml:3: `p, member, acme, document`: has 3 fields and not 4',
    ],
    ['version: 1\nq:\n  - [member]\n', 'live.yaml:3: `q, member`: the model has no `q`'],
    ['version: 1\np:\n  - &a [member, acme, document, read]\n  - *a\n', 'aliases, anchors and tags are not supported'],
    ['version: 1\nversion: 1\n', 'live.yaml:2: '],
    ['%NEVER 1\n---\nversion: 1\n', 'live.yaml:1: '],
    ['version: 1\n---\nversion: 1\n', 'has to be one document'],
    ['version: 1\n p: [\n', 'live.yaml:'],
    ['', 'live.yaml:1: '],
  ])('of a YAML file, as %j, is refused with its place', async (text, expected) => {
    const said = await refusal({ model: model(), policies: await file('live.yaml', text) });
    expect(said).toContain(`policies_invalid: `);
    expect(said).toContain(expected);
  });

  it.each(['\r', '\n', '\r\n'])('of a CSV file is read to its end, which is %j', async (end) => {
    const text = ['p, member, acme, document, read, allow', 'p, member, acme, document, erase, maybe', ''].join(end);
    expect(await refusal({ model: withEffect, policies: await file('ends.csv', text) })).toContain('ends.csv:2: ');
  });

  it('of a file that is not UTF-8 is refused, and so is a model', async () => {
    const path = join(folder, 'latin1.csv');
    await writeFile(path, Buffer.from('p, member, acme, document, l\xf6schen, deny\n', 'latin1'));
    expect(await refusal({ model: withEffect, policies: path })).toContain('latin1.csv: the policy cannot be read');
    expect(await refusal({ model: path })).toContain('latin1.csv: the model cannot be read');
  });

  it('is refused where too many roles follow from one another', () => {
    const links = ['a', 'b', 'c'].map((from) => ({ ptype: 'g', values: [from, 'hub', 'acme'] }));
    const all = [...links, { ptype: 'g', values: ['hub', 'x', 'acme'] }];
    expect(roleGraph(all, { left: 7 }).get('a')?.size).toBe(2);
    expect(() => roleGraph(all, { left: 6 })).toThrow('roles follow from others');
  });

  it('closes a circle with links of every tenant, too', async () => {
    const links = [
      { ptype: 'g', values: ['a', 'b', '*'] },
      { ptype: 'g', values: ['b', 'a', 'acme'] },
    ];
    expect(await refusal({ model: model(), lines: links, sharedDomain: '*' })).toContain('closes a circle of roles');
    const long = Array.from({ length: 500 }, (_, at) => ({
      ptype: 'g',
      values: [`r${String(at)}`, `r${String(at + 1)}`, 'acme'],
    }));
    expect(await refusal({ model: model(), lines: long })).toContain('follow from one another more than 100 times');
  });

  it('with a priority that is no number, or a pattern that is none, is refused', async () => {
    const byPriority = model({ p: 'sub, dom, obj, act, eft, priority', e: 'priority(p.eft) || deny' });
    const of = (priority: string) => [{ ptype: 'p', values: ['member', 'acme', 'a', 'read', 'deny', priority] }];
    expect(await refusal({ model: byPriority, lines: of('high') })).toContain('`priority` is not a whole number');
    expect(await refusal({ model: byPriority, lines: of('1') })).toBe('taken');
    const matching = (name: string) =>
      model({ m: `g(r.sub, p.sub, r.dom) && ${name}(r.obj, p.obj) && r.act == p.act` });
    const kind = (pattern: string) => [{ ptype: 'p', values: ['member', 'acme', pattern, 'read'] }];
    expect(await refusal({ model: matching('regexMatch'), lines: kind('(') })).toContain('is not a pattern');
    expect(await refusal({ model: matching('regexMatch'), lines: kind('(a)\\1') })).toContain('is not a pattern');
    // casbin never comes back from this one.
    expect(await refusal({ model: matching('keyMatch2'), lines: kind('/a/:') })).toContain('is not a pattern');
  });

  it('of a file that is none is refused', async () => {
    expect(await refusal({ model: model(), policies: await file('lines.txt', '') })).toContain('lines.txt: ');
    expect(await refusal({ model: model(), policies: 'nowhere.csv' })).toContain(
      'nowhere.csv: the policy cannot be read',
    );
  });
});

describe('options', () => {
  it('that are not known are refused, an enforcer above all', async () => {
    const enforcer = await newEnforcer(newModelFromString(model()));
    enforcer.enableEnforce(false);
    const options = { model: model(), enforcer } as CasbinOptions;
    expect(await refusal(options)).toBe('config_invalid: `enforcer` is not known');
    expect(await refusal({ model: model(), subject: 'user' as 'id' })).toContain('config_invalid: `subject`');
    expect(await refusal({ model: model(), roles: '' as 'apart' })).toContain('config_invalid: `roles`');
    expect(await refusal({ model: model(), object: 'id' as 'kind' })).toContain('config_invalid: `object`');
    expect(await refusal({ model: model(), maxEnforcers: 0 })).toContain('config_invalid: `maxEnforcers`');
    for (const sharedDomain of ['', 'acme'])
      expect(await refusal({ model: model(), sharedDomain })).toContain('config_invalid: `sharedDomain`');
  });
});

describe('an answer of casbin', () => {
  const request = ['\u0001subject', 'acme', 'document', 'write'];

  it('of an enforcer that is disabled is none', async () => {
    const enforcer = await newEnforcer(
      newModelFromString(model()),
      new StringAdapter('p, member, acme, document, read'),
    );
    expect(ask(enforcer, request).allowed).toBe(false);
    enforcer.enableEnforce(false);
    expect(await enforcer.enforce(...request)).toBe(true);
    expect(() => ask(enforcer, request)).toThrow('is the enforcer disabled?');
  });

  it('that allows without a line is none', async () => {
    // Without lines casbin asks about empty fields.
    const enforcer = await newEnforcer(newModelFromString(model({ m: 'r.act != p.act' })));
    expect(await enforcer.enforce(...request)).toBe(true);
    expect(() => ask(enforcer, request)).toThrow('names no line');
  });

  it('that is nearly `true` is none', () => {
    const line = ['member'];
    const answering = (allowed: unknown) =>
      ({
        enforceExSync: () => [allowed, line],
        getModel: () => ({ model: new Map([['p', new Map([['p', { policy: [line] }]])]]) }),
      }) as unknown as Parameters<typeof ask>[0];
    expect(ask(answering(true), request).allowed).toBe(true);
    for (const allowed of [1, 'yes', {}, undefined])
      expect(() => ask(answering(allowed), request)).toThrow('names no line');
  });

  it('cannot be had from an enforcer that was turned off', () => {
    const checked = readModel(rbacModel, 'model', { functions: [], subjectIsText: false });
    const [line] = checkLines([{ ptype: 'p', values: ['*', 'acme', '*', '*', 'allow'] }], checked, undefined);
    const enforcer = new SmallEnforcer({
      model: checked,
      lines: [line?.values ?? []],
      functions: new Map(),
      roles: new Map(),
      matchers: new Map(),
    });
    expect(() => {
      enforcer.enableEnforce();
    }).toThrow(TypeError);
    expect(() => {
      enforcer.enableAcceptJsonRequest();
    }).toThrow(TypeError);
    expect(ask(enforcer, request).allowed).toBe(true);
  });
});

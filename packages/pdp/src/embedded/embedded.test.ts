import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type Attributes, type CheckRequest } from '@portcullis/core';
import { embedded } from './embedded.js';
import type { FolderOptions } from './options.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-embedded-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}
/** A policy of one rule on `note`, as a condition and as lines after it. */
function note(expression: string, more = ''): void {
  write(
    'note.yaml',
    [
      'apiVersion: api.cerbos.dev/v1',
      'resourcePolicy:',
      '  resource: note',
      '  version: default',
      '  rules:',
      '    - actions: [read]',
      '      effect: EFFECT_ALLOW',
      '      roles: ["*"]',
      '      condition:',
      '        match:',
      `          expr: ${JSON.stringify(expression)}`,
      more,
    ].join('\n'),
  );
}
const load = (options: Partial<FolderOptions> = {}) => embedded({ policies: folder, ...options });
const asking = (attr: Attributes = {}, more: Partial<CheckRequest> = {}): CheckRequest => ({
  principal: { id: 'p', roles: ['member'], attr: {} },
  scope: '',
  questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('acme'), attr }, actions: ['read'] }],
  ...more,
});
async function effectOf(attr: Attributes = {}, more: Partial<CheckRequest> = {}): Promise<string | undefined> {
  const pdp = await load();
  const [[decision] = []] = await pdp.check(asking(attr, more));
  return decision?.effect;
}

describe('an embedded engine', () => {
  it('decides, and says by which policy', async () => {
    note('R.attr.open == true');
    const pdp = await load();
    const [[decision] = []] = await pdp.check(asking({ open: true }));
    expect(decision).toMatchObject({
      effect: 'allow',
      action: 'read',
      policy: 'resource.note.vdefault',
      policyVersion: 'default',
      scope: '',
      engine: 'embedded',
      resource: { kind: 'note', id: '1' },
    });
    expect(decision?.callId).toMatch(/^[\da-f-]{36}-000$/);
    expect(await effectOf({ open: 'true' })).toBe('deny');
    expect(await effectOf({})).toBe('deny');
  });

  it('takes the tenant from the resource, whatever its attributes say', async () => {
    note('R.attr.tenant == "acme"');
    expect(await effectOf({ tenant: 'globex' })).toBe('allow');
    note('R.attr.tenant == "globex"');
    expect(await effectOf({ tenant: 'globex' })).toBe('deny');
  });

  it('gives a principal without roles the role `none`', async () => {
    note('P.roles == ["none"]');
    expect(await effectOf({}, { principal: { id: 'p', roles: [], attr: {} } })).toBe('allow');
  });

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])(
    'inherits nothing: %s is only there when it was sent',
    async (name) => {
      const quoted = JSON.stringify(name);
      note(`R.attr[${quoted}] != null || R.attr.m[${quoted}] != null || ${quoted} in R.attr || has(R.attr.m.${name})`);
      expect(await effectOf({ m: {} })).toBe('deny');
      expect(await effectOf({ m: JSON.parse(`{${quoted}: 1}`) as Attributes })).toBe('allow');
      expect(await effectOf(JSON.parse(`{${quoted}: 1, "m": {}}`) as Attributes)).toBe('allow');
    },
  );

  it('does not reach into texts and lists', async () => {
    note('R.attr.s.length > 0 || R.attr.l.length > 0 || R.attr.s["0"] == "a" || R.attr.s[0] == "a"');
    expect(await effectOf({ s: 'abc', l: ['a'] })).toBe('deny');
  });

  it.each<[string, unknown]>([
    ['a number that is not finite', Number.NaN],
    ['a bigint, which would be an int', 1n],
    ['a date', new Date(0)],
    ['undefined', undefined],
    ['a function', () => true],
    ['an object of a class', new URL('https://example.com')],
    ['half a surrogate pair', '\ud800'],
    ['too deep a nesting', Array.from({ length: 100 }).reduce((inner) => [inner], 1)],
  ])('answers nothing about attributes with %s', async (_name, value) => {
    note('true');
    const pdp = await load();
    const attr = { x: { y: [value] } } as unknown as Attributes;
    await expect(pdp.check(asking(attr))).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await expect(pdp.check(asking({}, { principal: { id: 'p', roles: [], attr } }))).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
  });

  it.each<[string, Partial<CheckRequest>]>([
    ['a principal without an id', { principal: { id: '', roles: [], attr: {} } }],
    ['a role twice', { principal: { id: 'p', roles: ['a', 'a'], attr: {} } }],
    ['a role without a name', { principal: { id: 'p', roles: [''], attr: {} } }],
    ['a scope that is none', { scope: 'a..b' }],
    ['a scope that is a path', { scope: '../a' }],
    ['a version that is none', { policyVersion: 'a/b' }],
    ['no action', { questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('acme') }, actions: [] }] }],
    ['no kind', { questions: [{ resource: { kind: '', id: '1', tenant: tenantId('acme') }, actions: ['read'] }] }],
  ])('answers nothing about %s', async (_name, request) => {
    note('true');
    const pdp = await load();
    await expect(pdp.check(asking({}, request))).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('tells the programmer of an action that is asked twice', async () => {
    note('true');
    const pdp = await load();
    const [question] = asking().questions;
    await expect(pdp.check(asking({}, { questions: [{ ...question!, actions: ['a', 'a'] }] }))).rejects.toThrow(
      TypeError,
    );
  });

  it('answers nothing when it is closed, and when the caller gave up', async () => {
    note('true');
    const pdp = await load();
    await expect(pdp.check(asking(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
    await pdp.close();
    await expect(pdp.check(asking())).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('denies what breaks its schema, where that is enforced', async () => {
    const text =
      'apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  schemas:\n    resourceSchema:\n      ref: cerbos:///note.json\n  rules:\n    - { actions: [read], effect: EFFECT_ALLOW, roles: ["*"] }\n';
    write('note.yaml', text);
    write('_schemas/note.json', '{"type":"object","required":["title"]}');
    expect(await effectOf({})).toBe('deny');
    expect(await effectOf({ title: '' })).toBe('allow');
    const lax = await load({ schemaEnforcement: 'warn' });
    expect((await lax.check(asking())).flat().map(({ effect }) => effect)).toEqual(['allow']);
  });
});

describe('loading', () => {
  const refusalOf = async (options: Partial<FolderOptions> = {}): Promise<string> => {
    const error: unknown = await load(options).catch((thrown: unknown) => thrown);
    if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw new Error('was not refused');
    return error.message;
  };

  it.each([
    ['a function that is not there', 'sets.contains(R.attr.x, [1])', /sets/],
    ['a regular expression that is none', 'R.attr.s.matches("a(?=b)")', /pattern/],
    ['globals as such', 'G == C', /`[GC]`/],
    ['auxiliary data that there is none of', 'request.aux_data.x == 1', /`x` of `aux_data`/],
    ['a field that is unknown', 'R.attributes.x == 1', /`attributes` of `R`/],
    ['an identifier that is unknown', 'resource.x == 1', /`resource`/],
    ['the resource as such', 'R == P', /`[RP]`/],
    ['a variable that is not defined', 'V.x', /variable `x`/],
    ['a constant that is not defined', 'C.x', /constant `x`/],
    ['an int and an unsigned one', '1 == 1u', /does not take \(int, uint\)/],
    ['bytes beyond ASCII', 'R.attr.x == b"é"', /bytes/],
    ['a map with a double as a key', '{1.5: 1} == {}', /key/],
    ['`has` on a field that is unknown', 'has(R.x)', /`x` of `R`/],
    ['a variable that hides another', 'R.attr.l.all(R, R == 1)', /hides/],
    ['a binding without a body', 'cel.bind(x, 1)', /cel\.bind/],
    ['what does not parse', 'R.attr.x ==', /does not parse/],
    ['what cannot be typed', '1 + "a" == 2', /does not take \(int, string\)/],
    ['an optional', 'R.?attr.x == 1', /does not parse/],
    ['an expression that is too deep', `${'('.repeat(200)}true${')'.repeat(200)}`, /does not parse/],
  ])('refuses %s, and says where', async (_name, expression, message) => {
    note(expression);
    expect(await refusalOf()).toMatch(message);
    expect(await refusalOf()).toMatch(/^note\.yaml:11: /);
  });

  it.each([
    ['a member that is unknown', '      wen: true', /wen/],
    ['an output of the old form', '      output: { expr: "1" }', /output/],
    ['an alias', '      name: &x a', /aliases/],
    ['a member twice', '      roles: [a]', /unique/],
    ['a second document', '---\napiVersion: api.cerbos.dev/v1', /more than one document/],
  ])('refuses %s', async (_name, lines, message) => {
    note('true', lines);
    expect(await refusalOf({ allowWideningScopes: true })).toMatch(message);
  });

  it.each([
    ['a constant of several lines', '  constants: { local: { c: "a\n      b" } }', /^note\.yaml:13: .*several lines/],
    ['a member `__proto__`', '  constants: { local: { c: { __proto__: { a: 1 } } } }', /^note\.yaml:13: .*__proto__/],
  ])('refuses %s, which Cerbos reads as something else', async (_name, lines, message) => {
    note('true', `\n${lines}`);
    expect(await refusalOf()).toMatch(message);
  });

  it.each([
    ['a policy', '{"all":{"of":[', ']}}', 30, /^note\.json:1: is nested too deep$/],
    ['a file that would overflow a parser', '[', ']', 100_000, /^note\.json: is nested too deep$/],
    ['a file without brackets that would', '- ', '', 100_000, /^note\.json: is nested too deep$/],
  ])('refuses %s that is nested too deep', async (_name, open, close, depth, message) => {
    const match = `${open.repeat(depth)}{"expr":"true"}${close.repeat(depth)}`;
    write(
      'note.json',
      depth > 1000
        ? match
        : `{"apiVersion":"api.cerbos.dev/v1","resourcePolicy":{"resource":"note","version":"default","rules":[{"actions":["read"],"effect":"EFFECT_ALLOW","roles":["*"],"condition":{"match":${match}}}]}}`,
    );
    expect(await refusalOf()).toMatch(message);
  });

  it('takes a file with many brackets that are text', async () => {
    note(`R.attr.x in [${'"[{", '.repeat(300)}"]"]`);
    expect(await effectOf({ x: ']' })).toBe('allow');
  });

  it.each([
    [64, true],
    [65, false],
    [5000, false],
  ])('follows a chain of variables no further than it can: %i', async (length, taken) => {
    const chain = Array.from({ length }, (_, position) =>
      position === length - 1 ? `v${String(position)}: "true"` : `v${String(position)}: V.v${String(position + 1)}`,
    );
    note('V.v0', `\n  variables: { local: { ${chain.join(', ')} } }`);
    if (taken) expect(await effectOf()).toBe('allow');
    else expect(await refusalOf()).toMatch(/^note\.yaml:13: .*v64`: the variable is needed through too many others/);
  });

  it('names the file that cannot be read, of however many', async () => {
    const policy = (kind: string): string =>
      `apiVersion: api.cerbos.dev/v1\nresourcePolicy: { resource: ${kind}, version: default }\n`;
    for (let count = 0; count < 120; count++) write(`n${String(count)}.yaml`, policy(`n${String(count)}`));
    await (await load()).close();
    symlinkSync('/proc/self/mem', join(folder, 'z.yaml'));
    expect(await refusalOf()).toBe('z.yaml: cannot be read');
  });

  it.each([
    ['the same file twice', 'note'],
    ['kinds that are one to Cerbos', 'no_te', 'no-te'],
  ])('refuses a second policy: %s', async (_name, first, second = first) => {
    const policy = (kind: string): string =>
      `apiVersion: api.cerbos.dev/v1\nresourcePolicy: { resource: ${kind}, version: default }\n`;
    write('a.yaml', policy(first));
    write('b.yaml', policy(second));
    expect(await refusalOf()).toMatch(/^b\.yaml:1: there is a second policy/);
  });

  it.each([
    ['a class of characters', '["re[ad]*"]'],
    ['alternatives', '["{read,write}"]'],
    ['a question mark', '["rea?"]'],
    ['an escape', '["rea\\\\d"]'],
  ])('refuses %s in a pattern', async (_name, actions) => {
    write(
      'note.yaml',
      `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  rules:\n    - { actions: ${actions}, effect: EFFECT_ALLOW, roles: ["*"] }\n`,
    );
    expect(await refusalOf()).toMatch(/note\.yaml:6: .*wildcards/);
  });

  it('names all files with something to refuse at once', async () => {
    note('V.x');
    write(
      'b.yaml',
      'apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: b\n  version: default\n  rules:\n    - { actions: [read], effect: EFFECT_ALLOW, derivedRoles: [nobody] }\n',
    );
    expect((await refusalOf()).split('\n')).toEqual([
      expect.stringMatching(/^b\.yaml:6: .*nobody/),
      expect.stringMatching(/^note\.yaml:11: /),
    ]);
  });

  it.each([
    ['a keyword that is not supported', '{"unevaluatedProperties":false}', '`unevaluatedProperties`'],
    ['a keyword further down', '{"items":{"not":{"multipleOf":2}}}', '`items.not.multipleOf`'],
    ['a format', '{"properties":{"x":{"format":"email"}}}', '`properties.x.format`'],
    ['a reference that leads out', '{"$ref":"https://example.com/x"}', '`$ref`'],
    ['an anchor', '{"$ref":"#x","$defs":{"x":{}}}', '`$ref`'],
    ['a reference to nothing', '{"$ref":"#/$defs/x","$defs":{"constructor":{}}}', 'leads nowhere'],
    ['a reference to what objects inherit', '{"$ref":"#/$defs/constructor","$defs":{}}', 'leads nowhere'],
    ['a reference to a file that is not there', '{"$ref":"cerbos:///other.json"}', '`other.json`'],
    ['a schema that refers to itself for the same value', '{"anyOf":[{"$ref":"#"}]}', 'itself'],
    [
      'two that refer to each other for the same value',
      '{"properties":{"x":{"$ref":"#/$defs/a"}},"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}',
      'itself',
    ],
    ['another draft', '{"$schema":"http://json-schema.org/draft-07/schema#"}', '`$schema`'],
    ['a pattern that is none of RE2', '{"pattern":"(?=a)"}', '`pattern`'],
    ['a type that there is none of', '{"type":"toString"}', '`type`'],
    ['something else than a schema', '{"not":3}', '`not`'],
    ['a count below zero', '{"minItems":-1}', '`minItems`'],
  ])('refuses, of a schema, %s', async (_name, schema, named) => {
    write('_schemas/note.json', schema);
    write(
      'note.yaml',
      'apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  schemas: { resourceSchema: { ref: "cerbos:///note.json" } }\n',
    );
    const refusal = await refusalOf();
    expect(refusal).toMatch(/_schemas\/note\.json:1:/);
    expect(refusal).toContain(named);
  });

  it.each([
    ['a wildcard', '"*"', false],
    ['the same kind', 'note', false],
    ['another kind', 'memo', true],
  ])(
    'of a role policy with a condition, takes no second rule that may speak of the kind: %s',
    async (_name, kind, taken) => {
      note('true');
      write(
        'role.yaml',
        `apiVersion: api.cerbos.dev/v1\nrolePolicy:\n  role: helper\n  rules:\n    - { resource: note, allowActions: [read], condition: { match: { expr: "true" } } }\n    - { resource: ${kind}, allowActions: [read] }\n`,
      );
      if (taken) await (await load()).close();
      else expect(await refusalOf()).toMatch(/role\.yaml:5: .*one rule for each kind/);
    },
  );

  it.each([
    ['default', undefined],
    ['v2', 'version'],
  ])('takes a role policy of the version %s only if it is the one that counts', async (version, refused) => {
    note('true');
    write(
      'role.yaml',
      `apiVersion: api.cerbos.dev/v1\nrolePolicy: { role: helper, version: ${version}, scope: acme, parentRoles: [member], rules: [{ resource: note, allowActions: [read] }] }\n`,
    );
    if (refused !== undefined) expect(await refusalOf()).toContain(refused);
    else
      expect(await effectOf({}, { scope: 'acme', principal: { id: 'p', roles: ['helper'], attr: {} } })).toBe('allow');
  });

  it('refuses a scope that may widen, unless it is told not to', async () => {
    note('true');
    const scoped =
      'apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  scope: acme\n  rules:\n    - { actions: [write], effect: EFFECT_ALLOW, roles: ["*"] }\n';
    write('acme.yaml', scoped);
    expect(await refusalOf()).toMatch(/acme\.yaml/);
    await (await load({ allowWideningScopes: true })).close();
  });
});

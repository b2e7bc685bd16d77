import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type Attributes, type CheckRequest, type Decision } from '@portcullis/core';
import { embedded, type EmbeddedEngine } from '../embedded.js';

let folder: string;
let engine: EmbeddedEngine | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-request-'));
});
afterEach(async () => {
  await engine?.close();
  engine = undefined;
  rmSync(folder, { recursive: true });
});

const allow = { actions: ['*'], effect: 'EFFECT_ALLOW', roles: ['*'] };
async function load(rules: readonly object[] = [allow], schema?: object): Promise<EmbeddedEngine> {
  const schemas = schema === undefined ? {} : { schemas: { resourceSchema: { ref: 'cerbos:///note.json' } } };
  const policy = { resource: 'note', version: 'default', ...schemas, rules };
  writeFileSync(join(folder, 'note.json'), JSON.stringify({ apiVersion: 'api.cerbos.dev/v1', resourcePolicy: policy }));
  mkdirSync(join(folder, '_schemas'), { recursive: true });
  if (schema !== undefined) writeFileSync(join(folder, '_schemas', 'note.json'), JSON.stringify(schema));
  engine = await embedded({ policies: folder, pollMs: 0 });
  return engine;
}
const when = (expr: string): object => ({ ...allow, condition: { match: { expr } } });
const note = { kind: 'note', id: '1', tenant: tenantId('acme') };
const asking = (attr: Attributes = {}): CheckRequest => ({
  principal: { id: 'p', roles: ['member'], attr: {} },
  scope: '',
  questions: [{ resource: { ...note, attr }, actions: ['read'] }],
});
const refused = { code: 'pdp_unavailable' };
const half = '\ud800';
const long = 'a'.repeat(1025);

describe('a request', () => {
  it.each<[string, object, object]>([
    ...[half, long, ['read'], 5, undefined, ''].flatMap((name): [string, object, object][] => [
      ['an action', {}, { actions: [name] }],
      ['a kind', {}, { resource: { ...note, kind: name } }],
      ['an id', {}, { resource: { ...note, id: name } }],
      ['a role', { principal: { id: 'p', roles: [name], attr: {} } }, {}],
      ['a role of many', { principal: { id: 'p', roles: [...Array.from('abcdefghijk'), name], attr: {} } }, {}],
      ['a principal', { principal: { id: name, roles: [], attr: {} } }, {}],
    ]),
    ...[half, long, ['acme'], 5, undefined].map((tenant): [string, object, object] => [
      'an owner',
      {},
      { resource: { ...note, tenant } },
    ]),
    ['a scope that is too long', { scope: long }, {}],
    ['a scope that is no text', { scope: ['acme'] }, {}],
    ['a version that is too long', { policyVersion: long }, {}],
    ['a version that is no text', { policyVersion: ['v2'] }, {}],
    ['roles that repeat', { principal: { id: 'p', roles: ['a', 'a'], attr: {} } }, {}],
    ['roles that are one text', { principal: { id: 'p', roles: 'ab', attr: {} } }, {}],
    ['actions that are one text', {}, { actions: 'ab' }],
    ['actions that are one text, with a letter twice', {}, { actions: 'aa' }],
    ['actions that are no list', {}, { actions: 5 }],
    ['1,001 actions', {}, { actions: Array.from({ length: 1001 }, (_, index) => `a${String(index)}`) }],
    [
      '1,001 roles',
      { principal: { id: 'p', roles: Array.from({ length: 1001 }, (_, i) => `r${String(i)}`), attr: {} } },
      {},
    ],
    ['no action', {}, { actions: [] }],
    ['an attribute without a name', {}, { resource: { ...note, attr: { '': 1 } } }],
    ['half an attribute name', {}, { resource: { ...note, attr: { [half]: 1 } } }],
    ['half a name further down', { principal: { id: 'p', roles: [], attr: { a: [{ [half]: 1 }] } } }, {}],
  ])('is not answered with a name that is malformed: %s', async (_name, more, question) => {
    const pdp = await load();
    const request = { ...asking(), ...more, questions: [{ resource: note, actions: ['read'], ...question }] };
    await expect(pdp.check(request as CheckRequest)).rejects.toMatchObject(refused);
  });

  it('is answered with names that are as long as they may be', async () => {
    const pdp = await load();
    const name = 'a'.repeat(1024);
    const actions = [name, ...Array.from({ length: 999 }, (_, index) => `a${String(index)}`)];
    const request: CheckRequest = {
      ...asking(),
      principal: { id: name, roles: [name], attr: {} },
      questions: [{ resource: { ...note, id: name }, actions }],
    };
    const [decisions = []] = await pdp.check(request);
    expect(decisions.map(({ effect }) => effect)).toEqual(actions.map(() => 'allow'));
  });
});

describe('how long a request took', () => {
  const timeOf = (answers: readonly (readonly Decision[])[]): number | undefined => answers[0]?.[0]?.durationMs;

  it('is not said of one question that costs nothing', async () => {
    const pdp = await load([{ ...when('R.attr.owner == P.id'), actions: ['read'] }]);
    expect(timeOf(await pdp.check(asking({ owner: 'p' })))).toBe(0);
  });

  it('is said of several questions, and of one that costs something', async () => {
    const pdp = await load([when('R.attr.list.all(x, x < 5)')]);
    const [question] = asking({ list: [1, 2, 3] }).questions;
    if (question === undefined) throw new Error('there is no question');
    expect(timeOf(await pdp.check({ ...asking(), questions: [question] }))).toBeGreaterThan(0);
    const two = await pdp.check({ ...asking(), questions: [{ ...question, resource: note }, question] });
    expect(timeOf(two)).toBeGreaterThan(0);
    expect(two[1]?.[0]?.durationMs).toBe(timeOf(two));
    const plain = await pdp.check({ ...asking(), questions: asking().questions.concat(asking().questions) });
    expect(timeOf(plain)).toBeGreaterThan(0);
  });
});

describe('the bound on what a request costs', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => index);
  const times = (count: number, request: CheckRequest): CheckRequest => ({
    ...request,
    questions: Array.from({ length: count }, () => request.questions).flat(),
  });

  it('is one for all its questions', async () => {
    const pdp = await load([when('R.attr.l.all(a, a >= 0.0)')]);
    const request = asking({ l: many });
    await expect(pdp.check(times(10, request))).resolves.toHaveLength(10);
    await expect(pdp.check(times(200, request))).rejects.toMatchObject(refused);
    await expect(pdp.check(request)).resolves.toHaveLength(1);
  });

  it('counts the patterns that names are held against', async () => {
    const pdp = await load(
      Array.from({ length: 20 }, (_, index) => ({ ...allow, actions: [`*:x${String(index)}:*`] })),
    );
    const asked = (length: number): CheckRequest => {
      const actions = Array.from({ length: 200 }, (_, index) => `${'a'.repeat(length)}${String(index)}`);
      return { ...asking(), questions: [{ resource: note, actions }] };
    };
    await expect(pdp.check(asked(10))).resolves.toHaveLength(1);
    await expect(pdp.check(asked(1000))).rejects.toMatchObject(refused);
  });

  it('is not reached by a name that is looked up once for all roles', async () => {
    const pdp = await load(
      Array.from({ length: 20 }, (_, index) => ({ ...allow, actions: [`*:x${String(index)}:*`] })),
    );
    const roles = Array.from({ length: 100 }, (_, index) => `r${String(index)}`);
    const request = { ...asking(), principal: { id: 'p', roles, attr: {} } };
    const questions = [{ resource: note, actions: ['a'.repeat(1000)] }];
    await expect(pdp.check({ ...request, questions })).resolves.toHaveLength(1);
  });

  it('counts the outputs', async () => {
    const shared = Array.from({ length: 22 }, (_, i) => `cel.bind(a${String(i + 1)}, [a${String(i)}, a${String(i)}], `);
    const expr = `cel.bind(a0, 1, ${shared.join('')}a22${')'.repeat(23)}`;
    const pdp = await load([{ ...allow, output: { when: { ruleActivated: expr } } }]);
    await expect(pdp.check(asking())).rejects.toMatchObject(refused);
  });

  const deep = Array.from({ length: 24 }).reduce<Attributes>((inner) => ({ a: inner }), { leaf: 1 });
  const names = many.slice(0, 1000).map((index) => `n${String(index)}`);
  const objects = many.slice(0, 2000).map(() => ({}));
  const doubling = Object.fromEntries(
    Array.from({ length: 23 }, (_, index): [string, object] => {
      const before = { $ref: `#/$defs/d${String(index - 1)}` };
      return [`d${String(index)}`, index === 0 ? { type: 'object' } : { oneOf: [before, before] }];
    }),
  );
  const itself = (required: string): object => ({ properties: { a: { $ref: '#' } }, required: [required] });
  it.each<[string, object, Attributes]>([
    ['alternatives that lead to themselves', { anyOf: [itself('y'), itself('z')] }, deep],
    [
      'one of many objects',
      { items: { enum: many.slice(0, 1000).map((i) => ({ i })) } },
      { l: many.map(() => ({ i: 999 })) },
    ],
    ['one of many numbers', { items: { enum: many.slice(0, 1000) } }, { l: many.map(() => 999) }],
    ['items that are all different', { uniqueItems: true }, { l: many.map((i) => ({ i, text: 'x'.repeat(200) })) }],
    ['patterns', { items: { pattern: '([a-z]+)+a$' } }, { l: many.map(() => 'a'.repeat(1000)) }],
    ['names by pattern', { patternProperties: { '^([a-z]+)+@': true } }, wide(20_000)],
    ['lengths', { items: { minLength: 1 } }, { l: many.slice(0, 1000).map(() => 'a'.repeat(20_000)) }],
    ['properties', { items: { properties: Object.fromEntries(names.map((name) => [name, true])) } }, { l: objects }],
    ['names that are required', { items: { not: { required: names } } }, { l: objects }],
    ['names that others require', { items: { dependentRequired: { x: names } } }, { l: objects }],
    [
      'schemas that names require',
      { items: { dependentSchemas: Object.fromEntries(names.map((name) => [name, true])) } },
      { l: objects },
    ],
    ['items', { allOf: names.map(() => ({ items: true })) }, { l: many }],
    ['items that are looked for', { allOf: names.map(() => ({ contains: true })) }, { l: many }],
    ['schemas taken together', { items: { allOf: names.map(() => true) } }, { l: objects }],
    ['schemas that refer to others twice', { $defs: doubling, $ref: '#/$defs/d22' }, {}],
    ['the number of members', { allOf: names.map(() => ({ minProperties: 1 })) }, wide(2000)],
  ])('counts schemas: %s', async (_name, schema, attr) => {
    const pdp = await load([allow], attr['l'] === undefined ? schema : { properties: { l: schema } });
    await expect(pdp.check(asking(attr))).rejects.toMatchObject(refused);
  });

  it('leaves schemas that are as others are', async () => {
    const pdp = await load([allow], { properties: { l: { items: { type: 'number' }, uniqueItems: true } } });
    const [[decision] = []] = await pdp.check(asking({ l: many.slice(0, 1000) }));
    expect(decision?.effect).toBe('allow');
  });
});

function wide(count: number): Attributes {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${'a'.repeat(400)}${String(index)}`, 1]));
}

describe('a schema', () => {
  it.each([{ properties: { n: { minimum: 2 ** 60 - 1 } } }, { properties: { n: { enum: [1, -9007199254740994] } } }])(
    'is refused with a number that may have been rounded: %o',
    async (schema) => {
      await expect(load([allow], schema)).rejects.toMatchObject({ code: 'policies_invalid' });
    },
  );
});

describe('an output that cannot be computed', () => {
  it('is an obligation that nobody knows, on each action of the resource', async () => {
    const pdp = await load([
      { ...allow, actions: ['read'], output: { when: { ruleActivated: 'R.attr.missing' } } },
      allow,
    ]);
    const request = { ...asking(), questions: [{ resource: note, actions: ['write', 'read'] }] };
    const [decisions = []] = await pdp.check(request);
    const types = (decision: Decision): readonly string[] => decision.obligations.map(({ id }) => id);
    expect(decisions.map(types)).toEqual([['output'], ['output']]);
    expect(decisions.map(({ effect }) => effect)).toEqual(['allow', 'allow']);
  });
});

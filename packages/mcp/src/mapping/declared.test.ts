import type { CheckRequest, PolicyDecisionPoint } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { describe, expect, it } from 'vitest';
import { ask } from '../enforce/ask.js';
import { compileMapping, evaluateMapping } from './declared.js';
import type { Question } from './question.js';

const context = contextFor({
  tenant: 'acme',
  provider: 'idp',
  subject: 'alice',
  sub: 'alice@login',
  clientId: 'agent-1',
  claims: { sub: 'alice@login', client_id: 'agent-1', org: 'o', level: 3, groups: ['a', 'b'] },
});
const read = { name: 'read' };
const note = { type: 'note', id: 'n' };

function evaluate(declared: unknown, args: unknown = {}): readonly Question[] {
  const input = { params: { name: 't', arguments: args }, token: context.identity.claims };
  return evaluateMapping(compileMapping(declared), input, context);
}
/** One question whose resource has one property. */
const property = (expression: unknown, args: unknown = {}): unknown =>
  evaluate({ evaluation: { action: read, resource: { ...note, properties: { p: expression } } } }, args)[0]?.resource
    .properties?.['p'];
const failing = (field: RegExp | string): unknown =>
  expect.objectContaining({ code: 'mapping_error', data: { field: expect.stringMatching(field) as string } });

describe('a mapping that cannot be compiled', () => {
  it.each([
    ['nothing', undefined],
    ['no envelope', {}],
    ['both envelopes', { evaluation: { action: read, resource: note }, evaluations: { evaluations: [] } }],
    ['an unknown member', { evaluation: { action: read, resource: note, effect: 'allow' } }],
    ['an unknown member deep inside', { evaluation: { action: read, resource: { ...note, tenant: 'x' } } }],
    ['no action', { evaluation: { resource: note } }],
    ['no resource', { evaluation: { action: read } }],
    ['an id that is a number', { evaluation: { action: read, resource: { type: 'note', id: 7 } } }],
    ['no evaluations', { evaluations: { action: read, resource: note, evaluations: [] } }],
    ['too many', { evaluations: { action: read, resource: note, evaluations: Array(51).fill({}) } }],
    ['a list', []],
    ['a text', 'read'],
  ])('has %s', (_name, declared) => {
    expect(() => compileMapping(declared)).toThrow(failing('x-authzen-mapping'));
  });

  it('lacks an action or a resource that no default gives', () => {
    expect(() => compileMapping({ evaluations: { resource: note, evaluations: [{ action: read }, {}] } })).toThrow(
      failing('evaluations.evaluations\\[1\\]'),
    );
    expect(() => compileMapping({ evaluations: { action: read, evaluations: [{}] } })).toThrow(
      failing('evaluations.evaluations\\[0\\]'),
    );
  });

  it.each(['$', '$params.', '$params.arguments.id ==', '$import("fs")(', `$${'('.repeat(100)}1${')'.repeat(100)}`])(
    'has the expression %s',
    (id) => {
      expect(() => compileMapping({ evaluation: { action: read, resource: { type: 'note', id } } })).toThrow(
        failing('evaluation.resource.id'),
      );
    },
  );
});

describe('a mapping', () => {
  it('takes literals, escaped literals and expressions', () => {
    expect(property('plain')).toBe('plain');
    expect(property('$$5')).toBe('$5');
    expect(property('$params.arguments.id', { id: 'x' })).toBe('x');
    expect(property('$token.org')).toBe('o');
    expect(property(7)).toBe(7);
    expect(property(['$token.org', { deep: '$params.arguments.id' }], { id: 'x' })).toEqual(['o', { deep: 'x' }]);
    // The numbers of JSON are doubles in CEL.
    expect(property('$params.arguments.n + 1.0', { n: 1 })).toBe(2);
    expect(property('$token.groups.exists(g, g == "b")')).toBe(true);
  });

  it('leaves an absent optional out', () => {
    expect(property('$params.arguments.?id')).toBeUndefined();
    expect(property('$params.arguments.?id', { id: 'x' })).toBe('x');
  });

  it('gives each evaluation the defaults that it does not replace', () => {
    const questions = evaluate({
      evaluations: {
        action: read,
        resource: note,
        context: { a: 1 },
        evaluations: [{}, { action: { name: 'write' } }, { resource: { type: 'box', id: 'b' }, context: { b: 2 } }],
      },
    });
    expect(questions).toMatchObject([
      { action: read, resource: note, context: { a: 1 } },
      { action: { name: 'write' }, resource: note, context: { a: 1 } },
      { action: read, resource: { type: 'box', id: 'b' }, context: { b: 2 } },
    ]);
  });

  it('takes an id that is an integer, as text', () => {
    const id = (value: unknown) =>
      evaluate(
        { evaluation: { action: read, resource: { type: 'note', id: '$params.arguments.id' } } },
        { id: value },
      )[0]?.resource.id;
    expect(id(7)).toBe('7');
    for (const bad of [1.5, '', null, true, ['x'], { id: 'x' }, 2 ** 60])
      expect(() => id(bad)).toThrow(failing('resource.id'));
    expect(() => id(undefined)).toThrow(failing('resource.id'));
  });

  it.each([
    ['an action that is empty', { evaluation: { action: { name: '$""' }, resource: note } }, 'action.name'],
    ['a kind that is a number', { evaluation: { action: read, resource: { type: '$1', id: 'n' } } }, 'resource.type'],
    [
      'a member that is not there',
      { evaluation: { action: read, resource: { type: 'note', id: '$params.x' } } },
      'resource.id',
    ],
    [
      'an expression that fails',
      { evaluation: { action: read, resource: { ...note, properties: { p: '$1 / 0' } } } },
      'properties',
    ],
    [
      'a value that is no JSON',
      { evaluation: { action: read, resource: { ...note, properties: { p: '$timestamp("2026-01-01T00:00:00Z")' } } } },
      'properties',
    ],
  ])('refuses %s, and names the field', (_name, declared, field) => {
    expect(() => evaluate(declared)).toThrow(failing(field));
  });

  it('cannot reach what is not given to it', () => {
    for (const expression of [
      '$constructor',
      '$params.constructor',
      '$process',
      '$token.__proto__',
      '$params.toString',
    ])
      expect(() => property(expression)).toThrow(failing('.'));
  });
});

describe('the subject of a mapping', () => {
  const as = (id: string) => evaluate({ evaluation: { subject: { id }, action: read, resource: note } });

  it('is the token’s, by any of its names, and nobody else', () => {
    for (const id of ['$token.sub', 'alice@login', 'alice', 'idp#alice']) expect(as(id)).toHaveLength(1);
    for (const id of ['bob', '$params.name', 'idp#bob', 'acme']) expect(() => as(id)).toThrow(failing('subject.id'));
  });

  it('may be described further, and not otherwise', async () => {
    let sent: CheckRequest | undefined;
    const pdp = {
      check: (request: CheckRequest) => {
        sent = request;
        return Promise.resolve([[{ effect: 'deny' }]]);
      },
    } as unknown as PolicyDecisionPoint;
    const described = (properties: Readonly<Record<string, string>>) =>
      ask(pdp, evaluate({ evaluation: { subject: { properties }, action: read, resource: note } }), context, undefined);
    await described({ shift: 'night' });
    expect(sent?.principal).toMatchObject({ id: 'idp#alice', attr: { tenant: 'acme', shift: 'night' } });
    for (const name of ['tenant', 'plan', 'features', 'scopes', 'provider', 'kind'])
      await expect(described({ [name]: 'globex' })).rejects.toMatchObject({ code: 'mapping_error' });
  });

  it('has the agent that holds the token, and no other', () => {
    const by = (agent: string) =>
      evaluate({ evaluation: { action: read, resource: note, context: { agent, more: 1 } } });
    expect(by('$token.?client_id')[0]?.context).toEqual({ more: 1 });
    expect(() => by('agent-2')).toThrow(failing('context.agent'));
  });
});

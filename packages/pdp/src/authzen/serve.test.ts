import { describe, expect, it } from 'vitest';
import {
  PortcullisError,
  type AttributeValue,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { serveAuthzen, type AuthzenCaller, type ServeAuthzenOptions } from './serve.js';

const url = 'https://pdp.example.com/authz';

/** An engine that notes what it is asked, and allows `read`. */
function engine(check?: PolicyDecisionPoint['check']): PolicyDecisionPoint & { readonly asked: CheckRequest[] } {
  const asked: CheckRequest[] = [];
  const decide = ({ questions, scope }: CheckRequest): Promise<readonly (readonly Decision[])[]> =>
    Promise.resolve(
      questions.map(({ resource, actions }) =>
        actions.map((action) => ({
          effect: action === 'read' ? 'allow' : 'deny',
          action,
          resource: { kind: resource.kind, id: resource.id },
          policy: 'resource.secret-policy',
          policyVersion: 'default',
          scope,
          outputs: [{ source: 'secret-rule', action, value: 1 }],
          obligations: action === 'delete' ? [{ id: 'o', type: 'log', properties: { level: 1 } }] : [],
          callId: 'c',
          durationMs: 1,
          engine: 'test',
        })),
      ),
    );
  return {
    asked,
    engine: 'test',
    check(request, options) {
      asked.push(request);
      return check === undefined ? decide(request) : check(request, options);
    },
    plan: () => Promise.reject(new PortcullisError('pdp_unavailable')),
    close: () => Promise.resolve(),
  };
}

/** What an engine says to `question`. */
function decided(more: Partial<Decision>): Decision {
  return {
    effect: 'allow',
    action: 'read',
    resource: { kind: 'document', id: '1' },
    policy: '',
    policyVersion: 'default',
    scope: 'acme',
    outputs: [],
    obligations: [],
    callId: 'c',
    durationMs: 1,
    engine: 'test',
    ...more,
  };
}

function serve(options: Partial<ServeAuthzenOptions> = {}, pdp = engine()): (request: Request) => Promise<Response> {
  return serveAuthzen(pdp, { url, authenticate: 'none', ...options });
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Request {
  return new Request(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

const one = '/access/v1/evaluation';
const many = '/access/v1/evaluations';
const subject = { type: 'identity', id: 'alice', properties: { tenant: 'acme', 'cerbos.roles': ['member'] } };
const resource = { type: 'document', id: '1', properties: { tenant: 'acme' } };
const question = { subject, resource, action: { name: 'read' } };

describe('who may ask', () => {
  it('has to be said', () => {
    for (const authenticate of [undefined, true, null, 'None'])
      expect(() => serveAuthzen(engine(), { url, authenticate } as never)).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
  });

  it('is nobody who is not recognized, and nothing that they say is read', async () => {
    const pdp = engine();
    const handler = serve({ authenticate: () => undefined }, pdp);
    const request = post(one, question);
    const response = await handler(request);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(request.bodyUsed).toBe(false);
    expect(pdp.asked).toEqual([]);
  });

  it('is nobody who is recognized when the time is over', async () => {
    const pdp = engine();
    let recognize: (caller: AuthzenCaller) => void = () => undefined;
    const authenticate = () => new Promise<AuthzenCaller>((resolve) => (recognize = resolve));
    const request = post(one, question);
    expect((await serve({ authenticate, deadlineMs: 10 }, pdp)(request)).status).toBe(503);
    recognize({ tenants: 'any' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(request.bodyUsed).toBe(false);
    expect(pdp.asked).toEqual([]);
  });

  it('is nobody where it cannot be found out', async () => {
    const pdp = engine();
    const heard: unknown[] = [];
    const onError = (error: unknown): number => heard.push(error);
    for (const authenticate of [
      () => Promise.reject(new Error('the key is hunter2')),
      () => ({}) as never,
      () => ({ tenants: '*' }) as never,
      () => ({ tenants: ['acme', 7] }) as never,
    ]) {
      const response = await serve({ authenticate, onError }, pdp)(post(one, question));
      expect(response.status).toBe(500);
      expect(await response.text()).toBe('the request could not be answered');
    }
    const slow = serve({ authenticate: () => new Promise<never>(() => undefined), deadlineMs: 30, onError }, pdp);
    expect((await slow(post(one, question))).status).toBe(503);
    expect(pdp.asked).toEqual([]);
    expect(heard).toHaveLength(5);
  });

  it.each([
    ['another’s resource', { resource: { ...resource, properties: { tenant: 'globex' } } }],
    [
      'another’s resource, for one’s own person under one’s own policies',
      {
        subject: { ...subject, properties: { tenant: 'acme' } },
        resource: { ...resource, properties: { tenant: 'globex', 'cerbos.scope': 'acme' } },
      },
    ],
    ['another’s person', { subject: { ...subject, properties: { tenant: 'globex' } } }],
    ['a person of no tenant that is one', { subject: { ...subject, properties: { tenant: ['acme'] } } }],
    ['another’s policies', { resource: { ...resource, properties: { tenant: 'acme', 'cerbos.scope': 'globex' } } }],
    ['no tenant’s policies', { resource: { ...resource, properties: { tenant: 'acme', 'cerbos.scope': '' } } }],
    ['policies of a name that begins alike', { subject: { ...subject, properties: { 'cerbos.scope': 'acme2' } } }],
  ])('asks about no other tenant: %s', async (_name, more) => {
    const pdp = engine();
    const handler = serve({ authenticate: () => ({ tenants: ['acme'] }) }, pdp);
    const response = await handler(post(one, { ...question, ...more }));
    expect([response.status, await response.text()]).toEqual([403, 'the caller may not ask about this tenant']);
    // One entry is enough.
    const batch = { ...question, evaluations: [{}, more] };
    expect((await handler(post(many, batch))).status).toBe(403);
    expect(pdp.asked).toEqual([]);
    expect((await handler(post(one, question))).status).toBe(200);
    const below = { ...question, resource: { ...resource, properties: { tenant: 'acme', 'cerbos.scope': 'acme.eu' } } };
    expect((await handler(post(one, below))).status).toBe(200);
    expect((await serve({ authenticate: () => ({ tenants: [] }) })(post(one, question))).status).toBe(403);
  });
});

describe('what is asked', () => {
  async function heard(body: unknown, options?: Partial<ServeAuthzenOptions>): Promise<CheckRequest | undefined> {
    const pdp = engine();
    expect((await serve(options, pdp)(post(one, body))).status).toBe(200);
    return pdp.asked[0];
  }

  it('reaches the engine whole: action properties and context as attributes', async () => {
    const asked = await heard({
      subject,
      action: { name: 'read', properties: { fast: true } },
      resource: { ...resource, properties: { tenant: 'acme', 'cerbos.scope': 'acme.eu', color: 'red' } },
      context: { ip: '10.0.0.1', 'cerbos.includeMeta': true },
    });
    expect(asked).toMatchObject({
      principal: { id: 'alice', roles: ['member'], attr: { tenant: 'acme' } },
      scope: 'acme.eu',
      questions: [
        {
          resource: {
            kind: 'document',
            id: '1',
            tenant: 'acme',
            attr: { color: 'red', action: { fast: true }, context: { ip: '10.0.0.1' } },
          },
          actions: ['read'],
        },
      ],
    });
    expect(Object.keys(asked?.questions[0]?.resource.attr ?? {})).toEqual(['color', 'action', 'context']);
    expect(Object.keys(asked?.principal.attr ?? {})).toEqual(['tenant']);
  });

  it('passes the policies of the resource’s tenant where no scope is named', async () => {
    expect((await heard(question))?.scope).toBe('acme');
  });

  it('gives nobody a role that was not named', async () => {
    expect((await heard({ ...question, subject: { type: 'identity', id: 'alice' } }))?.principal.roles).toEqual([]);
    const none = { ...subject, properties: { 'cerbos.roles': ['none'] } };
    expect((await heard({ ...question, subject: none }))?.principal.roles).toEqual([]);
  });

  it('keeps an attribute of whatever name', async () => {
    const body = `{"subject":{"type":"identity","id":"a","properties":{"__proto__":{"admin":true}}},
      "action":{"name":"read"},"resource":{"type":"d","id":"1","properties":{"tenant":"acme","__proto__":1}}}`;
    const asked = await heard(body);
    expect(Object.entries(asked?.principal.attr ?? {})).toEqual([['__proto__', { admin: true }]]);
    expect(Object.entries(asked?.questions[0]?.resource.attr ?? {})).toEqual([['__proto__', 1]]);
  });

  it('has from the top of a batch what an entry lacks, and nothing of what it has', async () => {
    const pdp = engine();
    const body = {
      subject,
      action: { name: 'read', properties: { fast: true } },
      context: { ip: '10.0.0.1' },
      options: { evaluations_semantic: 'execute_all', other: 1 },
      evaluations: [
        { resource },
        { resource, action: { name: 'write' }, context: { cold: true } },
        { resource, subject: { type: 'identity', id: 'bob' } },
      ],
    };
    const response = await serve({}, pdp)(post(many, body));
    expect(await response.json()).toEqual({
      evaluations: [{ decision: true }, { decision: false }, { decision: true }],
    });
    expect(pdp.asked.map(({ principal, questions }) => [principal.id, questions.map((item) => item.actions)])).toEqual([
      ['alice', [['read'], ['write']]],
      ['bob', [['read']]],
    ]);
    expect(pdp.asked[0]?.questions.map((item) => item.resource.attr)).toEqual([
      { action: { fast: true }, context: { ip: '10.0.0.1' } },
      { context: { cold: true } },
    ]);
    expect(pdp.asked[1]?.principal).toEqual({ id: 'bob', roles: [], attr: {} });
  });

  it('asks about each subject with its own attributes, scope and version', async () => {
    const people: readonly [string, string][] = [
      ['0', 'acme'],
      ['-0', 'acme'],
      ['null', 'acme'],
      ['0', 'acme.eu'],
    ];
    const entry = (x: string, scope: string, version = 'default'): string =>
      `{"subject":{"type":"identity","id":"a","properties":{"x":${x},"cerbos.scope":"${scope}","cerbos.policyVersion":"${version}"}}}`;
    const entries = [...people.map(([x, scope]) => entry(x, scope)), entry('0', 'acme', 'next'), entry('0', 'acme')];
    const top = JSON.stringify({ action: question.action, resource }).slice(0, -1);
    const pdp = engine();
    const response = await serve({}, pdp)(post(many, `${top},"evaluations":[${entries.join()}]}`));
    expect(response.status).toBe(200);
    expect(
      pdp.asked.map(({ principal, scope, policyVersion, questions }) => [
        principal.attr['x'],
        scope,
        policyVersion,
        questions.length,
      ]),
    ).toEqual([
      [0, 'acme', 'default', 2],
      [-0, 'acme', 'default', 1],
      [null, 'acme', 'default', 1],
      [0, 'acme.eu', 'default', 1],
      [0, 'acme', 'next', 1],
    ]);
  });

  it.each([
    ['a number that is not finite', '1e999'],
    ['one below', '[{"a":-1e999}]'],
    ['half a character', String.raw`"\ud800"`],
    ['half a character in a name', String.raw`{"\udc00":1}`],
  ])('is refused where an engine could take it for another: %s', async (_what, value) => {
    const pdp = engine();
    const person = `{"type":"identity","id":"a","properties":{"x":${value}}}`;
    const top = JSON.stringify({ action: question.action, resource }).slice(0, -1);
    for (const [path, body] of [
      [one, `${top},"subject":${person}}`],
      [many, `${top},"evaluations":[{"subject":${person}}]}`],
    ] as const) {
      const response = await serve({}, pdp)(post(path, body));
      expect(response.status).toBe(400);
      expect(await response.text()).toMatch(/^the body holds what no engine can be told/);
    }
    expect(pdp.asked).toEqual([]);
  });

  it.each([
    ['execute_all', ['read', 'write', 'read'], [true, false, true]],
    ['deny_on_first_deny', ['read', 'write', 'read'], [true, false]],
    ['deny_on_first_deny', ['read', 'read'], [true, true]],
    ['permit_on_first_permit', ['write', 'read', 'write'], [false, true]],
    ['permit_on_first_permit', ['write', 'write'], [false, false]],
  ])('ends where `%s` ends: %j', async (semantic, actions, decisions) => {
    const evaluations = actions.map((name) => ({ action: { name } }));
    const body = { ...question, evaluations, options: { evaluations_semantic: semantic } };
    expect(await (await serve()(post(many, body))).json()).toEqual({
      evaluations: decisions.map((decision) => ({ decision })),
    });
  });

  it('is a single evaluation in a batch without entries', async () => {
    for (const body of [question, { ...question, evaluations: [] }])
      expect(await (await serve()(post(many, body))).json()).toEqual({ decision: true });
  });

  const of = (more: object): object => ({ ...question, ...more });
  it.each<[string, unknown, string?]>([
    ['no JSON', 'decision?'],
    ['two subjects', `{"subject":{"type":"identity","id":"a","id":"b"},"action":{"name":"read"}}`],
    ['a list', []],
    ['nothing', {}],
    ['no subject', of({ subject: undefined })],
    ['no action', of({ action: undefined })],
    ['no resource', of({ resource: undefined })],
    ['an empty id', of({ subject: { type: 'identity', id: '' } })],
    ['an id that is a number', of({ subject: { type: 'identity', id: 7 } })],
    ['another type of subject', of({ subject: { ...subject, type: 'service' } })],
    ['a member beside the properties', of({ subject: { ...subject, roles: ['admin'] } })],
    ['an unknown member', of({ subjects: [] })],
    ['a batch where none is taken', of({ evaluations: [] })],
    ['properties that are a list', of({ resource: { ...resource, properties: [] } })],
    ['no tenant', of({ resource: { type: 'document', id: '1' } })],
    ['an empty tenant', of({ resource: { ...resource, properties: { tenant: '' } } })],
    ['a tenant that is none', of({ resource: { ...resource, properties: { tenant: '../acme' } } })],
    ['roles that are one word', of({ subject: { ...subject, properties: { 'cerbos.roles': 'admin' } } })],
    ['a role without a name', of({ subject: { ...subject, properties: { 'cerbos.roles': [''] } } })],
    ['a scope that is a list', of({ subject: { ...subject, properties: { 'cerbos.scope': ['acme'] } } })],
    [
      'two scopes',
      of({
        subject: { ...subject, properties: { 'cerbos.scope': 'acme' } },
        resource: { ...resource, properties: { tenant: 'acme', 'cerbos.scope': 'acme.eu' } },
      }),
    ],
    ['a token for the policies', of({ context: { 'cerbos.auxData': { jwt: { token: 'x' } } } })],
    ['an unknown reserved name', of({ subject: { ...subject, properties: { 'cerbos.role': ['a'] } } })],
    [
      'a context said twice',
      of({ context: { a: 1 }, resource: { ...resource, properties: { tenant: 'acme', context: { a: 2 } } } }),
    ],
    ['too many evaluations', { ...question, evaluations: [{}, {}, {}] }, many],
    ['an unknown semantic', { ...question, evaluations: [{}], options: { evaluations_semantic: 'any' } }, many],
    ['an entry that is nothing', { ...question, evaluations: [null] }, many],
    ['an entry in an entry', { ...question, evaluations: [{ evaluations: [] }] }, many],
  ])('is refused: %s', async (_name, body, path = one) => {
    const pdp = engine();
    const response = await serve({ maxEvaluations: 2 }, pdp)(post(path, body));
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/^[a-z`][^\n]*[^.\n]$/);
    expect(pdp.asked).toEqual([]);
  });

  it('takes other types of subjects where that is said', async () => {
    const user = { ...question, subject: { ...subject, type: 'user' } };
    expect((await heard(user, { subjectTypes: ['user'] }))?.principal.id).toBe('alice');
  });

  it('is as large as it may be, and JSON', async () => {
    const handler = serve({ maxBodyBytes: 400 });
    expect((await handler(post(one, question))).status).toBe(200);
    expect((await handler(post(one, { ...question, context: { a: 'x'.repeat(400) } }))).status).toBe(413);
    const streamed = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(' '.repeat(100)));
      },
    });
    const headers = { 'content-type': 'application/json' };
    const endless = new Request(`${url}${one}`, { method: 'POST', headers, body: streamed, duplex: 'half' } as never);
    expect((await handler(endless)).status).toBe(413);
    expect((await handler(post(one, question, { 'content-type': 'text/plain' }))).status).toBe(415);
  });
});

describe('what is answered', () => {
  it('says of the policies nothing, unless that is offered and asked for', async () => {
    const asking = { ...question, context: { 'cerbos.includeMeta': true } };
    for (const [explain, body] of [
      [false, question],
      [false, asking],
      [true, question],
    ] as const)
      expect(await (await serve({ explain })(post(one, body))).json()).toEqual({ decision: true });
    expect(JSON.stringify(await (await serve({ explain: true })(post(one, asking))).json())).toContain('secret-policy');
  });

  it('brings obligations to all', async () => {
    const response = await serve()(post(one, { ...question, action: { name: 'delete' } }));
    expect(await response.json()).toEqual({
      decision: false,
      context: { obligations: [{ id: 'o', type: 'log', properties: { level: 1 } }] },
    });
  });

  it.each<[string, PolicyDecisionPoint['check']]>([
    ['fails', () => Promise.reject(new PortcullisError('pdp_unavailable', undefined, { detail: 'at 10.0.0.7' }))],
    ['answers nothing', () => Promise.resolve([])],
    ['answers no action', () => Promise.resolve([[]])],
    ['answers nonsense', () => Promise.resolve([[decided({ effect: 'permit' as never })]])],
    ['answers about another action', () => Promise.resolve([[decided({ action: 'write' })]])],
    ['answers about another resource', () => Promise.resolve([[decided({ resource: { kind: 'document', id: '2' } })]])],
    ['answers more than was asked', () => Promise.resolve([[decided({})], [decided({})]])],
    ['answers twice', () => Promise.resolve([[decided({}), decided({ effect: 'deny' })]])],
  ])('is no decision where the engine %s', async (_name, check) => {
    const heard: unknown[] = [];
    const response = await serve({ onError: (error) => heard.push(error) }, engine(check))(post(one, question));
    expect([response.status, await response.text()]).toEqual([503, 'the decision point cannot be asked']);
    expect(heard).toHaveLength(1);
  });

  it('does not wait for an engine longer than it may, and tells it so', async () => {
    let told: AbortSignal | undefined;
    const hang = (_request: CheckRequest, options?: CallOptions): Promise<never> => {
      told = options?.signal;
      return new Promise(() => undefined);
    };
    const response = await serve({ deadlineMs: 30 }, engine(hang))(post(one, question));
    expect(response.status).toBe(503);
    expect(told?.aborted).toBe(true);
  });

  it('tells an engine when the caller has gone', async () => {
    let told: AbortSignal | undefined;
    const gone = new AbortController();
    const hang = (_request: CheckRequest, options?: CallOptions): Promise<never> => {
      told = options?.signal;
      gone.abort();
      return new Promise(() => undefined);
    };
    const response = await serve({}, engine(hang))(new Request(post(one, question), { signal: gone.signal }));
    expect(response.status).toBe(503);
    expect(told?.aborted).toBe(true);
  });

  it('says nothing of an error that is not ours', async () => {
    const response = await serve(
      {},
      engine(() => Promise.reject(new Error('at 10.0.0.7'))),
    )(post(one, question));
    expect([response.status, await response.text()]).toEqual([500, 'the request could not be answered']);
  });

  it('stands, whatever becomes of who is told of errors', async () => {
    const unhandled: unknown[] = [];
    const hear = (error: unknown): number => unhandled.push(error);
    process.on('unhandledRejection', hear);
    for (const onError of [
      () => {
        throw new Error('the log is full');
      },
      (() => Promise.reject(new Error('the log is away'))) as () => void,
    ]) {
      const handler = serve({ authenticate: () => undefined, onError });
      expect((await handler(post(one, question))).status).toBe(401);
      expect((await handler(post('/nothing', question))).status).toBe(404);
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', hear);
    expect(unhandled).toEqual([]);
  });

  it('is told to an operator where it is an error, of whatever kind', async () => {
    const heard: unknown[] = [];
    const handler = serve({
      onError: (error, { requestId }) => heard.push([(error as PortcullisError).code, requestId]),
    });
    const headers = { 'x-request-id': 'r-1' };
    await handler(post('/nothing', question, headers));
    await handler(new Request(`${url}${one}`, { headers }));
    await handler(post(one, {}, headers));
    await handler(post(one, question, headers));
    expect(heard).toEqual(['not_found', 'method_not_allowed', 'request_invalid'].map((code) => [code, 'r-1']));
  });

  it('carries the id of the request, where it can be a header', async () => {
    const pdp = engine();
    const response = await serve({}, pdp)(post(one, question, { 'x-request-id': 'r-1' }));
    expect(response.headers.get('x-request-id')).toBe('r-1');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(pdp.asked[0]?.requestId).toBe('r-1');
    const odd = await serve()(post(one, question, { 'x-request-id': '<script>' }));
    expect(odd.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
  });
});

describe('the limits', () => {
  it('are numbers: what is none would bound nothing', () => {
    for (const limit of ['maxBodyBytes', 'maxEvaluations', 'deadlineMs'])
      for (const value of [Number.NaN, 0]) expect(() => serve({ [limit]: value })).toThrow(`\`${limit}\` has to be`);
  });
});

describe('the metadata', () => {
  it('name the configured place, whatever host was asked', async () => {
    const path = '/.well-known/authzen-configuration/authz';
    for (const host of ['pdp.example.com', 'evil.example']) {
      const headers = { 'x-forwarded-host': 'evil.example' };
      const response = await serve({ authenticate: () => undefined })(
        new Request(`https://${host}${path}`, { headers }),
      );
      const expected: AttributeValue = {
        policy_decision_point: url,
        access_evaluation_endpoint: `${url}/access/v1/evaluation`,
        access_evaluations_endpoint: `${url}/access/v1/evaluations`,
      };
      expect(await response.json()).toEqual(expected);
    }
    expect((await serve()(new Request(`https://pdp.example.com${path}`, { method: 'POST' }))).status).toBe(405);
  });

  it('are all that is there beside the two endpoints', async () => {
    const get = await serve()(new Request(`${url}${one}`));
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    for (const path of ['', '/access/v1/search/resource', '/access/v1/evaluation/', '/ACCESS/v1/evaluation'])
      expect((await serve()(post(path, question))).status).toBe(404);
    const outside = new Request('https://pdp.example.com/access/v1/evaluation', { method: 'POST' });
    expect((await serve()(outside)).status).toBe(404);
  });
});

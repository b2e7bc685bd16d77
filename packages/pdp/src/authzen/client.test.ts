import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type AttributeValue, type CheckRequest, type PolicyDecisionPoint } from '@portcullis/core';
import { noRole as cerbosNoRole } from '../cerbos/translate.js';
import { authzen, type AuthzenSettings } from './client.js';
import { allowInsecureRequests } from './endpoints.js';
import { noRole } from './wire.js';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: AttributeValue;
}

/** A PDP that says whatever a test has it say. */
let server: Server;
let origin: string;
let received: Received[] = [];
let reply: (response: ServerResponse, request: Received) => void;
const opened: PolicyDecisionPoint[] = [];

beforeAll(async () => {
  server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const body = text === '' ? null : (JSON.parse(text) as AttributeValue);
      const request = { path: message.url ?? '', headers: message.headers, body };
      received.push(request);
      reply(response, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});

afterAll(async () => {
  for (const pdp of opened) await pdp.close();
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  received = [];
  reply = (response) => {
    say(response, '{"decision":true}');
  };
});

function say(response: ServerResponse, text: string, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

function ask(settings: AuthzenSettings = {}): PolicyDecisionPoint {
  const pdp = authzen({ url: origin, deadlineMs: 5000, ...settings });
  opened.push(pdp);
  return pdp;
}

const acme = tenantId('acme');
const resource = { kind: 'document', id: '1', tenant: acme };
const principal = { id: 'alice', roles: ['member'], attr: { tenant: 'acme' } };
const question: CheckRequest = { principal, scope: 'acme', questions: [{ resource, actions: ['read'] }] };
const twice: CheckRequest = { ...question, questions: [{ resource, actions: ['read', 'write'] }] };

describe('an answer that is not one', () => {
  const explained = (result: string): string =>
    `{"decision":true,"context":{"cerbos.response":{"results":[${result}]}}}`;
  it.each([
    ['no decision', '{}'],
    ['a decision that is a word', '{"decision":"true"}'],
    ['a decision that is a number', '{"decision":1}'],
    ['a decision inside another', '{"evaluation":{"decision":true}}'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[{"decision":true}]'],
    ['a batch', '{"evaluations":[{"decision":true}]}'],
    ['no JSON', 'decision=true'],
    ['two decisions', '{"decision":false,"decision":true}'],
    ['a context that is a list', '{"decision":true,"context":[]}'],
    ['an error', '{"decision":true,"context":{"error":{"status":500,"message":"no"}}}'],
    ['an error in place of a denial', '{"decision":false,"context":{"error":{"status":404,"message":"no"}}}'],
    ['an explanation that is malformed', '{"decision":true,"context":{"cerbos.response":true}}'],
    ['an explanation of nothing', explained('')],
    [
      'an explanation of something else',
      explained('{"resource":{"kind":"document","id":"2"},"actions":{"read":"EFFECT_ALLOW"}}'),
    ],
    [
      'an explanation of another kind',
      explained('{"resource":{"kind":"ticket","id":"1"},"actions":{"read":"EFFECT_ALLOW"}}'),
    ],
    [
      'an explanation whose policy is a number',
      explained(
        '{"resource":{"kind":"document","id":"1"},"actions":{"read":"EFFECT_ALLOW"},"meta":{"actions":{"read":{"matchedPolicy":7}}}}',
      ),
    ],
    [
      'an explanation of another action',
      explained('{"resource":{"kind":"document","id":"1"},"actions":{"write":"EFFECT_ALLOW"}}'),
    ],
    [
      'an explanation that contradicts the decision',
      explained('{"resource":{"kind":"document","id":"1"},"actions":{"read":"EFFECT_DENY"}}'),
    ],
    [
      'two explanations',
      explained(
        '{"resource":{"kind":"document","id":"1"},"actions":{"read":"EFFECT_ALLOW"}},{"resource":{"kind":"document","id":"1"},"actions":{"read":"EFFECT_ALLOW"}}',
      ),
    ],
    ['too much', `{"decision":true,"context":{"reason":"${'x'.repeat(5000)}"}}`],
  ])('is no allow: %s', async (_name, text) => {
    reply = (response) => {
      say(response, text);
    };
    await expect(ask({ maxResponseBytes: 4000 }).check(question)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(received).toHaveLength(1);
  });

  it.each([201, 204, 400, 401, 403, 404, 429, 500, 503])('is no allow with the status %i', async (status) => {
    reply = (response) => {
      say(response, status === 204 ? '' : '{"decision":true}', status);
    };
    await expect(ask().check(question)).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: `the PDP answered with HTTP status ${String(status)}`,
      ...(status === 400 ? { cause: { name: 'RefusedQuestion' } } : {}),
    });
  });

  it('is no allow as a page, or as the answer to another request', async () => {
    for (const type of ['text/html', 'application/jsonp', 'text/html; application/json']) {
      reply = (response) => {
        say(response, '{"decision":true}', 200, { 'content-type': type });
      };
      await expect(ask().check(question)).rejects.toMatchObject({ detail: 'the answer is not JSON' });
    }
    reply = (response) => {
      say(response, '{"decision":true}', 200, { 'x-request-id': 'r-2' });
    };
    const asked = { ...question, requestId: 'r-1' };
    await expect(ask().check(asked)).rejects.toMatchObject({ detail: 'the answer is to another request' });
    reply = (response) => {
      say(response, '{"decision":true}', 200, { 'x-request-id': 'r-1' });
    };
    expect((await ask().check(asked))[0]?.[0]?.effect).toBe('allow');
  });

  it.each([
    ['one too few', '{"evaluations":[{"decision":true}]}'],
    ['one too many', '{"evaluations":[{"decision":true},{"decision":true},{"decision":true}]}'],
    ['none', '{"evaluations":[]}'],
    ['one for all', '{"decision":true}'],
    ['one that failed', '{"evaluations":[{"decision":true},{"decision":false,"context":{"error":{}}}]}'],
    ['one that is nothing', '{"evaluations":[{"decision":true},null]}'],
  ])('answers no part of a batch: %s', async (_name, text) => {
    reply = (response) => {
      say(response, text);
    };
    await expect(ask().check(twice)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('is no allow without the policies that decided, where they are required', async () => {
    await expect(ask({ requireMeta: true }).check(question)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect((await ask().check(question))[0]?.[0]?.effect).toBe('allow');
  });
});

describe('a PDP that leads elsewhere', () => {
  it('is not followed', async () => {
    reply = (response, { path }) => {
      if (path === '/elsewhere') say(response, '{"decision":true}');
      else response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    };
    await expect(ask({ token: () => 'secret' }).check(question)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(received.map(({ path }) => path)).toEqual(['/access/v1/evaluation']);
    const followed = (request: Request) => fetch(new Request(request, { redirect: 'follow' }));
    await expect(ask({ fetch: followed }).check(question)).rejects.toMatchObject({
      detail: 'the PDP answered with a redirect',
    });
  });

  const metadata = (more: Record<string, string | undefined> = {}): string =>
    JSON.stringify({
      policy_decision_point: origin,
      access_evaluation_endpoint: `${origin}/one`,
      access_evaluations_endpoint: `${origin}/many`,
      ...more,
    });

  it.each([
    ['an endpoint at another origin', () => ({ access_evaluation_endpoint: 'https://evil.example/one' })],
    ['a batch endpoint at another origin', () => ({ access_evaluations_endpoint: 'http://169.254.169.254/latest' })],
    ['an endpoint at another port', () => ({ access_evaluation_endpoint: 'http://127.0.0.1:1/one' })],
    ['an endpoint with credentials', () => ({ access_evaluation_endpoint: origin.replace('//', '//me:pw@') })],
    ['an endpoint with a user', () => ({ access_evaluation_endpoint: origin.replace('//', '//me@') })],
    ['an endpoint with a password', () => ({ access_evaluation_endpoint: origin.replace('//', '//:pw@') })],
    ['an endpoint with a fragment', () => ({ access_evaluation_endpoint: `${origin}/one#two` })],
    ['an endpoint that is no URL', () => ({ access_evaluation_endpoint: '/one' })],
    ['another PDP', () => ({ policy_decision_point: 'https://evil.example' })],
    ['no PDP', () => ({ policy_decision_point: undefined })],
  ])('is refused by its metadata: %s', async (_name, more) => {
    reply = (response) => {
      say(response, metadata(more()));
    };
    const pdp = authzen({ discovery: origin });
    await expect(pdp.check(question)).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: expect.stringMatching(/^the metadata /) as string,
    });
    expect(received.map(({ path }) => path)).toEqual(['/.well-known/authzen-configuration']);
  });

  it('is asked where its metadata say, which are read once and without credentials, and again when they are outdated', async () => {
    let place = 'one';
    reply = (response, { path }) => {
      if (path.startsWith('/.well-known'))
        say(response, metadata({ access_evaluation_endpoint: `${origin}/${place}` }));
      else say(response, '{"decision":true}', path === `/${place}` ? 200 : 404);
    };
    const pdp = authzen({ discovery: origin, token: () => 'secret' });
    await pdp.check(question);
    await pdp.check(question);
    place = 'moved';
    await expect(pdp.check(question)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await pdp.check(question);
    expect(received.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/.well-known/authzen-configuration', undefined],
      ['/one', 'Bearer secret'],
      ['/one', 'Bearer secret'],
      ['/one', 'Bearer secret'],
      ['/.well-known/authzen-configuration', undefined],
      ['/moved', 'Bearer secret'],
    ]);
    await pdp.close();
  });

  it('is asked at the same place again after a failure, and where its place is set, whatever it answers', async () => {
    const answers = async (pdp: PolicyDecisionPoint, status: number): Promise<readonly string[]> => {
      received = [];
      reply = (response, { path }) => {
        if (path.startsWith('/.well-known')) say(response, metadata());
        else say(response, '{"decision":true}', status);
      };
      for (let times = 0; times < 2; times++) await expect(pdp.check(question)).rejects.toBeDefined();
      await pdp.close();
      return received.map(({ path }) => path);
    };
    expect(await answers(authzen({ discovery: origin }), 503)).toEqual([
      '/.well-known/authzen-configuration',
      '/one',
      '/one',
    ]);
    expect(await answers(authzen({ url: origin }), 404)).toEqual(['/access/v1/evaluation', '/access/v1/evaluation']);
  });

  it.each([
    ['at once, where it takes batches', {}, ['/many']],
    ['one by one, where it takes none', { access_evaluations_endpoint: undefined }, ['/one', '/one']],
  ])('is asked %s', async (_name, more, paths) => {
    reply = (response, { path }) => {
      if (path.startsWith('/.well-known')) say(response, metadata(more));
      else
        say(response, path === '/one' ? '{"decision":true}' : '{"evaluations":[{"decision":true},{"decision":true}]}');
    };
    const pdp = authzen({ discovery: origin });
    const [decisions = []] = await pdp.check(twice);
    expect(decisions.map(({ effect, action }) => `${effect} ${action}`)).toEqual(['allow read', 'allow write']);
    expect(received.slice(1).map(({ path }) => path)).toEqual(paths);
    if (paths.length === 1)
      expect(received[1]?.body).toMatchObject({ options: { evaluations_semantic: 'execute_all' } });
    await pdp.close();
  });

  it('inserts the well-known path before the path of the PDP', async () => {
    reply = (response) => {
      say(response, '{}');
    };
    await expect(authzen({ discovery: `${origin}/eu/` }).check(question)).rejects.toBeDefined();
    expect(received[0]?.path).toBe('/.well-known/authzen-configuration/eu');
  });
});

describe('a question', () => {
  it('travels as AuthZEN has it, with what the Cerbos PDP reads', async () => {
    await ask({ headers: () => ({ 'x-gateway': 'g' }) }).check({ ...question, requestId: 'r-1' });
    expect(received[0]?.path).toBe('/access/v1/evaluation');
    expect(received[0]?.headers).toMatchObject({
      ...{ 'x-request-id': 'r-1', 'x-gateway': 'g' },
      ...{ 'content-type': 'application/json', accept: 'application/json' },
    });
    expect(received[0]?.body).toEqual({
      subject: {
        type: 'identity',
        id: 'alice',
        properties: {
          tenant: 'acme',
          'cerbos.roles': ['member'],
          'cerbos.scope': 'acme',
          'cerbos.policyVersion': 'default',
        },
      },
      action: { name: 'read' },
      resource: {
        type: 'document',
        id: '1',
        properties: { tenant: 'acme', 'cerbos.scope': 'acme', 'cerbos.policyVersion': 'default' },
      },
      context: { 'cerbos.includeMeta': true, 'cerbos.requestId': 'r-1' },
    });
  });

  it('is of the policy version that it names, else of the one that is set', async () => {
    const pdp = ask({ policyVersion: 'v2' });
    await pdp.check(question);
    await pdp.check({ ...question, policyVersion: 'v3' });
    expect(received.map(({ body }) => body)).toMatchObject(
      ['v2', 'v3'].map((version) => ({ resource: { properties: { 'cerbos.policyVersion': version } } })),
    );
  });

  it('never says that the resource is another tenant’s than it is', async () => {
    const forged = { ...resource, attr: { tenant: 'globex' } };
    await ask().check({ ...question, questions: [{ resource: forged, actions: ['read'] }] });
    expect(received[0]?.body).toMatchObject({ resource: { properties: { tenant: 'acme' } } });
  });

  it.each([
    ['no role', []],
    ['an empty role', ['']],
  ])('says that somebody with %s has the role of nobody', async (_name, roles) => {
    await ask().check({ ...question, principal: { ...principal, roles } });
    expect(received[0]?.body).toMatchObject({ subject: { properties: { 'cerbos.roles': [noRole] } } });
  });

  it('says the same of nobody’s role as the other client of Cerbos', () => {
    expect(noRole).toBe(cerbosNoRole);
  });

  it.each([
    ['a scope', { 'cerbos.scope': '' }],
    ['roles', { 'cerbos.roles': ['admin'] }],
    ['another name of the PDP', { 'cerbos.auxData': {} }],
    ['no number', { amount: Number.NaN }],
    ['an infinity, deep down', { list: [{ amount: Number.POSITIVE_INFINITY }] }],
    ['half a character', { name: '\ud800' }],
    ['half a character in a name', { '\udc00': 1 }],
    ['half a character in a name, deep down', { list: [{ '\udc00': 1 }] }],
  ])('is not asked with an attribute that is %s', async (_name, attr) => {
    const asked = [
      { ...question, principal: { ...principal, attr } },
      { ...question, questions: [{ resource: { ...resource, attr }, actions: ['read'] }] },
    ];
    for (const request of asked) await expect(ask().check(request)).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(received).toEqual([]);
  });

  it.each<[string, Partial<CheckRequest>]>([
    ['a scope', { scope: 'acme\ud800' }],
    ['a policy version', { policyVersion: '\udc00' }],
    ['an id of the principal', { principal: { ...principal, id: 'a\ud800' } }],
    ['a role', { principal: { ...principal, roles: ['member', '\ud800'] } }],
    ['an action', { questions: [{ resource, actions: ['read', 're\udc00ad'] }] }],
    ['a kind', { questions: [{ resource: { ...resource, kind: '\ud800' }, actions: ['read'] }] }],
    ['an id', { questions: [{ resource: { ...resource, id: '\ud800' }, actions: ['read'] }] }],
  ])('is not asked with %s that has half a character in it', async (_name, more) => {
    await expect(ask().check({ ...question, ...more })).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(received).toEqual([]);
  });

  it('has an id that can be a header, and one for each of its requests', async () => {
    reply = (response, { body }) => {
      const count = (body as { evaluations?: readonly unknown[] }).evaluations?.length;
      const decisions = Array.from({ length: count ?? 0 }, () => ({ decision: false }));
      say(response, count === undefined ? '{"decision":false}' : JSON.stringify({ evaluations: decisions }));
    };
    await ask({ maxEvaluations: 1 }).check({ ...twice, requestId: 'r-1' });
    expect(received.map(({ headers }) => headers['x-request-id']).sort()).toEqual(['r-1.0', 'r-1.1']);
    received = [];
    await ask().check({ ...twice, requestId: 'a\r\nauthorization: Bearer x' });
    expect(received[0]?.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/);
  });

  it('is not sent when there is nothing to ask, nor is it found out where', async () => {
    for (const pdp of [ask(), authzen({ discovery: origin })]) {
      expect(await pdp.check({ ...question, questions: [] })).toEqual([]);
      expect(await pdp.check({ ...question, questions: [{ resource, actions: [] }] })).toEqual([[]]);
    }
    expect(received).toEqual([]);
  });

  it('may be one of many at one time, without a warning of a leak', async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', hear);
    const pdp = ask();
    await Promise.all(Array.from({ length: 30 }, () => pdp.check(question)));
    const parts = Array.from({ length: 30 }, () => ({ resource, actions: ['read'] }));
    await ask({ maxEvaluations: 1, maxConcurrentRequests: 30 }).check({ ...question, questions: parts });
    // Warnings are emitted in a tick of their own.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', hear);
    expect(warnings).toEqual([]);
  });

  it('is not one about all resources of a kind', async () => {
    const plan = { principal, scope: 'acme', kind: 'document', action: 'read', tenant: acme };
    await expect(ask().plan(plan)).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: expect.stringContaining('AuthZEN 1.0 has no query plans') as string,
    });
  });
});

describe('outputs of a Cerbos PDP', () => {
  const explain = (outputs: readonly object[]): void => {
    reply = (response) => {
      const result = { resource: { kind: 'document', id: '1' }, actions: { read: 'EFFECT_ALLOW' }, outputs };
      say(response, JSON.stringify({ decision: true, context: { 'cerbos.response': { results: [result] } } }));
    };
  };
  it('that could not be computed may have been obligations: one that nobody can carry out', async () => {
    explain([{ action: 'read', src: 'rule' }]);
    const [[decided] = []] = await ask().check(question);
    expect(decided?.obligations).toEqual([{ id: 'output', type: 'malformed', properties: {} }]);
    explain([{ action: 'write', src: 'rule' }]);
    const [[again] = []] = await ask().check(question);
    expect(again?.obligations).toEqual([{ id: 'output', type: 'malformed', properties: {} }]);
    explain([{ action: 'read', src: 'rule', val: null }]);
    const [[well] = []] = await ask().check(question);
    expect(well?.obligations).toEqual([]);
    explain([
      { action: 'read', src: 'own', val: 1 },
      { src: 'of all', val: 2 },
      { action: 'write', src: 'of another', val: 3 },
    ]);
    const [[some] = []] = await ask().check(question);
    expect(some?.outputs.map(({ source }) => source)).toEqual(['own', 'of all']);
  });
});

describe('obligations of the draft profile', () => {
  it.each<[string, AttributeValue, unknown]>([
    [
      'as they are',
      [{ id: 'o1', type: 'log', properties: { level: 1 } }],
      [{ id: 'o1', type: 'log', properties: { level: 1 } }],
    ],
    ['without an id', [{ type: 'log' }], [{ id: 'obligations#0', type: 'log', properties: {} }]],
    ['no list', { type: 'log' }, [{ id: 'obligations', type: 'malformed', properties: {} }]],
    ['null', null, [{ id: 'obligations', type: 'malformed', properties: {} }]],
    ['no type', [{ id: 'o1' }], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['nothing', [null], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['an empty type', [{ type: '' }], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['a type that is no text', [{ type: ['log'] }], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['an id that is no text', [{ id: 7, type: 'log' }], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['a word', ['log'], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
    ['no properties', [{ type: 'log', properties: [] }], [{ id: 'obligations#0', type: 'malformed', properties: {} }]],
  ])('are read, or cannot be carried out: %s', async (_name, obligations, expected) => {
    for (const decision of [true, false]) {
      reply = (response) => {
        say(response, JSON.stringify({ decision, context: { obligations } }));
      };
      const [[decided] = []] = await ask().check(question);
      expect(decided?.effect).toBe(decision ? 'allow' : 'deny');
      expect(decided?.obligations).toEqual(expected);
    }
  });
});

describe('an answer that does not come', () => {
  const silent = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"decision":');
  };
  const never = (): Promise<never> => new Promise(() => undefined);

  it.each<[string, AuthzenSettings, ((response: ServerResponse) => void)?]>([
    ['a PDP that is silent', {}, () => undefined],
    ['a PDP that stops in the middle', {}, silent],
    ['a token that does not come', { token: never }],
    ['headers that do not come', { headers: never }],
    ['a fetch that does not listen', { fetch: never }],
  ])('is not waited for: %s', async (_name, settings, silence) => {
    if (silence !== undefined) reply = silence;
    await expect(ask({ ...settings, deadlineMs: 60 }).check(question)).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: 'no answer within 60 ms',
    });
  });

  it('is not waited for when the caller has given up, or the client was closed', async () => {
    reply = () => undefined;
    const caller = new AbortController();
    const given = ask().check(question, { signal: caller.signal });
    caller.abort();
    await expect(given).rejects.toMatchObject({ code: 'pdp_unavailable', detail: 'the caller gave up' });
    const pdp = ask();
    const waiting = pdp.check(question);
    await pdp.close();
    await expect(waiting).rejects.toMatchObject({ code: 'pdp_unavailable', detail: 'the client is closed' });
    await expect(pdp.check(question)).rejects.toMatchObject({ detail: 'the client is closed' });
    await expect(ask().check(question, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      detail: 'the caller gave up',
    });
  });

  it('is followed by no question when the token comes too late', async () => {
    let give: (token: string) => void = () => undefined;
    const sent: string[] = [];
    const pdp = ask({
      token: () => new Promise((resolve) => (give = resolve)),
      fetch: ({ url }) => (sent.push(url), never()),
    });
    const caller = new AbortController();
    const given = pdp.check(question, { signal: caller.signal });
    caller.abort();
    await expect(given).rejects.toMatchObject({ detail: 'the caller gave up' });
    give('t');
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([]);
  });

  it('ends the other requests of its question, and no further ones are sent', async () => {
    const sent: Request[] = [];
    let answerLate: (response: Response) => void = () => undefined;
    const pdp = ask({
      maxEvaluations: 1,
      maxConcurrentRequests: 2,
      fetch: (request) => {
        sent.push(request);
        if (sent.length === 1) return Promise.resolve(new Response('', { status: 500 }));
        return new Promise((resolve) => (answerLate = resolve));
      },
    });
    const questions = [{ resource, actions: ['read', 'write', 'delete'] }];
    await expect(pdp.check({ ...question, questions })).rejects.toMatchObject({
      detail: 'the PDP answered with HTTP status 500',
    });
    expect(sent.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    answerLate(Response.json({ decision: true }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toHaveLength(2);
  });

  it('is pdp_unavailable where nobody listens', async () => {
    const pdp = authzen({ url: 'http://127.0.0.1:1' });
    await expect(pdp.check(question)).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: 'the PDP cannot be reached',
    });
  });
});

describe('a token', () => {
  it('is asked for anew each time', async () => {
    let count = 0;
    const pdp = ask({ token: () => `t${String(++count)}` });
    await pdp.check(question);
    await pdp.check(question);
    expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2']);
  });

  it.each(['authorization', 'Authorization'])('stands instead of a header `%s`', async (name) => {
    await ask({ token: () => 't', headers: () => ({ [name]: 'Bearer other' }) }).check(question);
    expect(received[0]?.headers.authorization).toBe('Bearer t');
  });

  it('that is empty or malformed sends no question, and is in no error', async () => {
    for (const token of ['', 's3cr3t\nx: y', 's3cr3t\u2603']) {
      const error: unknown = await ask({ token: () => token })
        .check(question)
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'pdp_unavailable' });
      expect(inspect(error, { depth: 10 })).not.toContain('s3cr3t');
    }
    expect(received).toEqual([]);
  });
});

describe('the place of a PDP', () => {
  it.each([
    ['no URL', 'pdp.example.com'],
    ['http beyond this machine', 'http://pdp.example.com'],
    ['http to a name that looks like this machine', 'http://localhost.example.com'],
    ['http to a name that ends like this machine', 'http://notlocalhost'],
    ['another scheme', 'ftp://pdp.example.com'],
    ['another scheme on this machine', 'ftp://localhost'],
    ['credentials', 'https://me:pw@pdp.example.com'],
    ['a user', 'https://me@pdp.example.com'],
    ['a password', 'https://:pw@pdp.example.com'],
    ['a query', 'https://pdp.example.com/?a=b'],
    ['a fragment', 'https://pdp.example.com/#'],
  ])('is refused with %s', (_name, url) => {
    expect(() => authzen({ url })).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
    expect(() => authzen({ discovery: url })).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
  });

  it.each(['localhost:8080', '127.0.0.1', '127.0.0.2', '[::1]:3593'])('may be http on this machine: %s', (host) => {
    expect(() => authzen({ url: `http://${host}` })).not.toThrow();
  });

  it('may be http beyond this machine only where that is said aloud', () => {
    expect(() => authzen({ url: 'http://pdp.example.com', [allowInsecureRequests]: true })).not.toThrow();
    expect(() => authzen({ url: 'http://pdp.example.com', allowInsecureRequests: true } as never)).toThrow();
  });

  it('is asked with sensible limits', () => {
    for (const limit of ['deadlineMs', 'maxEvaluations', 'maxConcurrentRequests', 'maxResponseBytes'])
      expect(() => authzen({ url: origin, [limit]: 0 })).toThrow(`\`${limit}\` has to be a number, at least 1`);
  });
});

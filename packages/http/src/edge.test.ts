import { describe, expect, it } from 'vitest';
import { PortcullisError, type IdentityVerifier, type TenantResolver } from '@portcullis/core';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { requireHeaderAgreement } from './agreement.js';
import { bearerToken } from './bearer.js';
import { refusalResponse } from './challenge.js';
import { edge, type Refusal } from './edge.js';
import { resourceMetadata } from './metadata.js';

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : 'other';
  }
};

describe('the bearer token', () => {
  it.each([
    [null, 'token_missing'],
    ['', 'token_missing'],
    ['Basic abc', 'token_missing'],
    ['Bearer', 'token_missing'],
    ['Bearer ', 'token_missing'],
    ['Bearer a b', 'request_invalid'],
    ['Bearer abc, Bearer def', 'request_invalid'],
    ['Bearer a\tb', 'request_invalid'],
    ['Bearer ä', 'request_invalid'],
    ['bearer abc', 'accepted'],
    ['BEARER abc.def-_~+/=', 'accepted'],
  ])('of %j is %s', (header, expected) => {
    expect(codeOf(() => bearerToken(header))).toBe(expected);
  });
});

describe('headers and body', () => {
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a' } };
  it.each<readonly [string, Record<string, string>, object | unknown[], string]>([
    ['that agree pass', { 'mcp-method': 'tools/call', 'mcp-name': 'a' }, call, 'accepted'],
    ['with no header pass', {}, call, 'accepted'],
    ['of another method do not', { 'mcp-method': 'tools/list' }, call, 'header_mismatch'],
    ['of another tool do not', { 'mcp-name': 'b' }, call, 'header_mismatch'],
    ['with a name and no params do not', { 'mcp-name': 'a' }, { ...call, params: undefined }, 'header_mismatch'],
    [
      'of an encoded name that agrees pass',
      { 'mcp-name': `=?base64?${Buffer.from('ü').toString('base64')}?=` },
      { ...call, params: { name: 'ü' } },
      'accepted',
    ],
    [
      'of an encoded name that lies do not',
      { 'mcp-name': `=?base64?${Buffer.from('b').toString('base64')}?=` },
      call,
      'header_mismatch',
    ],
    ['for a batch do not', { 'mcp-method': 'tools/call' }, [call], 'header_mismatch'],
    [
      'of another resource do not',
      { 'mcp-name': 'x://1' },
      { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'x://2' } },
      'header_mismatch',
    ],
  ])('%s', (_name, headers, body, expected) => {
    expect(codeOf(() => requireHeaderAgreement(new Headers(headers), body as never))).toBe(expected);
  });
});

describe('a challenge', () => {
  const metadataUrl = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';
  const challengeOf = (error: PortcullisError): string | null =>
    refusalResponse(error, { metadataUrl }).headers.get('www-authenticate');

  it('says where the metadata is', () => {
    expect(challengeOf(new PortcullisError('token_missing'))).toBe(`Bearer resource_metadata="${metadataUrl}"`);
    expect(challengeOf(new PortcullisError('token_invalid', 'a "quoted"\nthing'))).toBe(
      `Bearer error="invalid_token", error_description="a \\"quoted\\"?thing", resource_metadata="${metadataUrl}"`,
    );
  });

  it('asks for all scopes at once when scope is what is missing', () => {
    const response = refusalResponse(
      new PortcullisError('scope_insufficient', undefined, { data: { scopes: ['a', 'b'] } }),
      { metadataUrl },
    );
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="a b"');
  });

  it('is not sent with a denial: a new token would not help', () => {
    for (const code of ['denied', 'not_a_member', 'tenant_suspended', 'pdp_unavailable'] as const)
      expect(challengeOf(new PortcullisError(code))).toBeNull();
  });
});

describe('the metadata', () => {
  it('is where RFC 9728 puts it', () => {
    expect(
      resourceMetadata({ resource: 'https://a.example/mcp', authorizationServers: ['https://id.example'] }).url,
    ).toBe('https://a.example/.well-known/oauth-protected-resource/mcp');
    expect(resourceMetadata({ resource: 'https://a.example/', authorizationServers: ['https://id.example'] }).url).toBe(
      'https://a.example/.well-known/oauth-protected-resource',
    );
  });

  it.each([
    { resource: 'mcp', authorizationServers: ['https://id.example'] },
    { resource: 'https://a.example/mcp#x', authorizationServers: ['https://id.example'] },
    { resource: 'https://a.example/mcp', authorizationServers: [] },
    { resource: 'https://a.example/mcp', authorizationServers: ['id.example'] },
  ])('is refused when it cannot be right: %j', (options) => {
    expect(codeOf(() => resourceMetadata(options))).toBe('config_invalid');
  });
});

describe('the edge', () => {
  const refusals: Refusal[] = [];
  const identity: IdentityVerifier = {
    verify: (token) =>
      token === 'good'
        ? Promise.resolve(identityFor())
        : token === 'boom'
          ? Promise.reject(new TypeError('bug'))
          : Promise.reject(new PortcullisError('token_invalid')),
  };
  const tenants: TenantResolver = {
    resolve: ({ requestId, header }) =>
      header?.('x-tenant-id') === 'other'
        ? Promise.reject(new PortcullisError('not_a_member'))
        : Promise.resolve(contextFor({ requestId })),
    recheck: (context) => Promise.resolve(context),
  };
  const httpEdge = edge({
    identity,
    tenants,
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: ['https://id.example'],
    allowedOrigins: ['https://app.example.com'],
    maxBodyBytes: 100,
    onRefusal: (refusal) => {
      refusals.push(refusal);
      return Promise.resolve();
    },
  });
  const post = (headers: Record<string, string>, body = '{"jsonrpc":"2.0","id":7,"method":"ping"}'): Promise<unknown> =>
    httpEdge.admit(
      new Request('https://mcp.example.com/mcp', {
        method: 'POST',
        headers: { authorization: 'Bearer good', ...headers },
        body,
      }),
    );
  const status = async (answer: Promise<unknown>): Promise<number | string> => {
    const given = await answer;
    return given instanceof Response ? given.status : 'admitted';
  };

  it.each<readonly [string, Record<string, string>, string | undefined, number | string]>([
    ['a good request', {}, undefined, 'admitted'],
    ['a browser of an allowed origin', { origin: 'https://app.example.com' }, undefined, 'admitted'],
    ['a browser of another origin', { origin: 'https://evil.example' }, undefined, 403],
    ['a browser of a null origin', { origin: 'null' }, undefined, 403],
    ['no token', { authorization: '' }, undefined, 401],
    ['a bad token', { authorization: 'Bearer bad' }, undefined, 401],
    ['a bug in the verifier', { authorization: 'Bearer boom' }, undefined, 503],
    ['another tenant', { 'x-tenant-id': 'other' }, undefined, 403],
    ['a body that is too large', {}, `{"x":"${'a'.repeat(200)}"}`, 413],
    ['a body with duplicate members', {}, '{"id":1,"id":2}', 400],
    ['headers against the body', { 'mcp-method': 'tools/call' }, undefined, 400],
    ['a body that is no JSON, which the server answers', {}, 'nonsense', 'admitted'],
  ])('answers %s', async (_name, headers, body, expected) => {
    expect(await status(post(headers, body))).toBe(expected);
  });

  it('looks at the origin before the token, and at the token before the body', async () => {
    expect(await status(post({ origin: 'https://evil.example', authorization: '' }))).toBe(403);
    expect(await status(post({ authorization: '' }, 'x'.repeat(10_000)))).toBe(401);
  });

  it('tells of each refusal, with the identity where there is one, and answers with the request’s id', async () => {
    refusals.length = 0;
    const answer = (await post({ 'x-tenant-id': 'other' })) as Response;
    expect(((await answer.json()) as { id: unknown }).id).toBe(7);
    expect(refusals).toMatchObject([{ error: { code: 'not_a_member' }, identity: { key: 'test#alice' } }]);
  });

  it('serves the metadata to anybody', async () => {
    const answer = await httpEdge.admit(
      new Request('https://mcp.example.com/.well-known/oauth-protected-resource/mcp'),
    );
    expect(await (answer as Response).json()).toMatchObject({
      resource: 'https://mcp.example.com/mcp',
      authorization_servers: ['https://id.example'],
    });
  });

  it('hands no token on', async () => {
    const admitted = await post({});
    expect((admitted as { request: Request }).request.headers.get('authorization')).toBeNull();
  });
});

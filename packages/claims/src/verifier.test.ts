import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireBearerAuth } from '@modelcontextprotocol/server';
import { isSealedIdentity, PortcullisError } from '@portcullis/core';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';
import { configuredIdentity } from './configured.js';
import { auth0 } from './providers/auth0.js';
import { cognito } from './providers/cognito.js';
import { entra } from './providers/entra.js';
import { oidc } from './providers/oidc.js';
import { okta } from './providers/okta.js';
import { verifier, type TokenVerifier, type VerifierOptions } from './verifier.js';

describe('a verifier', () => {
  let local: LocalIssuer;
  let now = Date.now();
  beforeAll(async () => {
    local = await startIssuer('auth0');
  });
  afterAll(() => local.close());
  beforeEach(() => {
    now = Date.now();
  });

  const make = (options: VerifierOptions = {}): TokenVerifier =>
    verifier([auth0({ issuer: local.issuer, audience: fixtures.audience })], { clock: () => now, ...options });
  const refusal = async (promise: Promise<unknown>): Promise<Readonly<Record<string, unknown>>> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof PortcullisError ? { code: error.code, ...error.data } : { code: String(error) };
  };

  it('remembers a verified token and gives the same identity for it', async () => {
    const identity = make();
    const token = await local.token();
    expect(await identity.verify(token)).toBe(await identity.verify(token));
    expect(isSealedIdentity(await identity.verify(token))).toBe(true);
  });

  it('refuses a remembered token as soon as it has expired', async () => {
    const identity = make();
    const token = await local.token();
    await identity.verify(token);
    now += 3_600_000 + 60_000;
    expect(await refusal(identity.verify(token))).toMatchObject({ code: 'token_invalid', rule: 'expired' });
  });

  it('tells no token from a bad one', async () => {
    expect(await refusal(make().verify(''))).toEqual({ code: 'token_missing' });
    expect(await refusal(make().verify(' '))).toMatchObject({ code: 'token_invalid' });
  });

  it('refuses a token that ends before it begins', async () => {
    const seconds = Math.floor(now / 1000);
    expect(await refusal(make().verify(await local.token({ iat: seconds + 20, exp: seconds + 10 })))).toMatchObject({
      rule: 'lifetime',
      claim: 'exp',
    });
  });

  it('does not look at a token that is too large, however good it is', async () => {
    const token = await local.token({ essay: 'x'.repeat(20_000) });
    expect(await refusal(make().verify(token))).toMatchObject({ code: 'token_invalid', rule: 'format' });
    expect((await make({ maxTokenBytes: 40_000 }).verify(token)).subject).toBe('auth0|alice');
  });

  it('refuses a revoked token, remembered or not, and no other', async () => {
    const identity = make();
    const [revoked, other] = [await local.token({ jti: '1' }), await local.token({ jti: '2' })];
    await identity.verify(revoked);
    identity.revoke({ token: revoked });
    expect(await refusal(identity.verify(revoked))).toMatchObject({ rule: 'revoked' });
    expect((await identity.verify(other)).subject).toBe('auth0|alice');
  });

  it('refuses all tokens of a revoked subject that were issued before', async () => {
    const identity = make();
    const before = await local.token();
    const { key } = await identity.verify(before);
    now += 5000;
    identity.revoke({ subject: key });
    expect(await refusal(identity.verify(before))).toMatchObject({ rule: 'revoked' });
    const after = await local.token({ iat: Math.floor(now / 1000) + 1, exp: Math.floor(now / 1000) + 60 });
    expect((await identity.verify(after)).key).toBe(key);
    expect((await identity.verify(await local.token({ sub: 'auth0|bob' }))).subject).toBe('auth0|bob');
  });

  it('does not hold more tokens than it may', async () => {
    const identity = make({ cacheEntries: 2 });
    const tokens = await Promise.all(['1', '2', '3'].map((jti) => local.token({ jti })));
    const first = await identity.verify(tokens[0]!);
    for (const token of tokens) await identity.verify(token);
    expect(await identity.verify(tokens[0]!)).not.toBe(first);
  });

  it('reads a delegation chain, the present actor first', async () => {
    const token = await local.token({ act: { sub: 'agent-2', iss: 'https://a.example', act: { sub: 'agent-1' } } });
    expect((await make().verify(token)).actors).toEqual([
      { subject: 'agent-2', issuer: 'https://a.example' },
      { subject: 'agent-1' },
    ]);
  });

  it('keeps permissions out of scopes and roles: they are the user’s, and only a claim', async () => {
    const identity = await make().verify(await local.token({ permissions: ['admin:all'] }));
    expect(identity.scopes).not.toContain('admin:all');
    expect(identity.roles).not.toContain('admin:all');
    expect(identity.claims['permissions']).toEqual(['admin:all']);
  });

  it('serves the MCP SDK’s bearer authentication, which answers a refusal with 401', async () => {
    const gate = requireBearerAuth({ verifier: make() });
    const ask = (token: string): ReturnType<typeof gate> =>
      gate(new Request('http://localhost/', { headers: { authorization: `Bearer ${token}` } }));
    const accepted = await ask(await local.token());
    expect(accepted).toMatchObject({ clientId: fixtures.auth0.client });
    const refused = await ask(await local.token({ aud: 'other' }));
    expect(refused).toBeInstanceOf(Response);
    expect((refused as Response).status).toBe(401);
  });
});

describe('a configuration that cannot be right is refused at start-up', () => {
  it.each<readonly [string, () => unknown]>([
    [
      'two issuers of one name',
      () =>
        verifier([
          auth0({ domain: 'a.example', audience: 'x', name: 'n' }),
          auth0({ domain: 'b.example', audience: 'x', name: 'n' }),
        ]),
    ],
    ['a name with a `#`', () => verifier([auth0({ domain: 'a.example', audience: 'x', name: 'a#b' })])],
    ['an issuer over plain http', () => auth0({ issuer: 'http://a.example/', audience: 'x' })],
    ['an issuer with credentials in it', () => auth0({ issuer: 'https://u:p@a.example/', audience: 'x' })],
    ['neither domain nor issuer', () => auth0({ audience: 'x' })],
    ['an empty audience', () => auth0({ domain: 'a.example', audience: '' })],
    ['no audience in a list', () => oidc({ issuer: 'https://a.example', audience: [] })],
    ['no algorithm', () => oidc({ issuer: 'https://a.example', audience: 'x', algorithms: [] })],
    ['a domain name as a directory', () => entra({ tenant: 'contoso.com', audience: 'x' })],
    ['`common` as a directory', () => entra({ tenant: 'common', audience: 'x' })],
    ['a pool id without a region', () => cognito({ userPoolId: 'pool', clientIds: ['x'], tokenUse: 'access' })],
    ['no client', () => cognito({ userPoolId: 'eu-west-1_Abc', clientIds: [], tokenUse: 'access' })],
    ['Auth0 with neither a domain nor an issuer', () => auth0({ audience: 'x' })],
    [
      'Auth0 with a domain and an issuer',
      () => auth0({ domain: 'a.auth0.com', issuer: 'https://b.auth0.com/', audience: 'x' }),
    ],
    ['Okta’s org server', () => okta({ issuer: 'https://acme.okta.com', audience: 'x' })],
    [
      'a key set over plain http',
      () => oidc({ issuer: 'https://a.example', audience: 'x', jwksUri: 'http://a.example/jwks' }),
    ],
    ['a configured principal without a subject', () => configuredIdentity({ subject: '' })],
  ])('%s', (_name, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
  });
});

describe('groups that the provider did not send', () => {
  let local: LocalIssuer;
  beforeAll(async () => {
    local = await startIssuer('entra');
  });
  afterAll(() => local.close());
  const make = (options: VerifierOptions): TokenVerifier =>
    verifier(
      [entra({ name: 'entra', authority: local.origin, tenant: 'registered', audience: fixtures.entra.audience })],
      options,
    );
  const overage = (): Promise<string> => local.token({ groups: undefined, hasgroups: true });

  it('are fetched once for a token, by whoever can', async () => {
    const asked: unknown[] = [];
    const identity = make({
      groupsOf: ({ provider, subject }) => {
        asked.push([provider, subject]);
        return Promise.resolve(['g1', 'g2']);
      },
    });
    const token = await overage();
    expect((await identity.verify(token)).groups).toEqual({ known: true, ids: ['g1', 'g2'] });
    await identity.verify(token);
    expect(asked).toEqual([['entra', `${fixtures.entra.tenant}/${fixtures.entra.oid}`]]);
    // Nobody is asked where the provider sent them.
    await identity.verify(await local.token({ groups: ['g9'] }));
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['fails', () => Promise.reject(new Error('no'))],
    ['hangs', () => new Promise<never>(() => undefined)],
    ['answers garbage', () => Promise.resolve([1] as never)],
  ])('stay unknown, and are not none, when fetching %s', async (_name, groupsOf) => {
    const errors: Error[] = [];
    const identity = make({ groupsOf, fetchTimeoutMs: 300, onError: (error) => errors.push(error) });
    expect((await identity.verify(await overage())).groups).toEqual({ known: false, reason: 'overage' });
    expect(errors).toHaveLength(1);
  });
});

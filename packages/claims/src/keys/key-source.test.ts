import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';
import { oidc } from '../providers/oidc.js';
import { verifier, type TokenVerifier } from '../verifier.js';

describe('published keys', () => {
  let local: LocalIssuer;
  let now: number;
  let identity: TokenVerifier;

  beforeEach(async () => {
    local = await startIssuer('oidc');
    now = Date.now();
    identity = verifier([oidc({ issuer: local.issuer, audience: fixtures.audience })], {
      clock: () => now,
      cacheEntries: 0,
      keysMaxAgeMs: 60_000,
      keysStaleAgeMs: 600_000,
      keysCoolDownMs: 10_000,
      fetchTimeoutMs: 300,
    });
  });
  afterEach(() => local.close());

  const token = (): Promise<string> => local.token({ iat: Math.floor(now / 1000), exp: Math.floor(now / 1000) + 3600 });
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'accepted',
      (error: unknown) => (error instanceof PortcullisError ? error.code : 'other'),
    );

  it('are fetched once for many tokens at the same time', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, token));
    await Promise.all(tokens.map((each) => identity.verify(each)));
    expect(local.jwksRequests).toBe(1);
  });

  it('are fetched again for a new key, as a provider that rotates needs it', async () => {
    await identity.verify(await token());
    await local.rotate();
    now += 10_001;
    await identity.verify(await token());
    expect(local.jwksRequests).toBe(2);
  });

  it('are not fetched again within the cool-down, whatever junk comes', async () => {
    await identity.verify(await token());
    const junk = await local.token({}, { header: { kid: 'junk' } });
    for (let count = 0; count < 50; count++) expect(await codeOf(identity.verify(junk))).toBe('token_invalid');
    expect(local.jwksRequests).toBe(1);
    now += 10_001;
    for (let count = 0; count < 50; count++) expect(await codeOf(identity.verify(junk))).toBe('token_invalid');
    expect(local.jwksRequests).toBe(2);
  });

  it('serve on while the provider is down, until the stated age, and then nothing is accepted', async () => {
    await identity.verify(await token());
    local.misbehave('down');
    now += 300_000;
    expect(await codeOf(identity.verify(await token()))).toBe('accepted');
    now += 300_001;
    expect(await codeOf(identity.verify(await token()))).toBe('keys_unavailable');
    local.misbehave(undefined);
    now += 10_001;
    expect(await codeOf(identity.verify(await token()))).toBe('accepted');
  });

  it.each(['down', 'slow', 'garbage', 'redirect'] as const)(
    'accept nothing when the provider is %s from the start',
    async (how) => {
      local.misbehave(how);
      expect(await codeOf(identity.verify(await token()))).toBe('keys_unavailable');
    },
  );

  it.each<[string, (document: Record<string, unknown>, path: string) => Response]>([
    ['answers with an error status and good keys', (document) => Response.json(document, { status: 500 })],
    [
      'publishes the metadata of another issuer',
      (document, path) =>
        Response.json(
          path.endsWith('openid-configuration') ? { ...document, issuer: 'https://other.example' } : document,
        ),
    ],
    [
      'publishes no keys but a word',
      (document, path) => Response.json(path.includes('jwks') ? { keys: 'none' } : document),
    ],
    [
      'publishes metadata without a key set',
      (document, path) =>
        Response.json(path.endsWith('openid-configuration') ? { issuer: document['issuer'] } : document),
    ],
    [
      'publishes a key set at a plain http address elsewhere',
      (document, path) =>
        Response.json(
          path.endsWith('openid-configuration') ? { ...document, jwks_uri: 'http://192.0.2.1/jwks' } : document,
        ),
    ],
  ])('are not believed when the provider %s', async (_name, answer) => {
    const lying = verifier([oidc({ issuer: local.issuer, audience: fixtures.audience })], {
      fetch: async (url, init) => {
        const path = url instanceof Request ? url.url : String(url);
        return answer((await (await fetch(url, init)).json()) as Record<string, unknown>, path);
      },
    });
    expect(await codeOf(lying.verify(await token()))).not.toBe('accepted');
  });

  it('that were withdrawn stop serving once they are fetched again', async () => {
    const old = await token();
    await identity.verify(old);
    await local.rotate();
    const [, oldKey] = local.keys;
    const signedByOld = await local.token({}, { key: oldKey! });
    now += 60_001;
    expect(await codeOf(identity.verify(signedByOld))).toBe('accepted');
  });
});

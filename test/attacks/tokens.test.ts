import { generateKeyPairSync, createHmac } from 'node:crypto';
import { exportJWK, SignJWT, importJWK, type JWK } from 'jose';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortcullisError, type TokenRule } from '@portcullis/core';
import {
  auth0,
  azureB2c,
  cognito,
  entra,
  entraExternalId,
  oidc,
  okta,
  staticKeys,
  verifier,
  type Issuer,
  type TokenVerifier,
} from '@portcullis/claims';
import {
  fixtures,
  signingKey,
  startIssuer,
  type LocalIssuer,
  type ProviderKind,
  type SigningKey,
} from '@portcullis/testing/issuers';

interface Setup {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly configure: (local: LocalIssuer) => Issuer;
  /** Claims of a good token beside the shape's own. */
  readonly good?: Readonly<Record<string, unknown>>;
  readonly expected: {
    readonly subject: string;
    readonly tenantHint: string | undefined;
    readonly scopes: readonly string[];
  };
  /** Provider-specific attacks: what is changed, and the rule that refuses it. */
  readonly own: [name: string, claims: Readonly<Record<string, unknown>>, rule: TokenRule, claim?: string][];
  /** Whether the audience is `client_id`. */
  readonly audienceClaim: 'aud' | 'client_id';
}

const otherTid = fixtures.entra.otherTenant;

const setups: readonly Setup[] = [
  {
    name: 'auth0',
    kind: 'auth0',
    audienceClaim: 'aud',
    configure: (local) =>
      auth0({
        name: 'auth0',
        issuer: local.issuer,
        audience: fixtures.audience,
        requireOrganization: true,
        rolesClaim: fixtures.auth0.rolesClaim,
      }),
    expected: { subject: 'auth0|alice', tenantHint: fixtures.auth0.organization, scopes: ['openid', 'profile'] },
    own: [
      ['no organization', { org_id: undefined, org_name: 'acme' }, 'claim', 'org_id'],
      ['a number as the organization', { org_id: 7 }, 'claim', 'org_id'],
      ['an object as the roles', { [fixtures.auth0.rolesClaim]: { admin: true } }, 'claim', fixtures.auth0.rolesClaim],
      ['a string where roles are a list', { [fixtures.auth0.rolesClaim]: 'admin' }, 'claim', fixtures.auth0.rolesClaim],
      ['permissions that are no list', { permissions: 'all' }, 'claim', 'permissions'],
      ['a list as the scope', { scope: ['a', 'b'] }, 'claim', 'scope'],
    ],
  },
  {
    name: 'entra, one tenant',
    kind: 'entra',
    audienceClaim: 'aud',
    configure: (local) =>
      entra({
        name: 'entra',
        authority: local.origin,
        tenant: fixtures.entra.tenant,
        audience: fixtures.entra.audience,
      }),
    expected: {
      subject: `${fixtures.entra.tenant}/${fixtures.entra.oid}`,
      tenantHint: fixtures.entra.tenant,
      scopes: ['Documents.Read', 'Documents.Write'],
    },
    own: [
      ['another tenant', { tid: otherTid }, 'issuer', 'iss'],
      ['no tenant', { tid: undefined }, 'issuer', 'iss'],
      ['no object id', { oid: undefined }, 'claim', 'oid'],
      ['an e-mail address as the object id', { oid: 'bob@globex.example' }, 'claim', 'oid'],
      ['the other token version', { ver: '1.0' }, 'claim', 'ver'],
      ['a list of scopes', { scp: ['Documents.Read'] }, 'claim', 'scp'],
      ['neither scopes nor roles', { scp: undefined, roles: undefined }, 'claim', 'scp'],
    ],
  },
  {
    name: 'entra, many tenants',
    kind: 'entra',
    audienceClaim: 'aud',
    configure: (local) =>
      entra({ name: 'entra', authority: local.origin, tenant: 'registered', audience: fixtures.entra.audience }),
    expected: {
      subject: `${fixtures.entra.tenant}/${fixtures.entra.oid}`,
      tenantHint: fixtures.entra.tenant,
      scopes: ['Documents.Read', 'Documents.Write'],
    },
    own: [
      ['a tenant that the issuer does not name', { tid: otherTid }, 'issuer', 'iss'],
      ['the template itself as the tenant', { tid: '{tenantid}' }, 'issuer', 'iss'],
      ['a path as the tenant', { tid: `${fixtures.entra.tenant}/../${otherTid}` }, 'issuer', 'iss'],
      ['upper case as the tenant', { tid: fixtures.entra.tenant.toUpperCase() }, 'issuer', 'iss'],
      ['groups that are no list', { groups: 'admins' }, 'claim', 'groups'],
      ['a number as the object id', { oid: 12 }, 'claim', 'oid'],
    ],
  },
  {
    name: 'cognito, access tokens',
    kind: 'cognito',
    audienceClaim: 'client_id',
    configure: (local) =>
      cognito({
        name: 'cognito',
        endpoint: local.origin,
        userPoolId: fixtures.cognito.userPoolId,
        clientIds: [fixtures.cognito.client],
        tokenUse: 'access',
      }),
    expected: { subject: 'c0a80101-0000-4000-8000-000000000003', tenantHint: 'acme', scopes: ['mcp/tools'] },
    own: [
      ['an id token', { token_use: 'id', aud: fixtures.cognito.client }, 'type', 'token_use'],
      ['no token use', { token_use: undefined }, 'type', 'token_use'],
      ['no client', { client_id: undefined }, 'claim', 'client_id'],
      ['an audience that is not this server', { aud: 'https://other.example' }, 'audience', 'aud'],
      ['a number as the tenant', { 'custom:tenant_id': 5 }, 'claim', 'custom:tenant_id'],
      ['an empty tenant', { 'custom:tenant_id': '' }, 'claim', 'custom:tenant_id'],
    ],
  },
  {
    name: 'cognito, id tokens',
    kind: 'cognito',
    audienceClaim: 'aud',
    good: { token_use: 'id', client_id: undefined, scope: undefined, aud: fixtures.cognito.client },
    configure: (local) =>
      cognito({
        name: 'cognito',
        endpoint: local.origin,
        userPoolId: fixtures.cognito.userPoolId,
        clientIds: [fixtures.cognito.client],
        tokenUse: 'id',
      }),
    expected: { subject: 'c0a80101-0000-4000-8000-000000000003', tenantHint: 'acme', scopes: [] },
    own: [
      ['an access token', { token_use: 'access' }, 'type', 'token_use'],
      ['a list as the token use', { token_use: ['id'] }, 'type', 'token_use'],
      ['groups that are no list', { 'cognito:groups': 'admins' }, 'claim', 'cognito:groups'],
      ['a null tenant', { 'custom:tenant_id': null }, 'claim', 'custom:tenant_id'],
      ['a list as the tenant', { 'custom:tenant_id': ['acme'] }, 'claim', 'custom:tenant_id'],
    ],
  },
  {
    name: 'okta',
    kind: 'okta',
    audienceClaim: 'aud',
    configure: (local) => okta({ name: 'okta', issuer: local.issuer, audience: fixtures.audience }),
    expected: { subject: '00uLocalUser', tenantHint: undefined, scopes: ['docs.read'] },
    own: [
      ['scopes as one string', { scp: 'docs.read' }, 'claim', 'scp'],
      ['a number as the user id', { uid: 1 }, 'claim', 'uid'],
      ['groups that are no list', { groups: 'everyone' }, 'claim', 'groups'],
      ['the org server’s issuer', { iss: 'https://acme.okta.com' }, 'issuer', 'iss'],
      ['a client that is no string', { cid: {} }, 'claim', 'cid'],
    ],
  },
  {
    name: 'entra external id',
    kind: 'external_id',
    audienceClaim: 'aud',
    configure: (local) =>
      entraExternalId({ name: 'external', issuer: local.issuer, audience: fixtures.externalId.client }),
    expected: {
      subject: 'e1e1e1e1-0000-4000-8000-000000000001',
      tenantHint: fixtures.externalId.tenant,
      scopes: ['docs.read'],
    },
    own: [
      ['a number as the tenant', { tid: 1 }, 'claim', 'tid'],
      ['roles that are no list', { roles: 'admin' }, 'claim', 'roles'],
      ['an object id that is no string', { oid: ['x'] }, 'claim', 'oid'],
      ['scopes that are a list', { scp: ['docs.read'] }, 'claim', 'scp'],
      ['an empty tenant', { tid: '' }, 'claim', 'tid'],
    ],
  },
  {
    name: 'azure ad b2c',
    kind: 'b2c',
    audienceClaim: 'aud',
    configure: (local) =>
      azureB2c({
        name: 'b2c',
        issuer: local.issuer,
        audience: fixtures.b2c.client,
        policies: [fixtures.b2c.policy],
        tenantClaim: 'extension_TenantId',
      }),
    expected: { subject: 'f1f1f1f1-0000-4000-8000-000000000001', tenantHint: 'acme', scopes: ['docs.read'] },
    own: [
      ['a policy that is not listed', { tfp: 'B2C_1_weak_signup' }, 'claim', 'tfp'],
      ['no policy', { tfp: undefined }, 'claim', 'tfp'],
      ['a listed policy only as the start of another', { tfp: `${fixtures.b2c.policy}_v2` }, 'claim', 'tfp'],
      ['a number as the tenant', { extension_TenantId: 1 }, 'claim', 'extension_TenantId'],
      ['an older policy claim that is not listed', { tfp: undefined, acr: 'B2C_1_other' }, 'claim', 'tfp'],
    ],
  },
  {
    name: 'any other issuer',
    kind: 'oidc',
    audienceClaim: 'aud',
    configure: (local) =>
      oidc({
        name: 'oidc',
        issuer: local.issuer,
        audience: fixtures.audience,
        claims: { tenant: 'org', roles: 'roles' },
      }),
    expected: { subject: 'grace', tenantHint: 'acme', scopes: ['docs:read'] },
    own: [
      ['a number as the tenant', { org: 1 }, 'claim', 'org'],
      ['an object as the roles', { roles: { a: 1 } }, 'claim', 'roles'],
      ['numbers as scopes', { scope: [1] }, 'claim', 'scope'],
      ['an empty subject', { sub: '' }, 'claim', 'sub'],
      ['an `act` claim that is no object', { act: 'agent' }, 'claim', 'act'],
      ['an `act` claim without a subject', { act: {} }, 'claim', 'act'],
    ],
  },
];

/** An attack: what it is, how the token is made, the rule that refuses it, and the claim that is named. */
type Attack = [name: string, token: () => Promise<string> | string, rule: TokenRule, claim?: string];

/** What the refusal of a token says. */
async function refusalOf(
  identity: TokenVerifier,
  token: string,
): Promise<{ code: string; rule: unknown; claim: unknown }> {
  try {
    await identity.verify(token);
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    const told = JSON.stringify({
      message: error.message,
      detail: error.detail,
      data: error.data,
      public: error.toPublic(),
    });
    if (token.length > 40) expect(told).not.toContain(token.slice(-40));
    return { code: error.code, rule: error.data['rule'], claim: error.data['claim'] };
  }
  return { code: 'accepted', rule: undefined, claim: undefined };
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const hour = 3600;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

describe.each(setups)('tokens of $name', (setup) => {
  let local: LocalIssuer;
  let stranger: LocalIssuer;
  let identity: TokenVerifier;
  let foreignKey: SigningKey;
  let good: string;

  beforeAll(async () => {
    local = await startIssuer(setup.kind);
    stranger = await startIssuer(setup.kind);
    foreignKey = await signingKey('foreign');
    identity = verifier([setup.configure(local)], { keysCoolDownMs: 0 });
    good = await local.token(setup.good);
  });
  afterAll(async () => {
    await local.close();
    await stranger.close();
  });

  it('accepts a good one', async () => {
    const { subject, tenantHint, scopes, key, provider, claims } = await identity.verify(good);
    expect({ subject, tenantHint, scopes }).toEqual(setup.expected);
    expect(key).toBe(`${provider}#${subject}`);
    expect(Object.isFrozen(claims)).toBe(true);
  });

  /** A token with the good one's claims changed, signed as it should be. */
  const changed = (
    claims: Readonly<Record<string, unknown>>,
    options?: Parameters<LocalIssuer['token']>[1],
  ): Promise<string> => local.token({ ...setup.good, ...claims }, options);
  const parts = (): [string, string, string] => good.split('.') as [string, string, string];
  const payloadOf = (token: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

  const attacks: readonly Attack[] = [
    ['not a token', () => 'not-a-token', 'format'],
    ['two parts', () => parts().slice(0, 2).join('.'), 'format'],
    ['four parts', () => `${good}.x`, 'format'],
    ['five parts, as an encrypted token', () => `${good}.x.y`, 'format'],
    ['padding', () => `${good}=`, 'format'],
    ['standard base64', () => `${parts()[0]}.${parts()[1]}.+/${parts()[2].slice(2)}`, 'format'],
    ['a line break inside', () => `${parts()[0]}.${parts()[1]}\n.${parts()[2]}`, 'format'],
    [
      'bits left over',
      () => `${parts()[0]}.${parts()[1]}.${parts()[2].slice(0, -1)}${parts()[2].endsWith('B') ? 'D' : 'B'}`,
      'format',
    ],
    ['far too large', () => `${parts()[0]}.${'A'.repeat(20_000)}.${parts()[2]}`, 'format'],
    ['a header that is no object', () => `${encode([])}.${parts()[1]}.${parts()[2]}`, 'format'],
    ['a payload that is no object', () => `${parts()[0]}.${encode('"x"')}.${parts()[2]}`, 'format'],
    [
      'duplicate claims',
      () => `${parts()[0]}.${encode(JSON.stringify(payloadOf(good)).replace('{', '{"sub":"root",'))}.${parts()[2]}`,
      'format',
    ],
    [
      'a `__proto__` claim',
      () =>
        `${parts()[0]}.${encode(JSON.stringify(payloadOf(good)).replace('{', '{"__proto__":{"admin":true},'))}.${parts()[2]}`,
      'format',
    ],
    ['the algorithm `none`', () => `${encode({ alg: 'none', typ: 'JWT' })}.${parts()[1]}.`, 'algorithm'],
    ['the algorithm `nOnE`', () => `${encode({ alg: 'nOnE', typ: 'JWT' })}.${parts()[1]}.`, 'algorithm'],
    [
      'HS256 with the public key as the secret',
      () => {
        const head = encode({ alg: 'HS256', kid: local.keys[0]?.kid });
        const mac = createHmac('sha256', JSON.stringify(local.keys[0]?.publicJwk))
          .update(`${head}.${parts()[1]}`)
          .digest('base64url');
        return `${head}.${parts()[1]}.${mac}`;
      },
      'algorithm',
    ],
    [
      'another algorithm than is allowed',
      async () => changed({}, { key: await signingKey('es', 'ES256') }),
      'algorithm',
    ],
    ['an unknown key id', () => changed({}, { key: foreignKey }), 'key'],
    [
      'a known key id over another key',
      () => changed({}, { key: { ...foreignKey, kid: local.keys[0]?.kid ?? '' } }),
      'signature',
    ],
    [
      'a key of the same provider’s other issuer',
      () => changed({}, { key: { ...stranger.keys[0]!, kid: local.keys[0]?.kid ?? '' } }),
      'signature',
    ],
    ['a path as the key id', () => changed({}, { header: { kid: '../../../etc/passwd' } }), 'key'],
    ['a key id that is no string', () => changed({}, { header: { kid: 7 } }), 'header'],
    ['a `jku` header', () => changed({}, { header: { jku: stranger.jwksUri } }), 'header'],
    ['an embedded key', () => changed({}, { header: { jwk: foreignKey.publicJwk } }), 'header'],
    ['an `x5u` header', () => changed({}, { header: { x5u: 'https://evil.example/cert' } }), 'header'],
    [
      'an unknown critical header',
      () => `${encode({ alg: 'RS256', kid: local.keys[0]?.kid, crit: ['exp2'], exp2: 1 })}.${parts()[1]}.${parts()[2]}`,
      'header',
    ],
    ['an id-token-like `typ`', () => changed({}, { header: { typ: 'id+jwt' } }), 'type'],
    ['a `typ` of another protocol', () => changed({}, { header: { typ: 'oauth-id-jag+jwt' } }), 'type'],
    [
      'a changed payload under the old signature',
      () => `${parts()[0]}.${encode({ ...payloadOf(good), sub: 'root', oid: 'root' })}.${parts()[2]}`,
      'signature',
    ],
    ['an empty signature', () => `${parts()[0]}.${parts()[1]}.`, 'signature'],
    ['no issuer', () => changed({ iss: undefined }), 'issuer', 'iss'],
    ['another issuer', () => changed({ iss: 'https://evil.example/' }), 'issuer', 'iss'],
    ['the issuer with one character more', () => changed({ iss: `${local.issuer}x` }), 'issuer', 'iss'],
    ['a list as the issuer', () => changed({ iss: [local.issuer] }), 'issuer', 'iss'],
    ['a token of the other issuer, whole', () => stranger.token(setup.good), 'issuer', 'iss'],
    ['no expiry', () => changed({ exp: undefined }), 'claim', 'exp'],
    ['an expiry as text', () => changed({ exp: String(nowSeconds() + hour) }), 'claim', 'exp'],
    ['an expiry beyond all time', () => changed({ exp: 1e300 }), 'claim', 'exp'],
    ['a negative expiry', () => changed({ exp: -1 }), 'claim', 'exp'],
    ['expired', () => changed({ iat: nowSeconds() - 2 * hour, exp: nowSeconds() - hour }), 'expired', 'exp'],
    [
      'expired by just more than the tolerance',
      () => changed({ iat: nowSeconds() - hour, exp: nowSeconds() - 31 }),
      'expired',
      'exp',
    ],
    ['not valid yet', () => changed({ nbf: nowSeconds() + 120 }), 'not_yet_valid', 'nbf'],
    [
      'issued in the future',
      () => changed({ iat: nowSeconds() + 600, exp: nowSeconds() + hour }),
      'not_yet_valid',
      'iat',
    ],
    ['a lifetime of ten years', () => changed({ exp: nowSeconds() + 10 * 365 * 24 * hour }), 'lifetime', 'exp'],
    ['a start that is no number', () => changed({ nbf: 'now' }), 'claim', 'nbf'],
    ['no subject', () => changed({ sub: undefined }), 'claim', 'sub'],
    ['an object as the subject', () => changed({ sub: { id: 'root' } }), 'claim', 'sub'],
    [
      'an `act` chain without an end',
      () =>
        changed({
          act: Array.from({ length: 12 }).reduce<unknown>((inner) => ({ sub: 'agent', act: inner }), undefined),
        }),
      'claim',
      'act',
    ],
  ];

  it.each(attacks)('refuses %s', async (_name, token, rule, claim) => {
    const refusal = await refusalOf(identity, await token());
    expect(refusal).toMatchObject({ code: 'token_invalid', rule, ...(claim === undefined ? {} : { claim }) });
  });

  const audienceAttacks: readonly (readonly [string, unknown])[] = [
    ['another server', 'https://other.example/mcp'],
    [
      'this server with one character more',
      `${setup.audienceClaim === 'aud' ? fixtures.audience : fixtures.cognito.client}x`,
    ],
    ['nobody', ''],
    ['this server and a number', [setup.audienceClaim === 'aud' ? fixtures.audience : fixtures.cognito.client, 7]],
    ['this server and nobody', [setup.audienceClaim === 'aud' ? fixtures.audience : fixtures.cognito.client, '']],
  ];
  it.each(audienceAttacks)('refuses a token for %s', async (_name, audience) => {
    const refusal = await refusalOf(identity, await changed({ [setup.audienceClaim]: audience }));
    expect(refusal.code).toBe('token_invalid');
    expect(['audience', 'claim']).toContain(refusal.rule);
    expect(refusal.claim).toBe(setup.audienceClaim);
  });

  // Cognito says which kind it is in `token_use`; its own rules try that.
  it.each(setup.kind === 'cognito' ? [] : ['nonce', 'at_hash', 'c_hash'])(
    'refuses an id token, told by `%s`',
    async (claim) => {
      expect(await refusalOf(identity, await changed({ [claim]: 'x' }))).toMatchObject({
        code: 'token_invalid',
        rule: 'type',
        claim,
      });
    },
  );

  it.each(setup.own)('refuses %s (its own rule)', async (_name, claims, rule, claim) => {
    expect(await refusalOf(identity, await changed(claims))).toMatchObject({
      code: 'token_invalid',
      rule,
      ...(claim === undefined ? {} : { claim }),
    });
  });

  it('never answers a mangled token with anything but a refusal', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.string({ unit: 'binary-ascii', maxLength: 3 }),
        fc.nat(6),
        async (at, insert, remove) => {
          const position = at % good.length;
          const mangled = good.slice(0, position) + insert + good.slice(position + remove);
          if (mangled === good) return;
          const { code } = await refusalOf(identity, mangled);
          expect(['token_invalid', 'token_missing']).toContain(code);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('confusions between issuers', () => {
  it('refuses a token of one configured issuer that is signed by another’s key', async () => {
    const [one, two] = [await startIssuer('oidc'), await startIssuer('oidc')];
    const identity = verifier([
      oidc({ name: 'one', issuer: one.issuer, audience: fixtures.audience }),
      oidc({ name: 'two', issuer: two.issuer, audience: fixtures.audience }),
    ]);
    expect((await identity.verify(await one.token())).provider).toBe('one');
    const forged = await one.token({}, { key: { ...two.keys[0]!, kid: one.keys[0]!.kid } });
    expect(await refusalOf(identity, forged)).toMatchObject({ rule: 'signature' });
    await Promise.all([one.close(), two.close()]);
  });

  it('gives one user of Entra the same key in both token versions', async () => {
    const local = await startIssuer('entra');
    const identity = verifier([
      entra({
        name: 'entra',
        authority: local.origin,
        v1Authority: `${local.origin}/sts`,
        tenant: 'registered',
        audience: fixtures.entra.audience,
        versions: ['1.0', '2.0'],
      }),
    ]);
    const v1 = await local.token({
      iss: `${local.origin}/sts/${fixtures.entra.tenant}/`,
      ver: '1.0',
      appid: 'old-agent',
      azp: undefined,
    });
    const [first, second] = [await identity.verify(v1), await identity.verify(await local.token())];
    expect(first.key).toBe(second.key);
    expect(first.clientId).toBe('old-agent');
    await local.close();
  });

  it('refuses a key that the key set ties to another directory', async () => {
    const local = await startIssuer('entra');
    const key = await signingKey('tied', 'RS256', {
      issuer: `${local.origin}/${fixtures.entra.otherTenant}/v2.0`,
      alg: undefined,
    });
    const identity = verifier([
      entra({
        name: 'entra',
        authority: local.origin,
        tenant: 'registered',
        audience: fixtures.entra.audience,
        keys: staticKeys({ keys: [key.publicJwk] }),
      }),
    ]);
    expect(await refusalOf(identity, await local.token({}, { key }))).toMatchObject({ rule: 'key' });
    const own = await local.token(
      { tid: fixtures.entra.otherTenant, iss: `${local.origin}/${fixtures.entra.otherTenant}/v2.0` },
      { key },
    );
    expect((await identity.verify(own)).tenantHint).toBe(fixtures.entra.otherTenant);
    await local.close();
  });

  it('refuses personal Microsoft accounts', async () => {
    const local = await startIssuer('entra');
    const tid = '9188040d-6c67-4c5b-b112-36a304b66dad';
    const identity = verifier([
      entra({ name: 'entra', authority: local.origin, tenant: 'registered', audience: fixtures.entra.audience }),
    ]);
    expect(await refusalOf(identity, await local.token({ tid, iss: `${local.origin}/${tid}/v2.0` }))).toMatchObject({
      rule: 'issuer',
    });
    await local.close();
  });

  it.each([
    'organizations',
    'common',
    '72F988BF-86F1-41AF-91AB-2D7CD011DB47',
    '../72f988bf-86f1-41af-91ab-2d7cd011db47',
  ])('refuses `%s` in place of a directory id', async (tid) => {
    const local = await startIssuer('entra');
    const identity = verifier([
      entra({ name: 'entra', authority: local.origin, tenant: 'registered', audience: fixtures.entra.audience }),
    ]);
    expect(await refusalOf(identity, await local.token({ tid, iss: `${local.origin}/${tid}/v2.0` }))).toMatchObject({
      code: 'token_invalid',
      rule: 'issuer',
    });
    await local.close();
  });

  it('says that groups are unknown when the provider sent a pointer to them', async () => {
    const local = await startIssuer('entra');
    const identity = verifier([
      entra({ name: 'entra', authority: local.origin, tenant: 'registered', audience: fixtures.entra.audience }),
    ]);
    for (const overage of [{ hasgroups: true }, { _claim_names: { groups: 'src1' } }]) {
      expect((await identity.verify(await local.token({ groups: undefined, ...overage }))).groups).toEqual({
        known: false,
        reason: 'overage',
      });
    }
    await local.close();
  });
});

describe('keys that no issuer should publish', () => {
  const rsa = (bits: number, publicExponent = 65_537): { jwk: JWK; privateJwk: JWK } => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits, publicExponent });
    return { jwk: publicKey.export({ format: 'jwk' }), privateJwk: privateKey.export({ format: 'jwk' }) };
  };
  const sign = async (privateJwk: JWK, kid: string): Promise<string> =>
    new SignJWT({
      iss: 'https://id.example.com',
      aud: fixtures.audience,
      sub: 'x',
      iat: nowSeconds(),
      exp: nowSeconds() + hour,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(await importJWK(privateJwk, 'RS256'));
  const verifierFor = (keys: readonly object[]): TokenVerifier =>
    verifier([
      oidc({ name: 'x', issuer: 'https://id.example.com', audience: fixtures.audience, keys: staticKeys({ keys }) }),
    ]);

  it('takes a sound one', async () => {
    const { jwk, privateJwk } = rsa(2048);
    expect((await verifierFor([{ ...jwk, kid: 'k' }]).verify(await sign(privateJwk, 'k'))).subject).toBe('x');
  });

  it.each([
    ['for encryption', { use: 'enc' }],
    ['not for verifying', { key_ops: ['encrypt'] }],
    ['of another algorithm', { alg: 'PS256' }],
  ])('leaves out one that is %s', async (_name, members) => {
    const { jwk, privateJwk } = rsa(2048);
    expect(await refusalOf(verifierFor([{ ...jwk, kid: 'k', ...members }]), await sign(privateJwk, 'k'))).toMatchObject(
      { rule: 'key' },
    );
  });

  it.each([
    ['is padded', (n: string) => `${n}==`],
    ['has foreign characters', (n: string) => `${n.slice(0, -1)}+`],
    ['is no text', () => 65_537],
  ])('leaves out one whose modulus %s, and uses the others', async (_name, change) => {
    const [bad, good] = [rsa(2048), rsa(2048)];
    const identity = verifierFor([
      { ...bad.jwk, n: change(String(bad.jwk.n)), kid: 'bad' },
      { ...good.jwk, kid: 'good' },
    ]);
    expect(await refusalOf(identity, await sign(bad.privateJwk, 'bad'))).toMatchObject({ rule: 'key' });
    expect((await identity.verify(await sign(good.privateJwk, 'good'))).subject).toBe('x');
  });

  it('leaves out one whose private part is published', async () => {
    const { privateJwk } = rsa(2048);
    expect(await refusalOf(verifierFor([{ ...privateJwk, kid: 'k' }]), await sign(privateJwk, 'k'))).toMatchObject({
      rule: 'key',
    });
  });

  it.each([
    ['1024 bits', 'AQAB', 128],
    ['the exponent 1', 'AQ', 256],
    ['an even exponent', 'Ag', 256],
  ])('leaves out RSA with %s', async (_name, e, bytes) => {
    const sound = rsa(2048);
    const n = Buffer.concat([Buffer.from([0xc1]), Buffer.alloc(bytes - 2, 7), Buffer.from([1])]).toString('base64url');
    expect(
      await refusalOf(verifierFor([{ kty: 'RSA', n, e, kid: 'k' }]), await sign(sound.privateJwk, 'k')),
    ).toMatchObject({ rule: 'key' });
  });

  it('leaves out a modulus with the ROCA fingerprint', async () => {
    const sound = rsa(2048);
    // A power of 65537 modulo the primorial of the test’s primes, lifted to 2048 bits, has the fingerprint.
    const primes = [11n, 13n, 17n, 19n, 37n, 53n, 61n, 71n, 73n, 79n, 97n, 103n, 107n, 109n, 127n, 151n, 157n];
    const primorial = primes.reduce((product, prime) => product * prime, 2n);
    const lifted = ((1n << 2047n) / primorial) * primorial + 65_537n ** 5n + 4n * primorial;
    const n = Buffer.from(lifted.toString(16).padStart(512, '0'), 'hex').toString('base64url');
    expect(
      await refusalOf(verifierFor([{ kty: 'RSA', n, e: 'AQAB', kid: 'k' }]), await sign(sound.privateJwk, 'k')),
    ).toMatchObject({ rule: 'key' });
  });

  it('does not choose between two keys of one id', async () => {
    const [one, two] = [rsa(2048), rsa(2048)];
    expect(
      await refusalOf(
        verifierFor([
          { ...one.jwk, kid: 'k' },
          { ...two.jwk, kid: 'k' },
        ]),
        await sign(one.privateJwk, 'k'),
      ),
    ).toMatchObject({ rule: 'key' });
  });

  it('does not verify an EC signature with an RSA key, nor with a curve off the list', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const jwk = { ...(await exportJWK(publicKey).catch(() => publicKey.export({ format: 'jwk' }) as JWK)), kid: 'k' };
    expect(privateKey.asymmetricKeyType).toBe('ec');
    const { privateJwk } = rsa(2048);
    expect(await refusalOf(verifierFor([jwk]), await sign(privateJwk, 'k'))).toMatchObject({ rule: 'key' });
  });
});

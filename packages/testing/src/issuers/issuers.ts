import { SignJWT, type CryptoKey } from 'jose';
import { signingKey, type SigningKey } from './key-pair.js';
import { serveDocuments, type Misbehaviour } from './server.js';

/** The providers that a local issuer can stand in for. */
export type ProviderKind = 'auth0' | 'entra' | 'cognito' | 'okta' | 'external_id' | 'b2c' | 'oidc';

/** What a token says; `undefined` leaves a claim out. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** How a token is signed. */
export interface TokenOptions {
  readonly header?: Readonly<Record<string, unknown>>;
  /** Another key than the issuer's present one. */
  readonly key?: { readonly privateKey: CryptoKey; readonly kid: string; readonly algorithm: string };
}

/** An identity provider on this machine: real keys, real HTTP, tokens of the provider's exact shape. */
export interface LocalIssuer {
  readonly kind: ProviderKind;
  /** The value of `iss`. */
  readonly issuer: string;
  /** The base that a provider's configuration takes in place of the real one. */
  readonly origin: string;
  readonly jwksUri: string;
  /** The keys that are published now. */
  readonly keys: readonly SigningKey[];
  /** Signs a token of the provider's shape, with claims changed or left out. */
  token(claims?: TokenClaims, options?: TokenOptions): Promise<string>;
  /** Publishes a new key and signs with it from now on. */
  rotate(): Promise<void>;
  misbehave(how: Misbehaviour): void;
  /** How often the key set was fetched. */
  readonly jwksRequests: number;
  close(): Promise<void>;
}

/** Fixed values of the local issuers, for configuring a server against them. */
export const fixtures = {
  audience: 'https://mcp.example.com/mcp',
  auth0: { organization: 'org_acme0000000001', client: 'auth0-agent', rolesClaim: 'https://example.com/roles' },
  entra: {
    tenant: '72f988bf-86f1-41af-91ab-2d7cd011db47',
    otherTenant: 'b1a2c3d4-0000-4000-8000-000000000001',
    audience: '11111111-2222-4333-8444-555555555555',
    client: '99999999-8888-4777-8666-555555555555',
    oid: '0f3c6a3e-1111-4222-8333-444444444444',
  },
  cognito: { userPoolId: 'eu-west-1_LocalPool1', client: '7localclient', tenant: 'acme' },
  okta: { client: '0oaLocalClient' },
  externalId: { tenant: 'c0ffee00-0000-4000-8000-00000000beef', client: 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee' },
  b2c: {
    tenant: 'b2c0b2c0-0000-4000-8000-00000000b2c0',
    client: 'bbbbbbbb-cccc-4ddd-8eee-ffffffffffff',
    policy: 'B2C_1_signin',
  },
} as const;

interface Shape {
  readonly issuer: (origin: string) => string;
  readonly jwksPath: string;
  readonly metadata: (origin: string) => Readonly<Record<string, unknown>>;
  readonly claims: (origin: string) => TokenClaims;
  readonly header: Readonly<Record<string, unknown>>;
  readonly published?: (origin: string) => Readonly<Record<string, unknown>>;
}

const shapes: Readonly<Record<ProviderKind, Shape>> = {
  auth0: {
    issuer: (origin) => `${origin}/`,
    jwksPath: '/.well-known/jwks.json',
    metadata: (origin) => ({
      '/.well-known/openid-configuration': { issuer: `${origin}/`, jwks_uri: `${origin}/.well-known/jwks.json` },
    }),
    header: { typ: 'JWT' },
    claims: (origin) => ({
      iss: `${origin}/`,
      sub: 'auth0|alice',
      aud: [fixtures.audience, `${origin}/userinfo`],
      azp: fixtures.auth0.client,
      scope: 'openid profile',
      permissions: ['docs:read'],
      org_id: fixtures.auth0.organization,
      [fixtures.auth0.rolesClaim]: ['editor'],
    }),
  },
  entra: {
    issuer: (origin) => `${origin}/${fixtures.entra.tenant}/v2.0`,
    jwksPath: '/organizations/discovery/v2.0/keys',
    metadata: (origin) => ({
      '/organizations/v2.0/.well-known/openid-configuration': {
        issuer: `${origin}/{tenantid}/v2.0`,
        jwks_uri: `${origin}/organizations/discovery/v2.0/keys`,
      },
      [`/${fixtures.entra.tenant}/v2.0/.well-known/openid-configuration`]: {
        issuer: `${origin}/${fixtures.entra.tenant}/v2.0`,
        jwks_uri: `${origin}/organizations/discovery/v2.0/keys`,
      },
    }),
    published: (origin) => ({ issuer: `${origin}/{tenantid}/v2.0`, alg: undefined }),
    header: { typ: 'JWT' },
    claims: (origin) => ({
      iss: `${origin}/${fixtures.entra.tenant}/v2.0`,
      aud: fixtures.entra.audience,
      sub: 'pairwise-subject-of-bob',
      oid: fixtures.entra.oid,
      tid: fixtures.entra.tenant,
      ver: '2.0',
      azp: fixtures.entra.client,
      scp: 'Documents.Read Documents.Write',
      roles: ['Editor'],
      groups: ['5f2b8f3e-0000-4000-8000-000000000001'],
      name: 'Bob',
      preferred_username: 'bob@globex.example',
    }),
  },
  cognito: {
    issuer: (origin) => `${origin}/${fixtures.cognito.userPoolId}`,
    jwksPath: `/${fixtures.cognito.userPoolId}/.well-known/jwks.json`,
    metadata: (origin) => ({
      [`/${fixtures.cognito.userPoolId}/.well-known/openid-configuration`]: {
        issuer: `${origin}/${fixtures.cognito.userPoolId}`,
        jwks_uri: `${origin}/${fixtures.cognito.userPoolId}/.well-known/jwks.json`,
      },
    }),
    header: {},
    claims: (origin) => ({
      iss: `${origin}/${fixtures.cognito.userPoolId}`,
      sub: 'c0a80101-0000-4000-8000-000000000003',
      client_id: fixtures.cognito.client,
      token_use: 'access',
      username: 'carol',
      scope: 'mcp/tools',
      'cognito:groups': ['support'],
      'custom:tenant_id': fixtures.cognito.tenant,
      origin_jti: 'origin',
      jti: 'cognito-jti',
      auth_time: 1_700_000_000,
    }),
  },
  okta: {
    issuer: (origin) => `${origin}/oauth2/default`,
    jwksPath: '/oauth2/default/v1/keys',
    metadata: (origin) => ({
      '/oauth2/default/.well-known/openid-configuration': {
        issuer: `${origin}/oauth2/default`,
        jwks_uri: `${origin}/oauth2/default/v1/keys`,
      },
    }),
    header: {},
    claims: (origin) => ({
      iss: `${origin}/oauth2/default`,
      aud: fixtures.audience,
      sub: 'dave@example.com',
      uid: '00uLocalUser',
      cid: fixtures.okta.client,
      scp: ['docs.read'],
      groups: ['engineering'],
      ver: 1,
      jti: 'AT.local',
    }),
  },
  external_id: {
    issuer: (origin) => `${origin}/${fixtures.externalId.tenant}/v2.0`,
    jwksPath: `/${fixtures.externalId.tenant}/discovery/v2.0/keys`,
    metadata: (origin) => ({
      [`/${fixtures.externalId.tenant}/v2.0/.well-known/openid-configuration`]: {
        issuer: `${origin}/${fixtures.externalId.tenant}/v2.0`,
        jwks_uri: `${origin}/${fixtures.externalId.tenant}/discovery/v2.0/keys`,
      },
    }),
    header: { typ: 'JWT' },
    claims: (origin) => ({
      iss: `${origin}/${fixtures.externalId.tenant}/v2.0`,
      aud: fixtures.externalId.client,
      sub: 'external-sub',
      oid: 'e1e1e1e1-0000-4000-8000-000000000001',
      tid: fixtures.externalId.tenant,
      scp: 'docs.read',
      azp: 'external-agent',
      ver: '2.0',
      name: 'Erin',
    }),
  },
  b2c: {
    issuer: (origin) => `${origin}/${fixtures.b2c.tenant}/v2.0/`,
    jwksPath: `/${fixtures.b2c.tenant}/b2c_1_signin/discovery/v2.0/keys`,
    metadata: (origin) => ({
      [`/${fixtures.b2c.tenant}/b2c_1_signin/v2.0/.well-known/openid-configuration`]: {
        issuer: `${origin}/${fixtures.b2c.tenant}/v2.0/`,
        jwks_uri: `${origin}/${fixtures.b2c.tenant}/b2c_1_signin/discovery/v2.0/keys`,
      },
    }),
    header: { typ: 'JWT' },
    claims: (origin) => ({
      iss: `${origin}/${fixtures.b2c.tenant}/v2.0/`,
      aud: fixtures.b2c.client,
      sub: 'f1f1f1f1-0000-4000-8000-000000000001',
      tfp: fixtures.b2c.policy,
      scp: 'docs.read',
      azp: 'b2c-agent',
      extension_TenantId: 'acme',
      name: 'Frank',
      ver: '1.0',
    }),
  },
  oidc: {
    issuer: (origin) => origin,
    jwksPath: '/jwks',
    metadata: (origin) => ({ '/.well-known/openid-configuration': { issuer: origin, jwks_uri: `${origin}/jwks` } }),
    header: { typ: 'at+jwt' },
    claims: (origin) => ({
      iss: origin,
      aud: fixtures.audience,
      sub: 'grace',
      client_id: 'oidc-agent',
      scope: 'docs:read',
      org: 'acme',
      roles: ['editor'],
    }),
  },
};

/**
 * Starts a local identity provider.
 *
 * @param kind - whose shape its metadata, keys and tokens have
 * @param options - `port`: a fixed one; any free one without
 */
export async function startIssuer(kind: ProviderKind, options: { readonly port?: number } = {}): Promise<LocalIssuer> {
  const shape = shapes[kind];
  let count = 0;
  let keys: readonly SigningKey[] = [];
  const server = await serveDocuments((path, origin) => {
    if (path === shape.jwksPath) return { keys: keys.map(({ publicJwk }) => publicJwk) };
    return shape.metadata(origin)[path];
  }, options.port);
  const { origin } = server;
  const newKey = (): Promise<SigningKey> =>
    signingKey(`${kind}-key-${String(++count)}`, 'RS256', shape.published?.(origin));
  keys = [await newKey()];

  return {
    kind,
    origin,
    issuer: shape.issuer(origin),
    jwksUri: `${origin}${shape.jwksPath}`,
    get keys() {
      return keys;
    },
    async token(claims = {}, { header = {}, key } = {}) {
      const signer = key ?? keys[0];
      if (signer === undefined) throw new TypeError('the issuer has no key');
      const now = Math.floor(Date.now() / 1000);
      const payload = { ...shape.claims(origin), iat: now, exp: now + 3600, ...claims };
      const protectedHeader = { alg: signer.algorithm, kid: signer.kid, ...shape.header, ...header };
      return new SignJWT(withoutAbsent(payload))
        .setProtectedHeader(withoutAbsent(protectedHeader) as { alg: string })
        .sign(signer.privateKey);
    },
    async rotate() {
      keys = [await newKey(), ...keys];
    },
    misbehave: (how) => {
      server.misbehave(how);
    },
    get jwksRequests() {
      return server.requests.get(shape.jwksPath) ?? 0;
    },
    close: () => server.close(),
  };
}

function withoutAbsent(members: TokenClaims): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

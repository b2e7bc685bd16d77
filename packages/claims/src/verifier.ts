import { createHash } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import { LRUCache } from 'lru-cache';
import {
  PortcullisError,
  systemClock,
  tokenInvalid,
  withDeadline,
  type Clock,
  type Groups,
  type Identity,
  type IdentityVerifier,
} from '@portcullis/core';
import { sealIdentity } from '@portcullis/core/seal';
import { isRemote, type Issuer } from './issuer.js';
import { requireSecureUrl } from './keys/fetch-json.js';
import { discoverKeys, remoteKeys, type KeySource } from './keys/key-source.js';
import { actorsOf, type Claims } from './token/claims.js';
import { decodeToken, type DecodedToken } from './token/decode.js';
import { requireLifetime } from './token/lifetime.js';
import { OAuthRefusal } from './token/oauth-error.js';

/** How tokens are verified. */
export interface VerifierOptions {
  readonly clock?: Clock | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** The longest token that is looked at, in bytes. @defaultValue 16384 */
  readonly maxTokenBytes?: number | undefined;
  /** The most verified tokens that are remembered; 0 for none. @defaultValue 10000 */
  readonly cacheEntries?: number | undefined;
  /** How old keys may be before they are fetched again, in milliseconds. @defaultValue 600000 */
  readonly keysMaxAgeMs?: number | undefined;
  /** How old keys may be that are used while the provider cannot be reached, in milliseconds. @defaultValue 24 hours */
  readonly keysStaleAgeMs?: number | undefined;
  /** The least time between two fetches of one key set, in milliseconds. @defaultValue 30000 */
  readonly keysCoolDownMs?: number | undefined;
  /** How long one fetch may take, in milliseconds. @defaultValue 5000 */
  readonly fetchTimeoutMs?: number | undefined;
  /**
   * Makes the error that `verifyAccessToken` throws. The v1 MCP SDK wants its own `InvalidTokenError`.
   *
   * @defaultValue an error that the v2 MCP SDK recognizes
   */
  readonly oauthError?: ((error: PortcullisError) => Error) | undefined;
  /**
   * Fetches the groups of a user whose provider did not send them (Entra ID's *overage*). Asked once for each token; when it
   * fails, the groups stay unknown, which policies can tell from none, and it is asked again after 30 s.
   *
   * @see https://learn.microsoft.com/graph/api/directoryobject-getmemberobjects
   */
  readonly groupsOf?:
    | ((user: {
        readonly provider: string;
        readonly subject: string;
        readonly claims: Claims;
      }) => Promise<readonly string[]>)
    | undefined;
  /** Hears why groups could not be fetched. @defaultValue nobody */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** The MCP SDK's `AuthInfo`, as far as a verifier fills it. */
export interface VerifiedAuthInfo {
  readonly token: string;
  readonly clientId: string;
  readonly scopes: string[];
  readonly expiresAt: number;
  readonly resource?: URL;
  readonly extra: { readonly identity: Identity } & Record<string, unknown>;
}

/** Verifies bearer tokens of the configured issuers. */
export interface TokenVerifier extends IdentityVerifier {
  /**
   * The MCP SDK's `OAuthTokenVerifier`: hand the verifier to `requireBearerAuth` of either generation. Errors have the
   * `invalid_token` code by which the SDK answers 401.
   */
  verifyAccessToken(token: string): Promise<VerifiedAuthInfo>;
  /** Refuses a token from now on, until it would have expired: one token, or all of a subject (`Identity.key`) issued up to now. */
  revoke(what: { readonly token: string } | { readonly subject: string }): void;
}

/**
 * Verifies bearer tokens: each is checked against the one configured issuer that its `iss` selects, with that issuer's
 * keys and rules.
 *
 * @param issuers - made by `auth0`, `entra`, `cognito`, `okta`, `entraExternalId`, `azureB2c` or `oidc`
 * @throws PortcullisError `config_invalid` when two issuers share a name
 * @example
 * ```ts
 * import { auth0, verifier } from '@portcullis/claims';
 *
 * const identity = verifier([auth0({ domain: 'acme.eu.auth0.com', audience: 'https://mcp.example.com/mcp' })]);
 * ```
 */
export function verifier(issuers: readonly Issuer[], options: VerifierOptions = {}): TokenVerifier {
  const clock = options.clock ?? systemClock;
  const maxTokenBytes = options.maxTokenBytes ?? 16_384;
  const cacheEntries = options.cacheEntries ?? 10_000;
  const cache = cacheEntries > 0 ? new LRUCache<string, Identity>({ max: cacheEntries }) : undefined;
  const revokedTokens = new LRUCache<string, true>({ max: 100_000 });
  const revokedSubjects = new LRUCache<string, number>({ max: 100_000 });
  requireDistinctNames(issuers);
  const keySources = new Map<Issuer, KeySource>(issuers.map((issuer) => [issuer, keySourceOf(issuer)]));

  function keySourceOf({ keys }: Issuer): KeySource {
    if (!isRemote(keys)) return keys;
    const fetchOptions = { fetch: options.fetch ?? fetch, timeoutMs: options.fetchTimeoutMs ?? 5_000 };
    const { jwksUri, metadataUrl, metadataIssuer } = keys;
    const locate = async (): Promise<string> =>
      jwksUri ?? discoverKeys(metadataUrl, metadataIssuer, (url) => requireSecureUrl(url, 'jwks_uri'), fetchOptions);
    return remoteKeys(locate, {
      ...fetchOptions,
      clock,
      maxAgeMs: options.keysMaxAgeMs ?? 600_000,
      staleAgeMs: options.keysStaleAgeMs ?? 24 * 60 * 60 * 1000,
      coolDownMs: options.keysCoolDownMs ?? 30_000,
    });
  }

  async function verify(token: string): Promise<Identity> {
    if (token === '') throw new PortcullisError('token_missing');
    const hash = createHash('sha256').update(token).digest('base64');
    const cached = cache?.get(hash);
    const identity = cached ?? (await verifyNew(token));
    if (identity.expiresAt + skewOf(identity) <= clock())
      throw tokenInvalid('expired', 'the token has expired', { claim: 'exp' });
    requireNotRevoked(identity, hash);
    if (cached === undefined) {
      // Groups that could not be fetched are tried again before the token ends.
      const retry = options.groupsOf !== undefined && !identity.groups.known;
      cache?.set(hash, identity, retry ? { ttl: groupsRetryMs } : {});
    }
    return identity;
  }

  async function verifyNew(token: string): Promise<Identity> {
    const decoded = decodeToken(token, maxTokenBytes);
    const { issuer, iss: issuerClaim } = issuerOf(decoded.payload);
    const algorithm = requireHeader(decoded, issuer);
    const { kid } = decoded.header;
    if (kid !== undefined && (typeof kid !== 'string' || kid === ''))
      throw tokenInvalid('header', 'the header’s `kid` is malformed');
    const key = await keySources.get(issuer)?.find(kid, algorithm);
    if (key === undefined) throw tokenInvalid('key', 'the issuer has no such key');
    if (issuer.acceptsKeyOf?.(key.issuer, decoded.payload) === false)
      throw tokenInvalid('key', 'the key is not for this issuer');
    await compactVerify(token, key.key, { algorithms: [algorithm] }).catch((error: unknown) => {
      throw joseRefusal(error);
    });
    const claims = decoded.payload;
    const expiresAt = requireLifetime(claims, issuer.lifetime, clock());
    const normalized = issuer.normalize(claims);
    const identity = sealIdentity({
      provider: issuer.name,
      issuer: issuerClaim,
      key: `${issuer.name}#${normalized.subject}`,
      subject: normalized.subject,
      sub: normalized.sub,
      tenantHint: normalized.tenantHint,
      displayName: normalized.displayName,
      email: normalized.email,
      roles: normalized.roles,
      scopes: normalized.scopes,
      groups: await knownGroupsOf(issuer.name, normalized.subject, normalized.groups, claims),
      clientId: normalized.clientId,
      kind: normalized.kind,
      audience: normalized.audience,
      actors: actorsOf(claims),
      expiresAt,
      claims,
    });
    skews.set(identity, issuer.lifetime.clockSkewMs ?? 30_000);
    return identity;
  }

  async function knownGroupsOf(provider: string, subject: string, groups: Groups, claims: Claims): Promise<Groups> {
    if (groups.known || options.groupsOf === undefined) return groups;
    try {
      const ids: unknown = await withDeadline(
        options.groupsOf({ provider, subject, claims }),
        options.fetchTimeoutMs ?? 5_000,
      );
      if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return { known: true, ids: [...ids] };
      throw new TypeError('groupsOf gave no list of group ids');
    } catch (error) {
      options.onError?.(error instanceof Error ? error : new Error(String(error)));
      return groups;
    }
  }

  function issuerOf(payload: Claims): { readonly issuer: Issuer; readonly iss: string } {
    const { iss } = payload;
    if (typeof iss !== 'string' || iss === '')
      throw tokenInvalid('issuer', 'claim `iss` is missing or malformed', { claim: 'iss' });
    const [issuer, ...others] = issuers.filter((candidate) => candidate.claimsIssuer(iss, payload));
    if (issuer === undefined || others.length > 0)
      throw tokenInvalid('issuer', 'the issuer is not trusted', { claim: 'iss' });
    return { issuer, iss };
  }

  function requireNotRevoked(identity: Identity, hash: string): void {
    const revokedAt = revokedSubjects.get(identity.key);
    const issuedAt = identity.claims['iat'];
    const tooOld = revokedAt !== undefined && (typeof issuedAt !== 'number' || issuedAt * 1000 <= revokedAt);
    if (revokedTokens.has(hash) || tooOld) throw tokenInvalid('revoked', 'the token was revoked');
  }

  return {
    verify,
    async verifyAccessToken(token) {
      try {
        const identity = await verify(token);
        return {
          token,
          clientId: identity.clientId ?? '',
          scopes: [...identity.scopes],
          expiresAt: Math.floor(identity.expiresAt / 1000),
          ...(URL.canParse(identity.audience) ? { resource: new URL(identity.audience) } : {}),
          extra: { identity },
        };
      } catch (error) {
        const refusal =
          error instanceof PortcullisError
            ? error
            : new PortcullisError('keys_unavailable', undefined, { cause: error });
        throw options.oauthError?.(refusal) ?? new OAuthRefusal(refusal);
      }
    },
    revoke(what) {
      if ('token' in what) {
        const hash = createHash('sha256').update(what.token).digest('base64');
        revokedTokens.set(hash, true);
        cache?.delete(hash);
      } else {
        revokedSubjects.set(what.subject, clock());
      }
    },
  };
}

const groupsRetryMs = 30_000;

const skews = new WeakMap<Identity, number>();

function skewOf(identity: Identity): number {
  return skews.get(identity) ?? 0;
}

function requireDistinctNames(issuers: readonly Issuer[]): void {
  const names = issuers.map(({ name }) => name);
  for (const name of names) {
    if (name === '' || name.includes('#'))
      throw new PortcullisError('config_invalid', `issuers: the name \`${name}\` is empty or has a \`#\``);
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw new PortcullisError('config_invalid', `issuers: two are named \`${name}\``);
  }
}

/**
 * Checks the header. Keys and URLs that it carries are refused rather than ignored: no provider sends them, and a
 * token that tries is not worth a second look.
 *
 * @see RFC 8725, sections 3.1, 3.10 and 3.11
 */
function requireHeader({ header }: DecodedToken, issuer: Issuer): string {
  const { alg, typ } = header;
  const algorithm = issuer.algorithms.find((allowed) => allowed === alg);
  if (algorithm === undefined) throw tokenInvalid('algorithm', 'the signature algorithm is not allowed');
  for (const name of ['crit', 'jku', 'jwk', 'x5u', 'b64', 'zip']) {
    if (Object.hasOwn(header, name)) throw tokenInvalid('header', `the header parameter \`${name}\` is not allowed`);
  }
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : undefined;
  if ((typ !== undefined && type === undefined) || !issuer.types.includes(type)) {
    throw tokenInvalid('type', 'the token is not of an accepted type');
  }
  return algorithm;
}

/** jose's own refusals, as ours. What it says may quote the token, and stays inside. */
function joseRefusal(error: unknown): PortcullisError {
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return tokenInvalid('signature', 'the signature is not valid');
  if (error instanceof errors.JOSEAlgNotAllowed)
    return tokenInvalid('algorithm', 'the signature algorithm is not allowed');
  return tokenInvalid('signature', 'the signature cannot be verified');
}

import { z } from 'zod';
import { PortcullisError, tokenInvalid } from '@portcullis/core';
import type { CommonOptions, Issuer, NormalizedClaims } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { parseClaims, spaceSeparated, text, texts, type Claims } from '../token/claims.js';
import { refuseIdToken } from '../token/id-token.js';
import { accessTokenTypes, audiences, issuerBase, knownGroups } from './issuer-base.js';

/** How Entra ID's access tokens are verified. */
export interface EntraOptions extends CommonOptions {
  /**
   * The directory (tenant) id whose tokens are accepted; or `registered`: those of every organization, each with its
   * own issuer, of which the tenant registry then accepts the registered ones. A list narrows them here already.
   */
  readonly tenant: string | readonly string[];
  /** What this server is called: the client id (v2 tokens) or the App ID URI (v1 tokens). */
  readonly audience: string | readonly string[];
  /** The token versions that are accepted. @defaultValue `['2.0']` */
  readonly versions?: readonly ('1.0' | '2.0')[] | undefined;
  /** The authority. @defaultValue `https://login.microsoftonline.com` */
  readonly authority?: string | undefined;
  /** The issuer prefix of v1 tokens. @defaultValue `https://sts.windows.net` */
  readonly v1Authority?: string | undefined;
}

/** The directory of personal Microsoft accounts: everybody's, and so no organization's. */
export const consumerTenant = '9188040d-6c67-4c5b-b112-36a304b66dad';

const guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

const schema = z.looseObject({
  tid: guid,
  oid: guid,
  sub: text,
  ver: z.enum(['1.0', '2.0']),
  scp: spaceSeparated.optional(),
  roles: texts.optional(),
  groups: texts.optional(),
  hasgroups: z.union([z.boolean(), z.literal('true')]).optional(),
  _claim_names: z.record(z.string(), z.string()).optional(),
  azp: text.optional(),
  appid: text.optional(),
  idtyp: text.optional(),
  name: text.optional(),
  preferred_username: text.optional(),
});

/**
 * Access tokens of Microsoft Entra ID, versions 1 and 2.
 *
 * With many tenants the issuer is a template: the token's `tid` is put in and the result compared exactly, and the
 * issuer that the key set ties to the signing key has to fit as well. The user is `tid/oid`, the same in both token
 * versions; `sub` differs for each application, and `email`, `upn` and `preferred_username` can be set by another
 * directory's administrator (nOAuth) and identify nobody.
 *
 * @example
 * ```ts
 * import { entra } from '@portcullis/claims';
 *
 * const issuer = entra({ tenant: 'registered', audience: '11111111-2222-3333-4444-555555555555', name: 'entra' });
 * ```
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 * @see https://learn.microsoft.com/entra/identity-platform/claims-validation
 */
export function entra(options: EntraOptions): Issuer {
  const authority = (options.authority ?? 'https://login.microsoftonline.com').replace(/\/$/, '');
  const v1Authority = (options.v1Authority ?? 'https://sts.windows.net').replace(/\/$/, '');
  const versions = options.versions ?? ['2.0'];
  const accepted = audiences(options.audience);
  const tenants =
    options.tenant === 'registered'
      ? undefined
      : typeof options.tenant === 'string'
        ? [options.tenant]
        : options.tenant;
  for (const tenant of tenants ?? []) {
    if (!guid.safeParse(tenant).success)
      throw new PortcullisError('config_invalid', `entra: \`${tenant}\` is no directory id; a domain name will not do`);
  }
  const single = tenants?.length === 1 ? tenants[0] : undefined;
  const issuerFor = (tid: string, version: string): string =>
    version === '1.0' ? `${v1Authority}/${tid}/` : `${authority}/${tid}/v2.0`;
  const metadataTenant = single ?? 'organizations';
  const issuer = single === undefined ? `${authority}/{tenantid}/v2.0` : issuerFor(single, '2.0');

  return {
    ...issuerBase(options, issuer, {
      metadataUrl: `${authority}/${metadataTenant}/v2.0/.well-known/openid-configuration`,
      metadataIssuer: issuer,
    }),
    types: accessTokenTypes,
    claimsIssuer(iss, { tid }) {
      if (typeof tid !== 'string' || !guid.safeParse(tid).success) return false;
      if (tenants === undefined ? tid === consumerTenant : !tenants.includes(tid)) return false;
      return versions.some((version) => iss === issuerFor(tid, version));
    },
    // Keys of v1 tokens are in the same set; the set names their issuer in the v2 form.
    acceptsKeyOf: (keyIssuer, { tid }) =>
      keyIssuer === undefined
        ? single !== undefined
        : typeof tid === 'string' && keyIssuer.replace('{tenantid}', tid) === issuerFor(tid, '2.0'),
    normalize: (claims) => normalize(claims, accepted, versions, (tid, version) => issuerFor(tid, version)),
  };
}

function normalize(
  claims: Claims,
  accepted: readonly string[],
  versions: readonly string[],
  issuerFor: (tid: string, version: string) => string,
): NormalizedClaims {
  refuseIdToken(claims);
  const audience = audienceOf(claims, accepted);
  const parsed = parseClaims(schema, claims);
  if (!versions.includes(parsed.ver) || claims['iss'] !== issuerFor(parsed.tid, parsed.ver)) {
    throw tokenInvalid('claim', 'claim `ver` is not accepted from this issuer', { claim: 'ver' });
  }
  const kind = parsed.idtyp === 'app' ? 'client' : 'user';
  // A user's access token says what the client was granted; without `scp` and `roles` it was made for no API.
  if (parsed.scp === undefined && parsed.roles === undefined)
    throw tokenInvalid('claim', 'claim `scp` is missing', { claim: 'scp' });
  const overage =
    parsed.groups === undefined &&
    (parsed.hasgroups !== undefined || Object.hasOwn(parsed._claim_names ?? {}, 'groups'));
  return {
    subject: `${parsed.tid}/${parsed.oid}`,
    sub: parsed.sub,
    tenantHint: parsed.tid,
    displayName: parsed.name,
    email: undefined,
    roles: parsed.roles ?? [],
    scopes: parsed.scp ?? [],
    groups: overage ? { known: false, reason: 'overage' } : knownGroups(parsed.groups ?? []),
    clientId: parsed.azp ?? parsed.appid,
    kind,
    audience,
  };
}

import { z } from 'zod';
import type { CommonOptions, Issuer } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { optionalText, optionalTexts, parseClaims, spaceSeparated, text, texts, type Claims } from '../token/claims.js';
import { refuseIdToken } from '../token/id-token.js';
import { accessTokenTypes, audiences, issuerBase, knownGroups, openidMetadata } from './issuer-base.js';

/** Which claims say what. A name that is left out means that the provider does not say it. */
export interface ClaimMap {
  /** @defaultValue `sub` */
  readonly subject?: string | undefined;
  readonly tenant?: string | undefined;
  readonly roles?: string | undefined;
  readonly groups?: string | undefined;
  /** One string separated by spaces, or a list. @defaultValue `scope` */
  readonly scopes?: string | undefined;
  /** @defaultValue `client_id`, or `azp` where there is none */
  readonly client?: string | undefined;
  readonly displayName?: string | undefined;
  readonly email?: string | undefined;
}

/** How the access tokens of any other issuer are verified. */
export interface OidcOptions extends CommonOptions {
  /** The issuer, to the letter. */
  readonly issuer: string;
  readonly audience: string | readonly string[];
  /** Which claims say what. */
  readonly claims?: ClaimMap | undefined;
  /** Allowed `typ` headers; `at+jwt` alone is what RFC 9068 asks for. @defaultValue `['at+jwt', 'jwt']` and none */
  readonly types?: readonly (string | undefined)[] | undefined;
}

/**
 * JWT access tokens of any issuer, with a declared map of claims.
 *
 * @example
 * ```ts
 * import { oidc } from '@portcullis/claims';
 *
 * const issuer = oidc({
 *   issuer: 'https://id.example.com',
 *   audience: 'https://mcp.example.com/mcp',
 *   claims: { tenant: 'org', roles: 'roles' },
 * });
 * ```
 * @see RFC 9068, section 4
 */
export function oidc(options: OidcOptions): Issuer {
  const { issuer, claims: map = {} } = options;
  const accepted = audiences(options.audience);
  return {
    ...issuerBase(options, issuer, { metadataUrl: openidMetadata(issuer), metadataIssuer: issuer }),
    types: options.types ?? accessTokenTypes,
    claimsIssuer: (iss) => iss === issuer,
    normalize(claims) {
      refuseIdToken(claims);
      const audience = audienceOf(claims, accepted);
      const { sub } = parseClaims(z.looseObject({ sub: text }), claims);
      const subjectClaim = map.subject ?? 'sub';
      const subject = parseClaims(z.looseObject({ [subjectClaim]: text }), claims)[subjectClaim];
      return {
        subject: String(subject),
        sub,
        tenantHint: optionalText(claims, map.tenant),
        displayName: optionalText(claims, map.displayName),
        email: optionalText(claims, map.email),
        roles: optionalTexts(claims, map.roles),
        scopes: scopesOf(claims, map.scopes ?? 'scope'),
        groups: knownGroups(optionalTexts(claims, map.groups)),
        clientId:
          map.client === undefined
            ? (optionalText(claims, 'client_id') ?? optionalText(claims, 'azp'))
            : optionalText(claims, map.client),
        kind: 'user',
        audience,
      };
    },
  };
}

function scopesOf(claims: Claims, claim: string): readonly string[] {
  return (
    (parseClaims(z.looseObject({ [claim]: z.union([texts, spaceSeparated]).optional() }), claims)[claim] as
      readonly string[] | undefined) ?? []
  );
}

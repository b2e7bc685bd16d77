import { z } from 'zod';
import { PortcullisError, tokenInvalid } from '@portcullis/core';
import type { CommonOptions, Issuer } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { optionalTexts, parseClaims, spaceSeparated, text, texts } from '../token/claims.js';
import { refuseIdToken } from '../token/id-token.js';
import { accessTokenTypes, audiences, issuerBase, knownGroups, openidMetadata } from './issuer-base.js';

/** How Auth0's access tokens are verified. */
export interface Auth0Options extends CommonOptions {
  /** The tenant domain or custom domain, as `acme.eu.auth0.com`. */
  readonly domain?: string | undefined;
  /** The issuer in place of the domain, with its trailing slash. */
  readonly issuer?: string | undefined;
  /** The identifier of the API: this server. */
  readonly audience: string | readonly string[];
  /** The namespaced claim that an Action puts roles into, as `https://example.com/roles`. */
  readonly rolesClaim?: string | undefined;
  /** Whether a token without `org_id` is refused: set it where the application is for organizations only. @defaultValue `false` */
  readonly requireOrganization?: boolean | undefined;
}

const schema = z.looseObject({
  sub: text,
  scope: spaceSeparated.optional(),
  permissions: texts.optional(),
  azp: text.optional(),
  org_id: text.optional(),
  gty: text.optional(),
  name: text.optional(),
  email: text.optional(),
});

/**
 * Access tokens of Auth0.
 *
 * The tenant hint is `org_id`, never `org_name`, which can be renamed. `permissions` (RBAC) are what the *user* may do
 * and are left in the claims, for policies that want them: they are no scopes, which say what the client may ask for.
 *
 * @example
 * ```ts
 * import { auth0 } from '@portcullis/claims';
 *
 * const issuer = auth0({ domain: 'acme.eu.auth0.com', audience: 'https://mcp.example.com/mcp', name: 'auth0' });
 * ```
 * @see https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
 * @see https://auth0.com/docs/manage-users/organizations/using-tokens
 */
export function auth0(options: Auth0Options): Issuer {
  if ((options.domain === undefined) === (options.issuer === undefined)) {
    throw new PortcullisError('config_invalid', 'auth0: give either `domain` or `issuer`');
  }
  const issuer = options.issuer ?? `https://${options.domain ?? ''}/`;
  const accepted = audiences(options.audience);
  return {
    ...issuerBase(options, issuer, { metadataUrl: openidMetadata(issuer), metadataIssuer: issuer }),
    types: accessTokenTypes,
    claimsIssuer: (iss) => iss === issuer,
    normalize(claims) {
      refuseIdToken(claims);
      const audience = audienceOf(claims, accepted);
      const parsed = parseClaims(schema, claims);
      if (options.requireOrganization === true && parsed.org_id === undefined) {
        throw tokenInvalid('claim', 'claim `org_id` is missing', { claim: 'org_id' });
      }
      return {
        subject: parsed.sub,
        sub: parsed.sub,
        tenantHint: parsed.org_id,
        displayName: parsed.name,
        email: parsed.email,
        roles: optionalTexts(claims, options.rolesClaim),
        scopes: parsed.scope ?? [],
        groups: knownGroups([]),
        clientId: parsed.azp,
        kind: parsed.gty === 'client-credentials' ? 'client' : 'user',
        audience,
      };
    },
  };
}

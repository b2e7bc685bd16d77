import { z } from 'zod';
import { tokenInvalid } from '@portcullis/core';
import type { CommonOptions, Issuer } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { optionalText, optionalTexts, parseClaims, spaceSeparated, text } from '../token/claims.js';
import { refuseIdToken } from '../token/id-token.js';
import { accessTokenTypes, audiences, issuerBase, knownGroups, openidMetadata } from './issuer-base.js';

/** What Entra External ID and Azure AD B2C have in common. */
interface CustomerOptions extends CommonOptions {
  /** The client id of this server's registration. */
  readonly audience: string | readonly string[];
  /** The claim with the tenant, as `extension_TenantId`. @defaultValue `tid` */
  readonly tenantClaim?: string | undefined;
  /** The claim with the roles. @defaultValue `roles` */
  readonly rolesClaim?: string | undefined;
}

/** How Entra External ID's access tokens are verified. */
export interface EntraExternalIdOptions extends CustomerOptions {
  /** The issuer, as `https://TID.ciamlogin.com/TID/v2.0`. */
  readonly issuer: string;
}

/** How Azure AD B2C's access tokens are verified. */
export interface AzureB2cOptions extends CustomerOptions {
  /** The issuer, as `https://NAME.b2clogin.com/TID/v2.0/`, with its trailing slash. */
  readonly issuer: string;
  /** The user flows or custom policies whose tokens are accepted. Keys and metadata are the first one's. */
  readonly policies: readonly [string, ...string[]];
}

const schema = z.looseObject({
  sub: text,
  oid: text.optional(),
  tid: text.optional(),
  scp: spaceSeparated.optional(),
  azp: text.optional(),
  name: text.optional(),
  idtyp: text.optional(),
  tfp: text.optional(),
  acr: text.optional(),
});

/**
 * Access tokens of Microsoft Entra External ID.
 *
 * @see https://learn.microsoft.com/entra/external-id/customers/
 */
export function entraExternalId(options: EntraExternalIdOptions): Issuer {
  return customerIssuer(options, openidMetadata(options.issuer), undefined);
}

/**
 * Access tokens of Azure AD B2C. Each policy is listed: a token of a sign-up flow that asks for less is no proof of
 * what another one would have asked. The policy is `tfp`, or `acr` in older tokens.
 *
 * @see https://learn.microsoft.com/azure/active-directory-b2c/tokens-overview
 */
export function azureB2c(options: AzureB2cOptions): Issuer {
  const [policy] = options.policies;
  const base = options.issuer.replace(/v2\.0\/$/, '');
  return customerIssuer(
    options,
    `${base}${policy.toLowerCase()}/v2.0/.well-known/openid-configuration`,
    options.policies,
  );
}

function customerIssuer(
  options: CustomerOptions & { readonly issuer: string },
  metadataUrl: string,
  policies: readonly string[] | undefined,
): Issuer {
  const { issuer } = options;
  const accepted = audiences(options.audience);
  const tenantClaim = options.tenantClaim ?? 'tid';
  return {
    ...issuerBase(options, issuer, { metadataUrl, metadataIssuer: issuer }),
    types: accessTokenTypes,
    claimsIssuer: (iss) => iss === issuer,
    normalize(claims) {
      refuseIdToken(claims);
      const audience = audienceOf(claims, accepted);
      const parsed = parseClaims(schema, claims);
      const policy = parsed.tfp ?? parsed.acr;
      if (policies !== undefined && !policies.some((allowed) => allowed.toLowerCase() === policy?.toLowerCase())) {
        throw tokenInvalid('claim', 'claim `tfp` names a policy that is not accepted', { claim: 'tfp' });
      }
      return {
        subject: parsed.oid ?? parsed.sub,
        sub: parsed.sub,
        tenantHint: optionalText(claims, tenantClaim),
        displayName: parsed.name,
        email: undefined,
        roles: optionalTexts(claims, options.rolesClaim ?? 'roles'),
        scopes: parsed.scp ?? [],
        groups: knownGroups([]),
        clientId: parsed.azp,
        kind: parsed.idtyp === 'app' ? 'client' : 'user',
        audience,
      };
    },
  };
}

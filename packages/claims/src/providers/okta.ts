import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import type { CommonOptions, Issuer } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { optionalText, optionalTexts, parseClaims, text, texts } from '../token/claims.js';
import { refuseIdToken } from '../token/id-token.js';
import { accessTokenTypes, audiences, issuerBase, knownGroups, openidMetadata } from './issuer-base.js';

/** How Okta's access tokens are verified. */
export interface OktaOptions extends CommonOptions {
  /** The issuer of a custom authorization server, as `https://acme.okta.com/oauth2/default`. */
  readonly issuer: string;
  readonly audience: string | readonly string[];
  /** The claim with the tenant. @defaultValue none: one organization per tenant */
  readonly tenantClaim?: string | undefined;
  /** The claim with the groups. @defaultValue `groups` */
  readonly groupsClaim?: string | undefined;
}

const schema = z.looseObject({ sub: text, uid: text.optional(), cid: text.optional(), scp: texts.optional() });

/**
 * Access tokens of an Okta custom authorization server. Those of the org authorization server are for Okta's own APIs
 * and cannot be verified by anybody else.
 *
 * The user is `uid`, which is stable; `sub` is a login by default, and can change. A token without `uid` was issued to
 * a client for itself.
 *
 * @see https://developer.okta.com/docs/guides/validate-access-tokens/
 */
export function okta(options: OktaOptions): Issuer {
  const { issuer } = options;
  if (!/\/oauth2\/[^/]+$/.test(issuer)) {
    throw new PortcullisError(
      'config_invalid',
      `okta: \`${issuer}\` is no custom authorization server; tokens of the org server cannot be verified here`,
    );
  }
  const accepted = audiences(options.audience);
  return {
    ...issuerBase(options, issuer, { metadataUrl: openidMetadata(issuer), metadataIssuer: issuer }),
    types: accessTokenTypes,
    claimsIssuer: (iss) => iss === issuer,
    normalize(claims) {
      refuseIdToken(claims);
      const audience = audienceOf(claims, accepted);
      const parsed = parseClaims(schema, claims);
      const groups = optionalTexts(claims, options.groupsClaim ?? 'groups');
      return {
        subject: parsed.uid ?? parsed.sub,
        sub: parsed.sub,
        tenantHint: optionalText(claims, options.tenantClaim),
        displayName: parsed.sub,
        email: undefined,
        roles: groups,
        scopes: parsed.scp ?? [],
        groups: knownGroups(groups),
        clientId: parsed.cid,
        kind: parsed.uid === undefined ? 'client' : 'user',
        audience,
      };
    },
  };
}

import { z } from 'zod';
import { PortcullisError, tokenInvalid } from '@portcullis/core';
import type { CommonOptions, Issuer } from '../issuer.js';
import { audienceOf } from '../token/audience.js';
import { optionalText, parseClaims, spaceSeparated, text, texts } from '../token/claims.js';
import { issuerBase, knownGroups, openidMetadata } from './issuer-base.js';

/** How Amazon Cognito's tokens are verified. */
export interface CognitoOptions extends CommonOptions {
  /** The user pool, as `eu-west-1_AbCdEf123`. The region is its first part. */
  readonly userPoolId: string;
  /** The app clients whose tokens are accepted. */
  readonly clientIds: readonly string[];
  /** Which of the two kinds of token: they have one issuer and one key set, and only the configured kind is accepted. */
  readonly tokenUse: 'access' | 'id';
  /** This server's resource identifier, where resource binding is on: then access tokens must name it in `aud`. */
  readonly audience?: string | readonly string[] | undefined;
  /** The claim with the tenant. @defaultValue `custom:tenant_id` */
  readonly tenantClaim?: string | undefined;
  /** The issuer without the pool. @defaultValue `https://cognito-idp.REGION.amazonaws.com` */
  readonly endpoint?: string | undefined;
}

const accessSchema = z.looseObject({
  sub: text,
  token_use: text,
  client_id: text,
  username: text.optional(),
  scope: spaceSeparated.optional(),
  'cognito:groups': texts.optional(),
});
const idSchema = z.looseObject({
  sub: text,
  token_use: text,
  'cognito:username': text.optional(),
  'cognito:groups': texts.optional(),
  email: text.optional(),
  email_verified: z.union([z.boolean(), z.string()]).optional(),
  name: text.optional(),
});

/**
 * Tokens of an Amazon Cognito user pool.
 *
 * Access tokens have no `aud` unless resource binding was requested: `client_id` and `token_use` are what names their
 * purpose. Roles are `cognito:groups`; `cognito:roles` are IAM roles and mean nothing here.
 *
 * @example
 * ```ts
 * import { cognito } from '@portcullis/claims';
 *
 * const issuer = cognito({ userPoolId: 'eu-west-1_AbCdEf123', clientIds: ['7example'], tokenUse: 'access', name: 'cognito' });
 * ```
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
 */
export function cognito(options: CognitoOptions): Issuer {
  const region = /^([a-z]{2}(?:-[a-z]+)+-\d)_[A-Za-z0-9]+$/.exec(options.userPoolId)?.[1];
  if (region === undefined)
    throw new PortcullisError('config_invalid', `cognito: \`${options.userPoolId}\` is no user pool id`);
  if (options.clientIds.length === 0)
    throw new PortcullisError('config_invalid', 'cognito: clientIds: at least one is required');
  const issuer = `${(options.endpoint ?? `https://cognito-idp.${region}.amazonaws.com`).replace(/\/$/, '')}/${options.userPoolId}`;
  const tenantClaim = options.tenantClaim ?? 'custom:tenant_id';
  const resources =
    options.audience === undefined
      ? undefined
      : typeof options.audience === 'string'
        ? [options.audience]
        : options.audience;
  return {
    ...issuerBase(options, issuer, { metadataUrl: openidMetadata(issuer), metadataIssuer: issuer }),
    types: ['at+jwt', 'jwt', undefined],
    claimsIssuer: (iss) => iss === issuer,
    normalize(claims) {
      if (claims['token_use'] !== options.tokenUse)
        throw tokenInvalid('type', `the token is no ${options.tokenUse} token`, { claim: 'token_use' });
      const tenantHint = optionalText(claims, tenantClaim);
      if (options.tokenUse === 'access') {
        const parsed = parseClaims(accessSchema, claims);
        if (!options.clientIds.includes(parsed.client_id))
          throw tokenInvalid('audience', 'the token is for another client', { claim: 'client_id' });
        // Where an audience is named, it has to be this server, whether or not binding was asked for.
        const audience =
          resources !== undefined || claims['aud'] !== undefined
            ? audienceOf(claims, resources ?? options.clientIds)
            : parsed.client_id;
        return {
          subject: parsed.sub,
          sub: parsed.sub,
          tenantHint,
          displayName: parsed.username,
          email: undefined,
          roles: parsed['cognito:groups'] ?? [],
          scopes: parsed.scope ?? [],
          groups: knownGroups(parsed['cognito:groups'] ?? []),
          clientId: parsed.client_id,
          kind: parsed.sub === parsed.client_id ? 'client' : 'user',
          audience,
        };
      }
      const audience = audienceOf(claims, options.clientIds);
      const parsed = parseClaims(idSchema, claims);
      return {
        subject: parsed.sub,
        sub: parsed.sub,
        tenantHint,
        displayName: parsed.name ?? parsed['cognito:username'],
        email: parsed.email_verified === true || parsed.email_verified === 'true' ? parsed.email : undefined,
        roles: parsed['cognito:groups'] ?? [],
        scopes: [],
        groups: knownGroups(parsed['cognito:groups'] ?? []),
        clientId: audience,
        kind: 'user',
        audience,
      };
    },
  };
}

import { auth0, cognito, entra, okta, verifier } from '@portcullis/claims';
import type { IdentityVerifier } from '@portcullis/core';
import { fixtures, type LocalIssuer } from '@portcullis/testing/issuers';

/** The demo's identity providers: three of customers, and Okta for the company's own staff. */
export interface Issuers {
  readonly auth0: LocalIssuer;
  readonly entra: LocalIssuer;
  readonly cognito: LocalIssuer;
  readonly okta: LocalIssuer;
}

/** What tokens for the admin API are issued for: an agent's token for the MCP server administers nothing. */
export const adminAudience = 'https://mcp.example.com/admin';

/** Verifies the tokens that the MCP server takes. */
export function mcpVerifier(issuers: Issuers): IdentityVerifier {
  return verifier([
    auth0({
      name: 'auth0',
      issuer: issuers.auth0.issuer,
      audience: fixtures.audience,
      requireOrganization: true,
      rolesClaim: fixtures.auth0.rolesClaim,
    }),
    entra({
      name: 'entra',
      authority: issuers.entra.origin,
      tenant: 'registered',
      audience: fixtures.entra.audience,
    }),
    cognito({
      name: 'cognito',
      endpoint: issuers.cognito.origin,
      userPoolId: fixtures.cognito.userPoolId,
      clientIds: [fixtures.cognito.client],
      tokenUse: 'access',
    }),
    okta({ name: 'okta', issuer: issuers.okta.issuer, audience: fixtures.audience }),
  ]);
}

/** Verifies the tokens that the admin API takes: those of staff, and of the customers who sign in by Auth0. */
export function adminVerifier(issuers: Issuers): IdentityVerifier {
  return verifier([
    auth0({ name: 'auth0', issuer: issuers.auth0.issuer, audience: adminAudience, requireOrganization: true }),
    okta({ name: 'okta', issuer: issuers.okta.issuer, audience: adminAudience }),
  ]);
}

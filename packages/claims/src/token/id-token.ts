import { tokenInvalid } from '@portcullis/core';
import type { Claims } from './claims.js';

/** Claims that OpenID Connect puts into id tokens, and that no access token has. */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash', 's_hash'] as const;

/**
 * Refuses an id token in place of an access token: both are signed by one issuer with one key, and the id token is
 * for the client to read, not for an API to obey.
 *
 * @throws PortcullisError `token_invalid` (`type`)
 * @see RFC 9068, section 4; OpenID Connect Core 1.0, section 2
 */
export function refuseIdToken(claims: Claims): void {
  const found = idTokenClaims.find((claim) => Object.hasOwn(claims, claim));
  if (found !== undefined) throw tokenInvalid('type', 'an id token is not an access token', { claim: found });
}

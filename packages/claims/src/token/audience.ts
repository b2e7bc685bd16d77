import { tokenInvalid } from '@portcullis/core';
import type { Claims } from './claims.js';

/**
 * The member of the token's audience that is this server.
 *
 * @param claims - verified claims; `aud` is a string or a list of strings
 * @param accepted - what this server answers to
 * @throws PortcullisError `token_invalid` (`audience`)
 * @see RFC 7519, section 4.1.3; RFC 8707, section 3
 */
export function audienceOf(claims: Claims, accepted: readonly string[]): string {
  const { aud } = claims;
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!named.every((member) => typeof member === 'string' && member !== '')) {
    throw tokenInvalid('audience', 'claim `aud` is missing or malformed', { claim: 'aud' });
  }
  const own = named.filter((member): member is string => typeof member === 'string' && accepted.includes(member));
  const [audience] = own;
  if (audience === undefined) throw tokenInvalid('audience', 'the token is not for this server', { claim: 'aud' });
  return audience;
}

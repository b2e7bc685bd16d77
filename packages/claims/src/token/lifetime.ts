import { tokenInvalid, type PortcullisError } from '@portcullis/core';
import type { LifetimeRules } from '../issuer.js';
import type { Claims } from './claims.js';

const day = 24 * 60 * 60 * 1000;

/**
 * Checks when a token is valid: `exp` is required and finite, `nbf` and `iat` are honoured, and a token that lives
 * longer than the cap is refused however good its signature is.
 *
 * @param now - in milliseconds since the Unix epoch
 * @returns when it ends, in milliseconds since the Unix epoch
 * @throws PortcullisError `token_invalid` (`expired`, `not_yet_valid`, `lifetime`, `claim`)
 * @see RFC 7519, sections 4.1.4 to 4.1.6; RFC 9068, section 2.2
 */
export function requireLifetime(claims: Claims, rules: LifetimeRules, now: number): number {
  const skew = rules.clockSkewMs ?? 30_000;
  const cap = rules.maxLifetimeMs ?? day;
  const exp = instant(claims, 'exp');
  if (exp === undefined) throw fault('claim', 'claim `exp` is missing', 'exp');
  const nbf = instant(claims, 'nbf');
  const iat = instant(claims, 'iat');
  if (now >= exp + skew) throw fault('expired', 'the token has expired', 'exp');
  if (nbf !== undefined && now < nbf - skew) throw fault('not_yet_valid', 'the token is not valid yet', 'nbf');
  if (iat !== undefined && now < iat - skew) throw fault('not_yet_valid', 'the token was issued in the future', 'iat');
  if (exp - (iat ?? now) > cap + skew) throw fault('lifetime', 'the token lives longer than is accepted', 'exp');
  if (iat !== undefined && exp <= iat) throw fault('lifetime', 'the token ends before it begins', 'exp');
  return exp;
}

/** A NumericDate, which is seconds, in milliseconds. */
function instant(claims: Claims, claim: string): number | undefined {
  const value = claims[claim];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 1e11)
    throw fault('claim', `claim \`${claim}\` is malformed`, claim);
  return value * 1000;
}

function fault(
  rule: 'expired' | 'not_yet_valid' | 'lifetime' | 'claim',
  message: string,
  claim: string,
): PortcullisError {
  return tokenInvalid(rule, message, { claim });
}

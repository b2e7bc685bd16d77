import { PortcullisError } from '@portcullis/core';

/** RFC 6750, section 2.1: `b64token`. */
const b64token = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * Reads the bearer token out of an `Authorization` header value.
 *
 * Only the header is looked at: MCP forbids tokens in the query string, and a form field would be somebody else's body.
 * Two `Authorization` headers arrive joined by a comma, which no token contains, and are refused.
 *
 * @throws PortcullisError `token_missing` (no header, or another scheme), `request_invalid` (malformed)
 * @see RFC 6750, section 2.1; RFC 9110, section 11.6.2
 */
export function bearerToken(authorization: string | null): string {
  if (authorization === null) throw new PortcullisError('token_missing');
  const space = authorization.indexOf(' ');
  const scheme = space < 0 ? authorization : authorization.slice(0, space);
  if (scheme.toLowerCase() !== 'bearer') throw new PortcullisError('token_missing');
  const token = authorization.slice(scheme.length).trim();
  if (token === '') throw new PortcullisError('token_missing');
  if (!b64token.test(token)) {
    throw new PortcullisError('request_invalid', 'the authorization header is malformed');
  }
  return token;
}

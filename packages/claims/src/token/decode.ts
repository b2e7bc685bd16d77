import { parseStrictJson, tokenInvalid, type AttributeValue } from '@portcullis/core';
import type { PortcullisError } from '@portcullis/core';

/** A token that was taken apart and not yet believed. */
export interface DecodedToken {
  readonly header: Readonly<Record<string, AttributeValue>>;
  readonly payload: Readonly<Record<string, AttributeValue>>;
}

/**
 * Takes a compact JWS apart, strictly: base64url without padding, foreign characters or left-over bits, and JSON
 * objects without duplicate members. What two parsers could read differently is refused before any of them sees it.
 *
 * @param maxBytes - the longest token that is looked at
 * @throws PortcullisError `token_invalid` (`format`)
 * @see RFC 7515, section 2 (base64url) and section 4 (member names must be unique); RFC 8725, section 3.7
 */
export function decodeToken(token: string, maxBytes: number): DecodedToken {
  if (token.length > maxBytes) throw malformed('the token is too large');
  const parts = token.split('.');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    throw malformed('the token is not a compact JWS');
  }
  if (!isStrictBase64Url(signature)) throw malformed('the token is not strict base64url');
  return { header: decodePart(header), payload: decodePart(payload) };
}

function decodePart(part: string): Readonly<Record<string, AttributeValue>> {
  if (part === '' || !isStrictBase64Url(part)) throw malformed('the token is not strict base64url');
  const bytes = Buffer.from(part, 'base64url');
  let value: AttributeValue;
  try {
    value = parseStrictJson(utf8.decode(bytes));
  } catch {
    // The parser's message may quote the token.
    throw malformed('the token is not strict JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('the token is not strict JSON');
  if (Object.hasOwn(value, '__proto__')) throw malformed('the token has a member that no claim may be named');
  return value as Readonly<Record<string, AttributeValue>>;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Whether text is base64url that encodes back to itself. */
function isStrictBase64Url(text: string): boolean {
  return /^[A-Za-z0-9_-]*$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;
}

function malformed(message: string): PortcullisError {
  return tokenInvalid('format', message);
}

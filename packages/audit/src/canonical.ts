import { createHash } from 'node:crypto';

/**
 * The canonical JSON text of a value: members sorted by name, no white space. Two values have the same text only if
 * they are the same JSON value.
 *
 * @throws TypeError for what JSON cannot say: `undefined` in an array, a function, a number that is not finite
 * @see RFC 8785 (JSON Canonicalization Scheme)
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  // Loops, and not the shorter chains of calls: each record of a trail goes through here twice.
  if (Array.isArray(value)) {
    let text = '[';
    for (let at = 0; at < value.length; at++) text += `${at === 0 ? '' : ','}${canonicalJson(value[at])}`;
    return `${text}]`;
  }
  if (typeof value === 'object') {
    const members = value as Readonly<Record<string, unknown>>;
    let text = '';
    // The order of RFC 8785 is that of UTF-16 units, which is this one's.
    for (const name of Object.keys(members).sort()) {
      const member = members[name];
      if (member !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(member)}`;
    }
    return `{${text}}`;
  }
  throw new TypeError(`not a JSON value: ${typeof value}`);
}

/** The SHA-256 of a value's canonical JSON, as base64url. */
export function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('base64url');
}

import { PortcullisError } from '@portcullis/core';

/** The longest key, in bytes of UTF-8. */
export const maxKeyBytes = 512;

/**
 * The prefix under which everything of a tenant is kept.
 *
 * It is the tenant id with every character outside `[A-Za-z0-9-]` written as `_` and four hexadecimal digits, in front
 * of a `/`. The encoding is injective, and since no encoded id contains a `/`, no tenant's prefix is the beginning of
 * another's: `a/` is not the beginning of `ab/`.
 *
 * @param tenant - any non-empty string; tenant ids are narrower, and nothing here relies on that
 * @throws PortcullisError `storage_refused` for an empty tenant
 */
export function tenantPrefix(tenant: string): string {
  if (tenant === '') throw refused('an empty tenant has no storage');
  return `${tenant.replace(/[^A-Za-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}/`;
}

/**
 * The full key of a tenant's key.
 *
 * A key is one to 512 bytes of well-formed Unicode in normalization form C, in segments between slashes: no segment is
 * empty, `.` or `..`, and there are no control characters, no percent signs and no backslashes. What a backend, a file
 * system or a proxy could read as something else is refused rather than repaired.
 *
 * @throws PortcullisError `storage_refused`
 */
export function tenantKey(tenant: string, key: string): string {
  requireKey(key);
  return `${tenantPrefix(tenant)}${key}`;
}

/** The tenant's own key of a full one; `undefined` when the full key is not the tenant's. */
export function ownKey(tenant: string, full: string): string | undefined {
  const prefix = tenantPrefix(tenant);
  return full.startsWith(prefix) && full.length > prefix.length ? full.slice(prefix.length) : undefined;
}

/** The grammar of keys, as `tenantKey` has it. @throws PortcullisError `storage_refused` */
export function requireKey(key: unknown): void {
  if (typeof key !== 'string' || key === '') throw refused('a key must be a non-empty string');
  if (Buffer.byteLength(key) > maxKeyBytes) throw refused(`a key has at most ${String(maxKeyBytes)} bytes`);
  if (!isWellFormed(key) || key.normalize('NFC') !== key)
    throw refused('a key must be well-formed Unicode in normalization form C');
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}%\\]/u.test(key)) throw refused('a key has no control characters, `%` or `\\`');
  if (key.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw refused('a key has no empty, `.` or `..` segments');
  }
}

/** A prefix of keys for a listing: like a key, and it may end with a slash or be empty. */
export function requireKeyPrefix(prefix: string): void {
  if (prefix !== '') requireKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

/**
 * The order of keys: that of their UTF-8 bytes, which is the one of Unicode's code points and the one in which S3
 * lists. (`<` compares UTF-16 units, and puts what lies beyond U+FFFF before U+E000.)
 *
 * @returns a negative number, zero or a positive one
 */
export function compareKeys(one: string, two: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(two));
}

/** Lone surrogates are no characters; some encoders replace them, and two keys become one. */
export function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

function refused(detail: string): PortcullisError {
  return new PortcullisError('storage_refused', undefined, { detail });
}

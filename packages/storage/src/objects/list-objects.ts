import { refused } from '../access.js';
import { requireKeyPrefix } from '../tenant-key.js';
import type { ObjectBackend } from './object-backend.js';
import { listRaw, type RawEntry } from './raw-listing.js';
import type { ObjectInfo, ObjectListOptions, ObjectPage } from './tenant-objects.js';

/** The server gives no more at once. */
export const maxPage = 1000;

/** The longest key of S3, in bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const maxFullKeyBytes = 1024;

/**
 * A page of a tenant’s objects. Objects below the tenant’s prefix whose keys the codec would not have made (a console’s
 * folder markers) cannot be addressed, and are not shown.
 */
export async function listObjects(backend: ObjectBackend, options: ObjectListOptions = {}): Promise<ObjectPage> {
  const { prefix = '', limit = 100, cursor, delimiter, signal } = options;
  requireKeyPrefix(prefix);
  if (!Number.isSafeInteger(limit) || limit < 1) throw refused('limit must be a positive integer');
  if (delimiter !== undefined && (delimiter as string) !== '/') throw refused('the delimiter can only be `/`');
  const { place } = backend;
  const shown: RawEntry[] = [];
  let after = cursor === undefined ? undefined : place.prefix + decodeCursor(cursor);
  let more = true;
  while (more && shown.length < limit) {
    const page = await listRaw(backend, {
      prefix: place.prefix + prefix,
      limit: Math.min(maxPage, limit - shown.length),
      after: after?.endsWith('/') === true ? endOfGroup(after) : after,
      delimiter,
      signal,
    });
    shown.push(...page.entries.filter((entry) => isAddressable(backend, entry)));
    after = page.entries.at(-1)?.name;
    more = page.more;
  }
  const own = (name: string): string => name.slice(place.prefix.length);
  return {
    objects: shown.flatMap((entry) => (entry.kind === 'object' ? [infoOf(own(entry.name), entry)] : [])),
    prefixes: shown.flatMap(({ kind, name }) => (kind === 'group' ? [own(name)] : [])),
    ...(more && after !== undefined ? { cursor: encodeCursor(own(after)) } : {}),
  };
}

/** What no key of the group comes after: no character is greater, and none longer. */
function endOfGroup(group: string): string {
  return group + '\u{10FFFF}'.repeat(Math.max(1, Math.floor((maxFullKeyBytes - Buffer.byteLength(group)) / 4)));
}

function infoOf(key: string, { sizeBytes, etag, modifiedAt }: RawEntry & { kind: 'object' }): ObjectInfo {
  return { key, sizeBytes, etag, modifiedAt };
}

function isAddressable({ place }: ObjectBackend, { kind, name }: RawEntry): boolean {
  return place.own(kind === 'group' ? name.slice(0, -1) : name) !== undefined;
}

function encodeCursor(last: string): string {
  return Buffer.from(last).toString('base64url');
}

/**
 * A cursor is the tenant’s own last key, without the prefix: one of another tenant’s, or one that somebody wrote, is
 * a place in this tenant’s listing and nothing else.
 */
function decodeCursor(cursor: string): string {
  const last = Buffer.from(cursor, 'base64url').toString();
  if (last === '' || encodeCursor(last) !== cursor) throw refused('the cursor is not one of a listing');
  return last;
}

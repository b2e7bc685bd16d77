import { requireKey } from '../tenant-key.js';

/**
 * How long one piece of an encoded segment may be; with its mark it stays below the 255 bytes that common file systems
 * allow a name.
 */
const maxPiece = 200;

/**
 * The name of a tenant’s folder: `t-` and the tenant id, escaped.
 *
 * Escaping keeps `a`–`z`, `0`–`9` and `-`, and writes every other byte of UTF-8 as `_` and two hexadecimal digits. So
 * no two ids meet in one name, not even where the file system ignores case (`Acme` is `t-_41cme`) or normalizes
 * Unicode, and no name is one that Windows reserves or shortens: none has a dot, a space, a colon or a `~`.
 */
export function tenantFolder(tenant: string): string {
  return `t-${escape(tenant)}`;
}

/**
 * The path of a key below the tenant’s folder, in names: `d-` and a segment for each segment but the last, `f-` and the
 * last one. `a` and `a/b` are there side by side, as `f-a` and `d-a/f-b`. A segment that is longer than 200 characters
 * when escaped goes over several names, all but its last piece marked `c-`.
 *
 * @throws PortcullisError `storage_refused` for a key that is not acceptable
 */
export function pathOfKey(key: string): readonly [...folders: string[], file: string] {
  requireKey(key);
  const segments = key.split('/').map(piecesOf);
  const names = segments.flatMap((pieces, at) => {
    const end = at === segments.length - 1 ? 'f-' : 'd-';
    return pieces.map((piece, index) => (index === pieces.length - 1 ? end : 'c-') + piece);
  });
  return [...names.slice(0, -1), names.at(-1) ?? ''];
}

/** The key of a path below the tenant’s folder; `undefined` when `pathOfKey` would not have made it. */
export function keyOfPath(path: readonly string[]): string | undefined {
  const escaped = path.map((name) => name.slice(2) + (name.startsWith('d-') ? '/' : '')).join('');
  const key = unescape(escaped);
  if (key === undefined) return undefined;
  try {
    const made = pathOfKey(key);
    return made.length === path.length && made.every((name, at) => name === path[at]) ? key : undefined;
  } catch {
    return undefined;
  }
}

function piecesOf(segment: string): readonly string[] {
  return escape(segment).match(new RegExp(`.{1,${String(maxPiece)}}`, 'g')) ?? [];
}

function escape(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[a-z0-9-]/.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

function unescape(escaped: string): string | undefined {
  if (!/^(?:[a-z0-9/-]|_[0-9a-f]{2})*$/.test(escaped)) return undefined;
  const latin = escaped.replace(/_(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(latin, 'latin1'));
  } catch {
    return undefined;
  }
}

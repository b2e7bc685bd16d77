import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openChild, type Directory } from '../../folder/directory.js';
import { requireKey } from '../../tenant-key.js';
import { detailOf } from '../copying/detail-of.js';

/** What a walk through a folder has found, by its path from there. */
export type FoundFile =
  | { readonly kind: 'file'; readonly path: readonly string[] }
  /** Told before what is in it. @param mode - its permission bits */
  | { readonly kind: 'folder'; readonly path: readonly string[]; readonly mode: number }
  | { readonly kind: 'obstacle'; readonly path: readonly string[]; readonly why: string };

/** Walks through all that is no tenant's, folder by held folder: no link is followed. */
export async function* walkOriginals(
  folder: Directory,
  own: string,
  device?: number,
  path: readonly string[] = [],
): AsyncGenerator<FoundFile, void, undefined> {
  const home = device ?? (await (folder.handle?.stat() ?? lstat(folder.path))).dev;
  for (const name of (await readdir(folder.path)).sort()) {
    if (path.length === 0 && name === own) continue;
    const here = [...path, name];
    const stat = await lstat(join(folder.path, name));
    const why = obstacleOf(here, stat, home);
    if (why !== undefined) yield { kind: 'obstacle', path: here, why };
    else if (stat.isFile()) yield { kind: 'file', path: here };
    else {
      const child = await openChild(folder, name, false);
      if (child === undefined) continue;
      try {
        yield { kind: 'folder', path: here, mode: stat.mode & 0o7777 };
        yield* walkOriginals(child, own, home, here);
      } finally {
        await child.close();
      }
    }
  }
}

interface Stat {
  readonly dev: number;
  readonly nlink: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

function obstacleOf(path: readonly string[], stat: Stat, device: number): string | undefined {
  if (path.length === 1 && path[0]?.startsWith('t-') === true) return 'is named as a tenant’s folder is';
  if (stat.dev !== device) return 'is on another file system';
  if (stat.isDirectory()) return undefined;
  if (!stat.isFile()) return 'is neither a file nor a folder: a link, a pipe, a device';
  if (stat.nlink > 1) return 'is a file with a second name';
  if (path.some((name) => name.includes('\uFFFD'))) return 'has a name that is not UTF-8';
  try {
    requireKey(path.join('/'));
    return undefined;
  } catch (error) {
    return detailOf(error);
  }
}

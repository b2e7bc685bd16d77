import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, openChild, type Directory } from './directory.js';
import { keyOfPath } from './path-codec.js';

/**
 * The keys of all files below a folder that begin with a prefix, in no order. What the codec has not named is no key:
 * links, pipes and files that are being written are not shown.
 *
 * @param path - the names of the folders that lead to this one from the tenant’s
 */
export async function* keysBelow(
  folder: Directory,
  prefix: string,
  path: readonly string[] = [],
): AsyncGenerator<string, void, undefined> {
  for (const entry of await readdir(folder.path, { withFileTypes: true })) {
    const here = [...path, entry.name];
    if (entry.isFile()) {
      const key = keyOfPath(here);
      if (key?.startsWith(prefix) === true) yield key;
    } else if (entry.isDirectory()) {
      const child = await openChild(folder, entry.name, false);
      if (child === undefined) continue;
      try {
        yield* keysBelow(child, prefix, here);
      } finally {
        await child.close();
      }
    }
  }
}

/** Deletes all that is in a folder, links as links, and returns how many files that were. */
export async function emptyFolder(folder: Directory): Promise<number> {
  let count = 0;
  for (const entry of await readdir(folder.path, { withFileTypes: true })) {
    const path = join(folder.path, entry.name);
    if (entry.isDirectory()) {
      const child = await openChild(folder, entry.name, false);
      if (child === undefined) continue;
      try {
        count += await emptyFolder(child);
      } finally {
        await child.close();
      }
      await ifThere(rmdir(path));
    } else if ((await ifThere(unlink(path))) && entry.isFile() && entry.name.startsWith('f-')) count += 1;
  }
  return count;
}

/** Whether it was there: somebody else may have been faster. */
export async function ifThere(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

import { lstat, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from '../../access.js';
import { codeOf, type Directory } from '../../folder/directory.js';
import { below } from '../../folder/held-path.js';

/** A file, from a folder that is held. */
export type FilePath = readonly string[];

/**
 * Moves a file by its name alone: its content, times and permission bits stay as they are. Both folders are held, no
 * link is followed, and nothing is written over unless that is said.
 *
 * @returns false when there is no such file any more
 * @throws PortcullisError `storage_refused` when something is in the new place
 */
export async function moveFile(root: Directory, from: FilePath, to: FilePath, over: boolean): Promise<boolean> {
  const moved = await below(root, from.slice(0, -1), false, (source) =>
    below(root, to.slice(0, -1), true, async (target) => {
      const [old, next] = [join(source.path, from.at(-1) ?? ''), join(target.path, to.at(-1) ?? '')];
      if (!(await isPlainFile(old))) return false;
      if (!over && (await exists(next)))
        throw refused(`there is something in the place of \`${to.join('/')}\` already`);
      await rename(old, next);
      // It may have been replaced between the two: then it goes back, as what it is.
      if (!(await isPlainFile(next))) {
        await rename(next, old);
        throw refused(`\`${from.join('/')}\` was replaced by something that is no file`);
      }
      return true;
    }),
  );
  return moved ?? false;
}

/** Flushes folders, by their paths, so that what was moved is where it is after a crash of the machine, too. */
export async function syncFolders(root: Directory, paths: Iterable<readonly string[]>): Promise<void> {
  const distinct = new Map([...paths].map((path) => [JSON.stringify(path), path]));
  for (const path of distinct.values()) await below(root, path, false, async (folder) => folder.handle?.sync());
}

/** Whether there is anything under this name: a link that leads nowhere, too. */
export async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

async function isPlainFile(path: string): Promise<boolean> {
  const stat = await statOf(path);
  if (stat === undefined) return false;
  if (!stat.isFile() || stat.nlink > 1) throw refused('something in the place of a file is no file with one name');
  return true;
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from '../../access.js';
import { openChild, type Directory } from '../../folder/directory.js';
import { below } from '../../folder/held-path.js';
import { ifThere } from '../../folder/walk-files.js';

/** Deletes one file of the tenant's. */
export async function removeFile(root: Directory, path: readonly string[]): Promise<void> {
  await below(root, path.slice(0, -1), false, (folder) => ifThere(unlink(join(folder.path, path.at(-1) ?? ''))));
}

/**
 * Removes the tenant's folder, which has no files any more but those that were never written to their end.
 *
 * @throws PortcullisError `storage_refused` when there is something else in it
 */
export async function removeOwnFolder(root: Directory, own: string): Promise<void> {
  const left = await below(root, [own], false, emptied);
  if (left === undefined) return;
  if (left.length > 0)
    throw refused(`in \`${own}\` is something that is no file of the tenant’s: move \`${left[0] ?? ''}\` away first`);
  await ifThere(rmdir(join(root.path, own)));
}

async function emptied(folder: Directory): Promise<readonly string[]> {
  const left: string[] = [];
  for (const entry of await readdir(folder.path, { withFileTypes: true })) {
    const path = join(folder.path, entry.name);
    if (entry.isFile() && entry.name.startsWith('p-')) await ifThere(unlink(path));
    else if (entry.isDirectory()) {
      const child = await openChild(folder, entry.name, false);
      if (child === undefined) continue;
      try {
        left.push(...(await emptied(child)).map((name) => `${entry.name}/${name}`));
      } finally {
        await child.close();
      }
      if (left.length === 0) await ifThere(rmdir(path));
    } else left.push(entry.name);
  }
  return left;
}

import { chmod, mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../access.js';
import { codeOf, openRoot, type Directory } from '../folder/directory.js';
import { below } from '../folder/held-path.js';
import { pathOfKey, tenantFolder } from '../folder/path-codec.js';
import { ifThere, keysBelow } from '../folder/walk-files.js';
import type { AdoptionCall, AdoptionCounts, AdoptionPlan, AdoptionStep, Obstacle } from './adoption-step.js';
import { requireNone, type ObstacleOptions } from './copying/copying-step.js';
import { folderNotes, type FolderNote, type NotedFolder } from './files/folder-notes.js';
import { exists, moveFile, syncFolders } from './files/move-file.js';
import { removeFile, removeOwnFolder } from './files/remove-own-folder.js';
import { walkOriginals } from './files/walk-originals.js';

/** Which files are adopted. */
export interface AdoptFolderOptions extends ObstacleOptions {
  /** @defaultValue `files` */
  readonly name?: string | undefined;
}

/**
 * Adopts the files below a folder: each is moved, by its name alone and within the file system, into the tenant’s
 * folder, where `folderStorage` over the same root finds it under its old path as the key. A move is done or not done
 * at every moment, and keeps content, times and permission bits. The old folders stay, empty, until `finish`.
 *
 * Links, pipes, devices, files with a second name or on another file system, names that `folderStorage` would refuse, and
 * what is named as a tenant’s folder (`t-…`) are obstacles. No link is followed.
 *
 * @param root - the folder of the server that knew no tenants
 * @example
 * ```ts
 * import { adoptFolder } from '@portcullis/storage/adoption';
 *
 * console.log(adoptFolder('/var/lib/notes').name); // prints: files
 * ```
 */
export function adoptFolder(root: string, options: AdoptFolderOptions = {}): AdoptionStep {
  const { name = 'files' } = options;
  const within = <T>(work: (root: Directory) => Promise<T>): Promise<T> => withRoot(root, work);

  return {
    name,
    plan: (call, action) => within((folder) => plan(folder, call, action)),
    run: (call) =>
      within(async (folder) => {
        const found = await originals(folder, call);
        requireNone(name, found.obstacles, options);
        await beginOnce(folder, call, found.folders);
        const own = tenantFolder(call.tenant);
        let moved = 0;
        for (const path of found.files) {
          call.signal.throwIfAborted();
          if (await moveFile(folder, path, [own, ...pathOfKey(path.join('/'))], false)) moved += 1;
          call.progress({ moved, of: found.files.length });
        }
        const keys = await ownKeys(folder, own);
        // Those of an earlier call as well.
        await syncMoved(folder, own, keys, (await folderNotes(call.ledger)).folders);
        const skipped = found.obstacles.length;
        return { files: keys.length, ...(skipped > 0 && { skipped }) };
      }),
    finish: (call) =>
      within(async (folder) => {
        let removed = 0;
        for (const { path } of (await folderNotes(call.ledger)).folders.toReversed()) {
          call.signal.throwIfAborted();
          if (await removeEmpty(folder, path)) removed += 1;
        }
        return { foldersRemoved: removed };
      }),
    beforeUndo: (call, { onConflict }) =>
      within(async (folder) => {
        if ((await folderNotes(call.ledger)).begun)
          await requireRoom(folder, await ownKeys(folder, tenantFolder(call.tenant)), onConflict);
      }),
    undo: (call, { onConflict }) => within((folder) => moveBack(folder, call, onConflict)),
  };
}

interface Originals {
  readonly files: readonly (readonly string[])[];
  readonly folders: readonly NotedFolder[];
  readonly obstacles: readonly Obstacle[];
}

async function originals(root: Directory, { tenant, signal }: AdoptionCall): Promise<Originals> {
  const found = { files: [] as (readonly string[])[], folders: [] as NotedFolder[], obstacles: [] as Obstacle[] };
  for await (const each of walkOriginals(root, tenantFolder(tenant))) {
    signal.throwIfAborted();
    if (each.kind === 'file') found.files.push(each.path);
    else if (each.kind === 'folder') found.folders.push({ path: each.path, mode: each.mode });
    else found.obstacles.push({ what: each.path.join('/'), why: each.why });
  }
  return found;
}

async function plan(root: Directory, call: AdoptionCall, action: 'run' | 'finish' | 'undo'): Promise<AdoptionPlan> {
  const own = tenantFolder(call.tenant);
  const { begun, folders } = await folderNotes(call.ledger);
  const found = await originals(root, call);
  const keys = await ownKeys(root, own);
  if (action === 'run')
    return {
      does: [`moves ${String(found.files.length)} files into \`${own}\``],
      counts: { toMove: found.files.length },
      obstacles: [
        ...(!begun && (await exists(join(root.path, own)))
          ? [{ what: own, why: 'the tenant has a folder already' }]
          : []),
        ...found.obstacles,
      ],
    };
  if (action === 'finish')
    return {
      does: [`removes the folders that are empty, of ${String(folders.length)}`],
      counts: { folders: folders.length },
      obstacles: found.obstacles,
    };
  const conflicts = await filter(keys, (key) => isTaken(root, key));
  return {
    does: [`moves ${String(keys.length)} files back to where they were, new ones to the path of their keys`],
    counts: { toBringBack: keys.length },
    obstacles: conflicts.map((what) => ({ what, why: 'there is a file in its old place: say `onConflict`' })),
  };
}

/** Notes all folders, and that the tenant had nothing: once, before the first file is moved. */
async function beginOnce(root: Directory, call: AdoptionCall, folders: readonly NotedFolder[]): Promise<void> {
  if ((await folderNotes(call.ledger)).begun) return;
  if (await exists(join(root.path, tenantFolder(call.tenant))))
    throw new PortcullisError('conflict', `tenant \`${call.tenant}\` has a folder already`, {
      detail: 'what is in it would be mixed with what is moved',
    });
  const notes = folders.map((folder): FolderNote => ({ note: 'folder', ...folder }));
  await call.ledger.append([...notes, { note: 'begun' }]);
}

/** @returns the files that are in both places, and may be. @throws PortcullisError `storage_conflict` */
async function requireRoom(
  root: Directory,
  keys: readonly string[],
  onConflict: 'tenant' | 'original' | undefined,
): Promise<ReadonlySet<string>> {
  const conflicts = new Set(await filter(keys, (key) => isTaken(root, key)));
  if (conflicts.size > 0 && onConflict === undefined)
    throw new PortcullisError('storage_conflict', 'files were written in their old places', {
      detail: `${String(conflicts.size)} files, \`${[...conflicts][0] ?? ''}\` first: say by \`onConflict\` which of the two stays`,
    });
  requireTree(keys);
  return conflicts;
}

async function moveBack(
  root: Directory,
  call: AdoptionCall,
  onConflict: 'tenant' | 'original' | undefined,
): Promise<AdoptionCounts> {
  const { begun, folders } = await folderNotes(call.ledger);
  if (!begun) return { broughtBack: 0 };
  const own = tenantFolder(call.tenant);
  const keys = await ownKeys(root, own);
  const conflicts = await requireRoom(root, keys, onConflict);
  for (const folder of folders) await makeAgain(root, folder);
  let broughtBack = 0;
  for (const key of keys) {
    call.signal.throwIfAborted();
    if (conflicts.has(key) && onConflict === 'original') await removeFile(root, [own, ...pathOfKey(key)]);
    else if (await moveFile(root, [own, ...pathOfKey(key)], key.split('/'), conflicts.has(key))) broughtBack += 1;
    call.progress({ broughtBack, of: keys.length });
  }
  await syncFolders(root, [[], ...folders.map(({ path }) => path), ...keys.map((key) => key.split('/').slice(0, -1))]);
  await removeOwnFolder(root, own);
  return { broughtBack };
}

function syncMoved(
  root: Directory,
  own: string,
  keys: readonly string[],
  folders: readonly NotedFolder[],
): Promise<void> {
  const moved = keys.map((key) => [own, ...pathOfKey(key).slice(0, -1)]);
  return syncFolders(root, [...moved, [own], [], ...folders.map(({ path }) => path)]);
}

/** A tenant may have `a` and `a/b`; a folder of plain files may not. */
function requireTree(keys: readonly string[]): void {
  const all = new Set(keys);
  for (const key of keys)
    for (let at = key.indexOf('/'); at > 0; at = key.indexOf('/', at + 1))
      if (all.has(key.slice(0, at)))
        throw new PortcullisError('storage_conflict', 'two files cannot both go back', {
          detail: `\`${key.slice(0, at)}\` would be a file and a folder, for \`${key}\`: rename one of them first`,
        });
}

async function ownKeys(root: Directory, own: string): Promise<readonly string[]> {
  const keys: string[] = [];
  await below(root, [own], false, async (folder) => {
    for await (const key of keysBelow(folder, '')) keys.push(key);
  });
  return keys.sort();
}

/** Whether something is in the old place of a key: a file, or a file where a folder of its path has to be. */
async function isTaken(root: Directory, key: string): Promise<boolean> {
  const path = key.split('/');
  return (
    (await below(root, path.slice(0, -1), false, (folder) => exists(join(folder.path, path.at(-1) ?? '')))) ?? false
  );
}

async function makeAgain(root: Directory, { path, mode }: NotedFolder): Promise<void> {
  await below(root, path.slice(0, -1), false, async (parent) => {
    const made = join(parent.path, path.at(-1) ?? '');
    try {
      await mkdir(made, 0o700);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return;
      throw error;
    }
    await chmod(made, mode);
  });
}

async function removeEmpty(root: Directory, path: readonly string[]): Promise<boolean> {
  const removed = await below(root, path.slice(0, -1), false, async (parent) => {
    try {
      return await ifThere(rmdir(join(parent.path, path.at(-1) ?? '')));
    } catch (error) {
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR') return false;
      throw error;
    }
  });
  return removed ?? false;
}

async function filter(keys: readonly string[], holds: (key: string) => Promise<boolean>): Promise<readonly string[]> {
  const held: string[] = [];
  for (const key of keys) if (await holds(key)) held.push(key);
  return held;
}

async function withRoot<T>(path: string, work: (root: Directory) => Promise<T>): Promise<T> {
  let root: Directory;
  try {
    root = await openRoot(path, 'best');
  } catch (cause) {
    throw new PortcullisError('config_invalid', `\`root\` is not a folder that can be used: \`${path}\``, { cause });
  }
  try {
    return await work(root);
  } catch (cause) {
    throw cause instanceof PortcullisError || codeOf(cause) === undefined ? cause : unavailable(cause);
  } finally {
    await root.close();
  }
}

import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../access.js';
import { requireArchiveFile, requireArchiveId } from './archive-names.js';
import type { ArchiveStore, ArchiveWriter } from './archive-store.js';
import { syncFolder } from './sync-folder.js';
import { isSystemError } from './system-error.js';

/**
 * Keeps archives in a folder of the local file system: a folder each, readable by this process's account alone (modes
 * 0700 and 0600). An archive is written beside its place, flushed to the disk and moved there as a whole.
 *
 * What a tenant had is in these files in the clear: put them on a disk that is encrypted, and delete them (`remove`)
 * when the agreement with the customer says so.
 *
 * @param root - made when it is not there
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { folderArchive } from '@portcullis/storage/provisioning';
 *
 * const archive = folderArchive(await mkdtemp(join(tmpdir(), 'archives-')));
 * await archive.remove('never-made'); // no error
 * ```
 */
export function folderArchive(root: string): ArchiveStore {
  return {
    create: (id) => coded(() => created(root, requireArchiveId(id))),
    async *read(id, file) {
      const path = join(root, requireArchiveId(id), requireArchiveFile(file));
      const handle = await coded(() => open(path, constants.O_RDONLY | constants.O_NOFOLLOW), id);
      try {
        for (;;) {
          const { bytesRead, buffer } = await coded(() => handle.read(Buffer.alloc(65_536)));
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
    remove: (id) =>
      coded(async () => {
        for (const path of [partial(root, requireArchiveId(id)), join(root, id)])
          await rm(path, { recursive: true, force: true });
      }),
  };
}

/** No archive id has a dot. */
const partial = (root: string, id: string): string => join(root, `${id}.partial`);

async function created(root: string, id: string): Promise<ArchiveWriter> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  if (await isThere(join(root, id))) throw exists(id);
  const folder = partial(root, id);
  await mkdir(folder, { mode: 0o700 });
  return {
    write: (file, content) => coded(() => written(join(folder, requireArchiveFile(file)), content)),
    commit: () =>
      coded(async () => {
        await syncFolder(folder);
        if (await isThere(join(root, id))) throw exists(id);
        await rename(folder, join(root, id));
        await syncFolder(root);
      }),
    abort: () => coded(() => rm(folder, { recursive: true, force: true })),
  };
}

async function written(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}

function exists(what: string, cause?: unknown): PortcullisError {
  return new PortcullisError('conflict', `\`${what}\` exists in the archive`, { cause });
}

/** @param reading - the archive that is being read: then a file that is missing is said to be */
async function coded<T>(work: () => Promise<T>, reading?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) throw exists('a file or folder of that name', error);
    if (reading !== undefined && isSystemError(error, 'ENOENT'))
      throw new PortcullisError('storage_not_provisioned', undefined, {
        detail: `archive \`${reading}\` is not there, or a file of it`,
        cause: error,
      });
    throw isSystemError(error) ? unavailable(error) : error;
  }
}

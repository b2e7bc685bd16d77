import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from '../access.js';
import { codeOf, type Directory } from './directory.js';
import { below } from './held-path.js';

/** How a file is written. */
export interface WriteOptions {
  readonly maxFileBytes: number;
  /** Whether to wait until the disk has it. */
  readonly fsync: boolean;
}

/** Folders that are emptied at the same moment are removed: then they are made again, this often. */
const attempts = 10;

/**
 * Writes a file beside the others, under a name that is nobody’s key, and moves it to its place when it is whole. The
 * move replaces a name, and follows no link.
 */
export async function writeFile(
  tenant: Directory,
  path: readonly [...folders: string[], file: string],
  chunks: AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<void> {
  const pending = join(tenant.path, `p-${randomUUID()}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const handle = await open(pending, flags, 0o600);
  try {
    try {
      await writeChunks(handle, chunks, options);
    } finally {
      await handle.close();
    }
    await moveTo(tenant, pending, path, options);
  } catch (error) {
    await unlink(pending).catch(() => undefined);
    throw error;
  }
}

async function writeChunks(
  handle: FileHandle,
  chunks: AsyncIterable<Uint8Array>,
  { maxFileBytes, fsync }: WriteOptions,
): Promise<void> {
  let size = 0;
  for await (const chunk of chunks) {
    if (!((chunk as unknown) instanceof Uint8Array)) throw refused('the content must be a stream of bytes');
    size += chunk.byteLength;
    if (size > maxFileBytes) throw refused(`a file has at most ${String(maxFileBytes)} bytes here`);
    for (let at = 0; at < chunk.byteLength;) at += (await handle.write(chunk, at)).bytesWritten;
  }
  if (fsync) await handle.sync();
}

async function moveTo(
  tenant: Directory,
  pending: string,
  path: readonly [...folders: string[], file: string],
  { fsync }: WriteOptions,
): Promise<void> {
  const file = path.at(-1) ?? '';
  for (let attempt = 1; ; attempt += 1) {
    try {
      const moved = await below(tenant, path.slice(0, -1), true, async (folder) => {
        await rename(pending, join(folder.path, file));
        if (fsync) await folder.handle?.sync();
        return true;
      });
      if (moved === true) return;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt >= attempts) throw error;
    }
    if (attempt >= attempts) throw new Error('the folder was removed again and again while a file was written');
  }
}

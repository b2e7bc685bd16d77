import { rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  PortcullisError,
  withDeadline,
  type OperatorContext,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';
import { refused, tenantOf, tenantOfOperator, unavailable, type OperatorAccessOptions } from '../access.js';
import { compareKeys, requireKeyPrefix } from '../tenant-key.js';
import type { KeyPage } from '../tenant-key-value.js';
import { codeOf, openFile, openRoot, type Directory, type Holding, type OpenedFile } from './directory.js';
import { below } from './held-path.js';
import { pathOfKey, tenantFolder } from './path-codec.js';
import type { FileContent, TenantFolder } from './tenant-folder.js';
import { emptyFolder, ifThere, keysBelow } from './walk-files.js';
import { writeFile } from './write-file.js';

/** How the storage is set up. */
export interface FolderStorageOptions extends OperatorAccessOptions {
  /** A folder that is there, not writable for everybody. If it is a link, it is followed once, at opening. */
  readonly root: string;
  /** How long one operation may take, in milliseconds. @defaultValue 10000 */
  readonly timeoutMs?: number | undefined;
  /** The largest file, in bytes. @defaultValue 64 MiB */
  readonly maxFileBytes?: number | undefined;
  /** Whether a write waits until the disk has it. @defaultValue true */
  readonly fsync?: boolean | undefined;
}

/** Storage for all tenants, of which each context opens its own folder. */
export interface FolderStorage {
  /**
   * The files of the context’s tenant.
   *
   * @throws PortcullisError `storage_refused` for anything but a context that a tenant resolver made
   */
  forTenant(context: TenantContext): TenantFolder;
  /**
   * The files of a tenant, for an operator, on record.
   *
   * @throws PortcullisError `storage_refused`, or what the recorder rejects with
   */
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<TenantFolder>;
  close(): Promise<void>;
}

interface Opened {
  readonly root: Directory;
  readonly timeoutMs: number;
  readonly maxFileBytes: number;
  readonly fsync: boolean;
  /** Runs an operation within its time, and tells its failures by code. */
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>;
}

/** As `folderStorage`, with a choice of how folders are held. */
export async function openFolderStorage(options: FolderStorageOptions, holding: Holding): Promise<FolderStorage> {
  const { timeoutMs = 10_000, maxFileBytes = 64 * 1024 * 1024, fsync = true } = options;
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1)
    throw new PortcullisError('config_invalid', '`timeoutMs` must be a positive whole number');
  if (!Number.isSafeInteger(maxFileBytes) || maxFileBytes < 0)
    throw new PortcullisError('config_invalid', '`maxFileBytes` must be a whole number');
  const root = await rootOf(options.root, holding);
  const running = new Set<Promise<unknown>>();
  let closed = false;
  async function run<T>(operation: () => Promise<T>): Promise<T> {
    if (closed) throw unavailable(undefined, 'the storage is closed');
    const work = operation();
    const over = work.catch(() => undefined).finally(() => running.delete(over));
    running.add(over);
    return bounded(work, timeoutMs);
  }
  const open = (tenant: TenantId): TenantFolder => tenantFiles({ root, timeoutMs, maxFileBytes, fsync, run }, tenant);
  return {
    forTenant: (context) => open(tenantOf(context)),
    forTenantAsOperator: async (operator, tenant) => open(await tenantOfOperator(operator, tenant, 'folder', options)),
    async close() {
      if (closed) return;
      closed = true;
      // The number of a descriptor that is closed is given to the next file: nothing may still go by it.
      await Promise.all(running);
      await root.close();
    },
  };
}

async function rootOf(path: string, holding: Holding): Promise<Directory> {
  let root: Directory | undefined;
  try {
    root = await openRoot(path, holding);
    // Whoever may write into the root may put a folder of their own in a tenant’s place. (Windows has no such bits.)
    if (process.platform !== 'win32' && root.handle !== undefined && ((await root.handle.stat()).mode & 0o002) !== 0)
      throw new Error('everybody may write into it');
    return root;
  } catch (cause) {
    await root?.close();
    throw new PortcullisError('config_invalid', `\`root\` is not a folder that can be used: \`${path}\``, { cause });
  }
}

/** @throws PortcullisError of what the work fails with */
async function bounded<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  try {
    return await withDeadline(work, timeoutMs);
  } catch (cause) {
    if (cause instanceof PortcullisError) throw cause;
    if (codeOf(cause) === 'EISDIR' || codeOf(cause) === 'ENOTDIR' || codeOf(cause) === 'ELOOP')
      throw refused('in the tenant’s folder is something that is not of the kind that belongs there', cause);
    throw unavailable(cause);
  }
}

function tenantFiles(opened: Opened, tenant: TenantId): TenantFolder {
  const { root, run } = opened;
  const folder = tenantFolder(tenant);
  return {
    get: async (key) => run(() => withFile(root, folder, key, (file) => readAll(file, opened.maxFileBytes))),
    put: async (key, content) => {
      const path = pathOfKey(key);
      const chunks = chunksOf(content, opened.timeoutMs);
      await run(() => write(opened, folder, path, chunks));
    },
    delete: async (key) => run(() => remove(root, [folder, ...pathOfKey(key)])),
    has: async (key) => run(async () => (await withFile(root, folder, key, () => Promise.resolve(true))) ?? false),
    copy: async (from, to) => {
      const path = pathOfKey(to);
      if (from === to) throw refused('a file is not copied onto itself');
      return run(() => copy(opened, folder, from, path));
    },
    list: async (options = {}) => {
      const { limit = 100, prefix = '', cursor } = options;
      requireKeyPrefix(prefix);
      if (!Number.isSafeInteger(limit) || limit < 1) throw refused('limit must be a positive integer');
      return run(async () => page(await keysOf(root, folder, prefix, cursor), limit));
    },
    clear: async () => run(async () => (await below(root, [folder], false, emptyFolder)) ?? 0),
  };
}

async function withFile<T>(
  root: Directory,
  folder: string,
  key: string,
  use: (file: OpenedFile) => Promise<T>,
): Promise<T | undefined> {
  const path = pathOfKey(key);
  return below(root, [folder, ...path.slice(0, -1)], false, async (parent) => {
    const file = await openFile(parent, path.at(-1) ?? '');
    if (file === undefined) return undefined;
    try {
      return await use(file);
    } finally {
      await file.handle.close();
    }
  });
}

async function write(
  opened: Opened,
  folder: string,
  path: ReturnType<typeof pathOfKey>,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  await below(opened.root, [folder], true, (own) => writeFile(own, path, chunks, opened));
}

async function copy(opened: Opened, folder: string, from: string, to: ReturnType<typeof pathOfKey>): Promise<boolean> {
  const copied = await withFile(opened.root, folder, from, async ({ handle }) => {
    await write(opened, folder, to, handle.createReadStream({ autoClose: false, start: 0 }));
    return true;
  });
  return copied ?? false;
}

async function keysOf(
  root: Directory,
  folder: string,
  prefix: string,
  cursor: string | undefined,
): Promise<readonly string[]> {
  const keys: string[] = [];
  await below(root, [folder], false, async (own) => {
    for await (const key of keysBelow(own, prefix))
      if (cursor === undefined || compareKeys(key, cursor) > 0) keys.push(key);
  });
  return keys.sort(compareKeys);
}

async function readAll({ handle, sizeBytes }: OpenedFile, maxFileBytes: number): Promise<Uint8Array> {
  if (sizeBytes > maxFileBytes) throw refused(`the file has ${String(sizeBytes)} bytes, more than \`maxFileBytes\``);
  const body = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    const { bytesRead } = await handle.read(body, at, sizeBytes - at, at);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    at += bytesRead;
  }
  return body;
}

/** Removes the file, and the folders that are empty without it. */
async function remove(root: Directory, path: readonly string[]): Promise<boolean> {
  const parents = path.slice(0, -1);
  const removed =
    (await below(root, parents, false, (parent) => ifThere(unlink(join(parent.path, path.at(-1) ?? ''))))) ?? false;
  // The tenant’s own folder stays.
  for (let depth = parents.length; removed && depth > 1; depth -= 1) {
    const emptied = await below(root, parents.slice(0, depth - 1), false, (parent) =>
      rmdir(join(parent.path, parents[depth - 1] ?? '')).then(
        () => true,
        () => false,
      ),
    );
    if (emptied !== true) break;
  }
  return removed;
}

/** The content in chunks. A stream has `timeoutMs` for each, and is cancelled when it is not read to its end. */
async function* chunksOf(content: FileContent, timeoutMs: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof content === 'string') yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else if (content instanceof ReadableStream) {
    const reader = content.getReader();
    try {
      for (;;) {
        const { done, value } = await withDeadline(reader.read(), timeoutMs);
        if (done) return;
        yield value;
      }
    } finally {
      reader.cancel().catch(() => undefined);
    }
  } else throw refused('the content must be bytes, text or a web stream of bytes');
}

function page(keys: readonly string[], limit: number): KeyPage {
  const shown = keys.slice(0, limit);
  const last = shown.at(-1);
  return { keys: shown, ...(keys.length > limit && last !== undefined ? { cursor: last } : {}) };
}

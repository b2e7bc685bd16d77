import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { refused, unavailable } from '../access.js';

/**
 * A folder that is held, so that nobody can put another one in its place.
 *
 * On Linux it is an open descriptor, and a name in it is `/proc/self/fd/N/NAME`: what `openat` is in C. The kernel goes
 * from the open folder over one name, which is opened without following a link, and no path is ever resolved twice.
 * Elsewhere it is a path that has been looked at before and after every use, which leaves whoever can write into the
 * folder a moment in between.
 */
export interface Directory {
  /** The path of the folder. */
  readonly path: string;
  /** Its descriptor, where it is held by one. */
  readonly handle: FileHandle | undefined;
  close(): Promise<void>;
}

/** By descriptor where that is possible, or by path always. */
export type Holding = 'best' | 'path';

/** Opens a folder by its path, links in it followed, for the last time. */
export async function openRoot(path: string, holding: Holding): Promise<Directory> {
  const real = await realpath(path);
  if (holding === 'best') {
    const handle = await open(real, constants.O_RDONLY | constants.O_DIRECTORY).catch(() => undefined);
    if (handle !== undefined) {
      const held = heldBy(handle);
      if ((await readlink(held.path).catch(() => undefined)) === real) return held;
      await handle.close();
    }
  }
  if (!(await lstat(real)).isDirectory()) throw new Error('not a folder');
  return { path: real, handle: undefined, close: () => Promise.resolve() };
}

/**
 * Opens a folder in a folder.
 *
 * @param make - whether to make one where there is none, for its owner alone
 * @returns `undefined` when there is none
 * @throws PortcullisError `storage_refused` for anything but a folder: a link, too
 */
export async function openChild(parent: Directory, name: string, make: boolean): Promise<Directory | undefined> {
  const path = join(parent.path, name);
  if (make)
    await mkdir(path, 0o700).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  try {
    if (parent.handle !== undefined)
      return heldBy(await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
    if (!(await lstat(path)).isDirectory() || (await realpath(path)) !== path) throw notOurs('folder');
    return { path, handle: undefined, close: () => Promise.resolve() };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'ENOTDIR') throw notOurs('folder', error);
    throw error;
  }
}

/** A file that has been opened for reading. */
export interface OpenedFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/** A file may be replaced, by a write like any other, between the looks at its path: then all is done again. */
const attempts = 20;

/**
 * Opens a file in a folder for reading.
 *
 * @returns `undefined` when there is none
 * @throws PortcullisError `storage_refused` for a link, a file with a second name (which could be another tenant’s), a
 * pipe, a socket, a device
 */
export async function openFile(parent: Directory, name: string): Promise<OpenedFile | undefined> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const opened = await openOnce(parent, join(parent.path, name));
    if (opened !== 'replaced') return opened;
  }
  throw unavailable(undefined, 'the file was replaced again and again while it was opened');
}

async function openOnce(parent: Directory, path: string): Promise<OpenedFile | 'replaced' | undefined> {
  let handle: FileHandle | undefined;
  let keep = false;
  try {
    // Before it is opened: to open a pipe lets its writer go on, to open a device does things.
    requireOwnFile(await lstat(path));
    handle = await open(path, constants.O_RDONLY | orZero(constants.O_NOFOLLOW) | orZero(constants.O_NONBLOCK));
    const stat = await handle.stat();
    requireOwnFile(stat);
    if (parent.handle === undefined && !(await isStillAt(path, stat))) return 'replaced';
    keep = true;
    return { handle, sizeBytes: stat.size };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'ENXIO') throw notOurs('file', error);
    throw error;
  } finally {
    if (!keep) await handle?.close();
  }
}

/** The system’s code of an error, as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function heldBy(handle: FileHandle): Directory {
  return { path: `/proc/self/fd/${String(handle.fd)}`, handle, close: () => handle.close() };
}

/** No name at all is a file that was replaced after it had been opened: still the tenant’s. */
function requireOwnFile(stat: Stats): void {
  if (!stat.isFile() || stat.nlink > 1) throw notOurs('file');
}

async function isStillAt(path: string, opened: Stats): Promise<boolean> {
  if ((await realpath(path)) !== path) throw notOurs('file');
  const named = await lstat(path);
  return named.dev === opened.dev && named.ino === opened.ino;
}

function notOurs(what: 'file' | 'folder', cause?: unknown): Error {
  return refused(
    `in the tenant’s folder is something in place of a ${what} that is not a ${what} of the tenant’s`,
    cause,
  );
}

/** Windows has neither. */
function orZero(flag: number | undefined): number {
  return flag ?? 0;
}

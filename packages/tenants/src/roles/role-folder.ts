import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { headerOf, readRolePath, type RoleFile } from './yaml.js';

/** A file in a folder of roles. */
export interface FoundFile extends RoleFile {
  /** Whether its first line says that it is the policy of exactly this role: others are somebody else's. */
  readonly isOurs: boolean;
}

const temporary = /^\.portcullis-[\da-f]{16}\.tmp$/;

/**
 * Reads all files of `tenants/<tenant>/roles` below a policy folder, ordered by path.
 *
 * @throws PortcullisError `config_invalid` for a symbolic link where a folder or a file should be: what is written
 * through one lands somewhere else
 */
export async function readRoleFolders(folder: string): Promise<readonly FoundFile[]> {
  const found: FoundFile[] = [];
  for (const tenant of await namesIn(folder, 'tenants')) {
    const path = `tenants/${tenant}/roles`;
    for (const name of await namesIn(folder, path)) {
      const role = readRolePath(`${path}/${name}`);
      if (role === undefined) continue;
      await requirePlain(folder, `${path}/${name}`, 'file');
      const text = await readFile(join(folder, path, name), 'utf8');
      const isOurs = text.startsWith(`${headerOf(role.tenantId, role.roleId)}\n`);
      found.push({ path: `${path}/${name}`, text, isOurs });
    }
  }
  return found;
}

/** Writes a file as a whole or not at all: what reads the folder never sees half of one. */
export async function writeRoleFile(folder: string, { path, text }: RoleFile): Promise<void> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  // The engine takes no file whose name begins with a point.
  const draft = join(dirname(target), `.portcullis-${randomBytes(8).toString('hex')}.tmp`);
  let file: FileHandle | undefined;
  try {
    file = await open(draft, 'wx', 0o644);
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(draft, target);
  } catch (error) {
    await file?.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
}

/** Removes a file, and the folder of roles if it was the last one. */
export async function removeRoleFile(folder: string, path: string): Promise<void> {
  const target = join(folder, path);
  await rm(target, { force: true });
  if ((await readdir(dirname(target))).length === 0) await rm(dirname(target), { recursive: true });
}

/** The names in a folder, sorted. What an earlier run left of a file that it could not finish is removed. */
async function namesIn(folder: string, path: string): Promise<readonly string[]> {
  if (!(await requirePlain(folder, path, 'folder'))) return [];
  const names = await readdir(join(folder, path));
  const left = path.endsWith('/roles') ? names.filter((name) => temporary.test(name)) : [];
  for (const name of left) if (await isOld(join(folder, path, name))) await rm(join(folder, path, name));
  return names.filter((name) => !left.includes(name)).sort();
}

/** A run that is under way elsewhere may still want its draft. */
async function isOld(file: string): Promise<boolean> {
  return Date.now() - (await lstat(file)).mtimeMs > 3_600_000;
}

/** @returns whether it is there, and is what it should be; a folder of another kind is none */
async function requirePlain(folder: string, path: string, kind: 'folder' | 'file'): Promise<boolean> {
  const state = await lstat(join(folder, path)).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (state?.isSymbolicLink() === true || (state !== undefined && kind === 'file' && !state.isFile()))
    throw new PortcullisError('config_invalid', `\`${path}\` in the policy folder is not a plain ${kind}`);
  return state?.isDirectory() === true || kind === 'file';
}

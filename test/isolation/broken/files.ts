import { constants } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { IsolationOptions, IsolationTrap, TenantUnderTest } from '@portcullis/testing/isolation';
import { tenantOf, type Fixture } from './postgres.js';

/** A folder per tenant in parts, so that each mistake is one part. */
interface Parts {
  readonly folder: (root: string, tenant: string) => string;
  readonly path: (root: string, folder: string, key: string) => string;
  readonly read: (path: string, root: string) => Promise<string>;
}

const right: Parts = {
  // Folders that differ in case alone are one folder on some file systems.
  folder: (root, tenant) => join(root, Buffer.from(tenant).toString('hex')),
  path: (_root, folder, key) => {
    const parts = key.split('/');
    if (!parts.every((part) => /^[\w-][\w.-]{0,200}$/.test(part)) || key.length > 500)
      throw new Error('not an acceptable key');
    return join(folder, ...parts);
  },
  read: async (path, root) => {
    await noLinks(root, path);
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  },
};

async function noLinks(root: string, path: string): Promise<void> {
  for (let at = path; at !== root && at.startsWith(root); at = dirname(at)) {
    const found = await lstat(at).catch(() => undefined);
    if (found?.isSymbolicLink() === true) throw new Error('a link');
  }
}

const missing = (error: unknown): undefined => {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined;
  throw error;
};

export async function filesFixture(mistake: Partial<Parts> = {}): Promise<Fixture> {
  const parts = { ...right, ...mistake };
  const root = await mkdtemp(join(tmpdir(), 'portcullis-kit-'));
  const storeOf = (tenant: string): TenantUnderTest => {
    const folder = parts.folder(root, tenant);
    const path = (key: string): string => parts.path(root, folder, key);
    const write = async (key: string, value: string): Promise<void> => {
      const file = path(key);
      if (mistake.read === undefined) await noLinks(root, file);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, value);
    };
    const get = (key: string): Promise<string | undefined> => parts.read(path(key), root).catch(missing);
    return {
      put: write,
      get,
      delete: async (key) => {
        const file = path(key);
        await noLinks(root, file);
        await rm(file).catch(missing);
      },
      list: async (prefix) => {
        const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(missing);
        const files = (entries ?? []).filter((entry) => entry.isFile());
        return files
          .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
          .filter((key) => key.startsWith(prefix));
      },
      copy: async (from, to) => {
        const value = await get(from);
        if (value === undefined) throw new Error('no such key');
        await write(to, value);
      },
    };
  };
  return {
    subject: {
      name: 'files',
      reset: async () => {
        for (const entry of await readdir(root)) await rm(join(root, entry), { recursive: true });
      },
      run: async (context, work) => work(storeOf(tenantOf(context))),
      plant: async (own, other) => {
        const [mine, theirs] = [parts.folder(root, own.tenant.id), parts.folder(root, other.tenant.id)];
        await symlink(theirs, join(mine, 'folder'));
        await symlink(join(theirs, 'k'), join(mine, 'file'));
        return ['folder/k', 'file'];
      },
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
}

type Mistake = readonly [name: string, trap: IsolationTrap, parts: Partial<Parts>, options?: IsolationOptions];

const plainFolder = (root: string, tenant: string): string => join(root, tenant);

/** One mistake each, and what the kit has to call it. */
export const fileMistakes: readonly Mistake[] = [
  [
    'the source’s sketch: a path that is put together',
    'key_escape',
    { folder: plainFolder, path: (_root, folder, key) => `${folder}/${key}`, read: (path) => readFile(path, 'utf8') },
  ],
  [
    'a check of the path by the beginning of its text',
    'key_escape',
    {
      folder: plainFolder,
      path: (_root, folder, key) => {
        const path = resolve(folder, key);
        if (!path.startsWith(folder)) throw new Error('outside');
        return path;
      },
    },
  ],
  [
    'a check before the key is decoded',
    'key_escape',
    {
      folder: plainFolder,
      path: (_root, folder, key) => {
        if (key.includes('..') || key.startsWith('/')) throw new Error('outside');
        return join(folder, decodeURIComponent(key));
      },
    },
  ],
  ['a link that is followed', 'planted_link', { read: (path) => readFile(path, 'utf8') }],
];

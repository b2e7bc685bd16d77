import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isTenantId, type TenantId } from '@portcullis/core';
import { refused, unavailable } from '../access.js';
import { isSystemError } from './system-error.js';
import { journalConflict } from './journal-conflict.js';
import type { JobJournal, JournalEntry } from './job-journal.js';
import { syncFolder } from './sync-folder.js';

/** How many versions stay: a reader that lists the folder while several writes happen still meets one. */
const keptVersions = 16;

/**
 * A journal in a folder of a local file system, for operators that work from one machine.
 *
 * Each write is a file of its own, `HEX-OF-THE-TENANT.VERSION.json` (ids differ by case, and not every file system
 * does): written aside, flushed to the disk, and linked to its name. Of two links to one name the system lets one
 * succeed, so that there is no lock that a crash could leave behind. The file system has to know hard links.
 *
 * @param folder - made when it is not there, for this account alone
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/functions/link.html — fails with EEXIST, atomically
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { fileJournal } from '@portcullis/storage/provisioning';
 *
 * const journal = fileJournal(await mkdtemp(join(tmpdir(), 'journal-')));
 * console.log(await journal.tenants()); // prints: []
 * ```
 */
export function fileJournal(folder: string): JobJournal {
  const path = (tenant: TenantId, version: number): string => join(folder, fileName(tenant, version));

  async function versions(tenant: TenantId): Promise<readonly number[]> {
    const all = (await names(folder)).map(parsedName).filter((name) => name?.tenant === tenant);
    return all.flatMap((name) => (name === undefined ? [] : [name.version])).sort((one, two) => one - two);
  }

  async function read(tenant: TenantId): Promise<JournalEntry | undefined> {
    for (let attempt = 0; ; attempt++) {
      const version = (await versions(tenant)).at(-1);
      if (version === undefined) return undefined;
      try {
        return { version, value: JSON.parse(await readFile(path(tenant, version), 'utf8')) as unknown };
      } catch (error) {
        // Newer ones were written and this one was cleared away meanwhile.
        if (!isSystemError(error, 'ENOENT') || attempt > 10) throw error;
      }
    }
  }

  async function write(tenant: TenantId, value: unknown, expected: number): Promise<number> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (((await versions(tenant)).at(-1) ?? 0) !== expected) throw journalConflict(tenant);
    const next = expected + 1;
    const aside = join(folder, `.${randomUUID()}`);
    try {
      await written(aside, JSON.stringify(value));
      await link(aside, path(tenant, next));
    } catch (error) {
      throw isSystemError(error, 'EEXIST') ? journalConflict(tenant) : error;
    } finally {
      await unlink(aside).catch(() => undefined);
    }
    await syncFolder(folder);
    // Whoever slept while others wrote may have linked a version that had been cleared away.
    const now = await versions(tenant);
    if (now.at(-1) !== next) throw journalConflict(tenant);
    for (const old of now) if (old <= next - keptVersions) await unlink(path(tenant, old)).catch(() => undefined);
    return next;
  }

  return {
    read: (tenant) => asUnavailable(() => read(tenant)),
    write: (tenant, value, expected) => asUnavailable(() => write(tenant, value, expected)),
    tenants: () =>
      asUnavailable(async () => {
        const parsed = (await names(folder)).flatMap((name) => parsedName(name)?.tenant ?? []);
        return [...new Set(parsed)].sort();
      }),
  };
}

function fileName(tenant: TenantId, version: number): string {
  if (!isTenantId(tenant)) throw refused('not a well-formed tenant id');
  return `${Buffer.from(tenant).toString('hex')}.${String(version)}.json`;
}

function parsedName(name: string): { readonly tenant: TenantId; readonly version: number } | undefined {
  const [, hex, version] = /^((?:[0-9a-f]{2})+)\.([1-9]\d{0,14})\.json$/.exec(name) ?? [];
  const tenant = hex === undefined ? undefined : Buffer.from(hex, 'hex').toString();
  return isTenantId(tenant) ? { tenant, version: Number(version) } : undefined;
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

async function written(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function asUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSystemError(error) || error instanceof SyntaxError ? unavailable(error) : error;
  }
}

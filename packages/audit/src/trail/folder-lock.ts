import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';

/** A folder that this process alone writes in. */
export interface FolderLock {
  release(): Promise<void>;
}

const owner = z.strictObject({ host: z.string(), pid: z.int(), started: z.string(), id: z.string() });

/** A lock that was not renewed for so long, by a process that cannot be looked at, is given up. */
const staleMs = 30_000;

/**
 * Takes the lock of a folder: a file `lock` that says who has it and is renewed every few seconds.
 *
 * The lock of a process of this machine that is gone is taken at once; one of another machine (or container) when it
 * has not been renewed for half a minute.
 *
 * @throws PortcullisError `config_invalid` when another process has it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'lock');
  const mine = { host: hostname(), pid: process.pid, started: await startOf(process.pid), id: randomUUID() };
  const draft = `${path}.${mine.id}`;
  await writeFile(draft, JSON.stringify(mine), { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await linked(draft, path)) return held(path, mine.id);
      const found = await ownerOf(path);
      if (found !== undefined && (await isAlive(found, path))) break;
      await removeStale(path, found?.id);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new PortcullisError('config_invalid', 'another process writes this audit trail', {
    detail: `${path}: one process writes a folder; several replicas write to PostgreSQL`,
  });
}

/** A link is made or is not, whoever else tries. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function ownerOf(path: string): Promise<z.infer<typeof owner> | undefined> {
  try {
    return owner.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

const heldHere = new Set<string>();

async function isAlive({ host, pid, started, id }: z.infer<typeof owner>, path: string): Promise<boolean> {
  if (host === hostname()) {
    if (pid === process.pid) return heldHere.has(id);
    const now = await startOf(pid);
    return now !== 'gone' && now === started;
  }
  const renewed = await stat(path).catch(() => undefined);
  return renewed !== undefined && Date.now() - renewed.mtimeMs < staleMs;
}

/** When a process was started, so that another one with the same number is known as another one. */
async function startOf(pid: number): Promise<string> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return 'gone';
  }
  try {
    const text = await readFile(`/proc/${String(pid)}/stat`, 'latin1');
    // The name is in parentheses and may have spaces in it; the time is the twentieth field behind it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

/** Puts a stale lock aside. What was put aside and is somebody's new lock goes back. */
async function removeStale(path: string, id: string | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const taken = await ownerOf(aside);
  if (taken?.id !== id) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function held(path: string, id: string): FolderLock {
  heldHere.add(id);
  const renewal = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, staleMs / 6).unref();
  return {
    async release() {
      clearInterval(renewal);
      heldHere.delete(id);
      if ((await ownerOf(path))?.id === id) await rm(path, { force: true });
    },
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

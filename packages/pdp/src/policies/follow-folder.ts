import { createHash } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { tell } from '../client/tell.js';

/** How long a folder has to be quiet before an edit counts as finished, in milliseconds. */
export const settleMs = 150;

/** How long it is until something is tried again that failed and may not fail the next time, in milliseconds. */
const retryMs = 1000;

/** The state of a folder that is away: it is told once, and not at each look. */
export const unreadable = 'unreadable';

/** What is done about the edits of a policy folder. */
export interface FollowOptions<Snapshot> {
  readonly folder: string;
  /** The state of the folder when what decides now was read. */
  readonly state: string;
  /** How often the folder is looked at where no change is signalled, in milliseconds; 0 for never. */
  readonly pollMs: number;
  /** Reads the folder; fails for an edit that is not good. */
  readonly take: () => Promise<Snapshot>;
  /** Lets go of what was read in the middle of an edit. */
  readonly discard?: ((snapshot: Snapshot) => Promise<void>) | undefined;
  /** Lets an edit decide. If it fails, the edit is read again at the next look. */
  readonly serve: (snapshot: Snapshot) => Promise<void> | void;
  /** Hears of an edit that is not served, and of other changes that failed. What it fails with itself is dropped. */
  readonly onError: (error: PortcullisError) => void;
  /** How long a folder may be written to all the time until that is told, once, in milliseconds. @defaultValue 5000 */
  readonly restlessMs?: number | undefined;
}

/** Somebody who follows a folder. */
export interface Follower {
  /** Runs a change when those before it are over; a failure is told to `onError`. */
  inTurn(change: () => Promise<void>): void;
  /** Stops, when the change that is under way is over. */
  close(): Promise<void>;
}

/**
 * Follows the edits of a policy folder, one after the other. An edit of several files is one if they are written within
 * 150 ms of each other; whoever needs longer writes another folder and changes a link to it. What could not be read or
 * served, though nothing may be wrong with it, is tried again; what is wrong with an edit, only another edit mends.
 */
export function followFolder<Snapshot>(options: FollowOptions<Snapshot>): Follower {
  const { folder, pollMs, restlessMs = 5000 } = options;
  let { state } = options;
  let candidate = state;
  let candidateSince = 0;
  let closed = false;
  let told = '';
  let work: Promise<void> = Promise.resolve();

  const inTurn = (change: () => Promise<void>): void => {
    work = work.then(change).catch((error: unknown) => {
      if (!closed) tell(options.onError, failureOf(error));
    });
  };

  async function look(): Promise<void> {
    if (closed) return;
    const seen = await folderState(folder).catch(() => unreadable);
    if (seen === state) {
      isAtRest();
      return;
    }
    if (seen !== candidate) {
      candidate = seen;
      candidateSince = performance.now();
    }
    // However it was found, and however often somebody looks: it counts when the folder has been quiet for a while.
    const quietMs = performance.now() - candidateSince;
    if (quietMs < settleMs) {
      lookSoon(settleMs - quietMs);
      return;
    }
    state = seen;
    try {
      if (await take(seen)) told = '';
    } catch (error) {
      isAtRest();
      if (!mayPass(error)) throw error;
      state = '';
      lookSoon(retryMs);
      // At each attempt the same: it is told once.
      if (told === String(error)) return;
      told = String(error);
      throw error;
    }
  }

  /** @returns whether it is served */
  async function take(seen: string): Promise<boolean> {
    if (seen === unreadable)
      throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` cannot be read`);
    const snapshot = await options.take();
    if ((await folderState(folder)) !== seen) {
      // Somebody is still writing: what was read may be half an edit.
      state = '';
      await options.discard?.(snapshot);
      lookSoon();
      return false;
    }
    isAtRest();
    await options.serve(snapshot);
    return true;
  }

  let soon: NodeJS.Timeout | undefined;
  function lookSoon(waitMs = settleMs): void {
    if (closed) return;
    clearTimeout(soon);
    soon = setTimeout(() => {
      inTurn(look);
    }, waitMs);
    soon.unref();
    if (restless !== undefined) return;
    const since = setTimeout(() => {
      inTurn(() => tellRestless(since));
    }, restlessMs);
    since.unref();
    restless = since;
  }

  /** Set from the first change that was seen until the folder is found quiet. */
  let restless: NodeJS.Timeout | undefined;
  function isAtRest(): void {
    clearTimeout(restless);
    restless = undefined;
  }

  async function tellRestless(since: NodeJS.Timeout): Promise<void> {
    const isChanged = (await folderState(folder).catch(() => unreadable)) !== state;
    if (restless !== since) return;
    if (!isChanged) isAtRest();
    else
      throw new PortcullisError(
        'policies_invalid',
        `the policy folder \`${folder}\` is written to all the time: it is read when it is quiet for ${String(settleMs)} ms`,
      );
  }

  const watcher = watchFolder(folder, () => {
    lookSoon();
  });
  const poll =
    pollMs > 0
      ? setInterval(() => {
          inTurn(look);
        }, pollMs)
      : undefined;
  poll?.unref();

  return {
    inTurn,
    async close() {
      closed = true;
      clearTimeout(soon);
      isAtRest();
      clearInterval(poll);
      watcher?.close();
      await work;
    },
  };
}

function failureOf(error: unknown): PortcullisError {
  return error instanceof PortcullisError
    ? error
    : new PortcullisError('pdp_unavailable', 'the engine cannot be changed', { cause: error });
}

/** Whether something that failed may not fail the next time: the machine failed, and not what is in the folder. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') return true;
  return error.cause instanceof Error && 'syscall' in error.cause;
}

/** Signals changes where the platform can; polling finds the rest. */
function watchFolder(folder: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { recursive: true, persistent: false }, onChange);
    watcher.on('error', () => undefined);
    return watcher;
  } catch {
    return undefined;
  }
}

/** A cheap sign of whether anything below a folder may have changed. */
export async function folderState(folder: string): Promise<string> {
  const files = await filesBelow(folder);
  const states = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(file);
      return `${file}\0${String(mtimeMs)}\0${String(size)}\0${String(ino)}`;
    }),
  );
  return createHash('sha256').update(states.join('\n')).digest('hex');
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(folder, file).startsWith('.git'))
    .sort();
}

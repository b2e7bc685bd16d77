import { createHash } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PortcullisError } from '@portcullis/core';

/** How long a folder has to be quiet before an edit counts as finished, in milliseconds. */
const settleMs = 150;

/** The state of a folder that is away: it is told once, and not at each look. */
const unreadable = 'unreadable';

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
  /** Hears of an edit that is not served, and of other changes that failed. */
  readonly onError: (error: PortcullisError) => void;
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
 * 150 ms of each other; whoever needs longer writes another folder and changes a link to it.
 */
export function followFolder<Snapshot>(options: FollowOptions<Snapshot>): Follower {
  const { folder, pollMs } = options;
  let { state } = options;
  let candidate = state;
  let closed = false;
  let work: Promise<void> = Promise.resolve();

  const inTurn = (change: () => Promise<void>): void => {
    work = work.then(change).catch((error: unknown) => {
      if (!closed) options.onError(failureOf(error));
    });
  };

  async function look(): Promise<void> {
    if (closed) return;
    const seen = await folderState(folder).catch(() => unreadable);
    if (seen === state) return;
    if (seen !== candidate) {
      // However it was found: it counts when the folder has been quiet for a while.
      candidate = seen;
      lookSoon();
      return;
    }
    state = seen;
    if (seen === unreadable)
      throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` cannot be read`);
    const snapshot = await options.take();
    if ((await folderState(folder)) !== seen) {
      // Somebody is still writing: what was read may be half an edit.
      state = '';
      await options.discard?.(snapshot);
      lookSoon();
      return;
    }
    try {
      await options.serve(snapshot);
    } catch (error) {
      state = '';
      throw error;
    }
  }

  let soon: NodeJS.Timeout | undefined;
  function lookSoon(): void {
    if (closed) return;
    clearTimeout(soon);
    soon = setTimeout(() => {
      inTurn(look);
    }, settleMs);
    soon.unref();
  }

  const watcher = watchFolder(folder, lookSoon);
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

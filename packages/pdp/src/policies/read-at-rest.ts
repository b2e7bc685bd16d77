import { setTimeout as sleep } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/core';
import { folderState, settleMs, unreadable } from './follow-folder.js';

/** How often a folder is read that others write to meanwhile. */
const attempts = 20;

/** What was read of a folder that nobody wrote to meanwhile, and the folder's state then. */
export interface ReadAtRest<T> {
  readonly value: T;
  readonly state: string;
}

/**
 * Reads a folder while nobody writes to it: what was read in the middle of an edit, good or not, is read again.
 *
 * @throws PortcullisError `policies_invalid` where somebody writes for some seconds, and whatever `read` fails with
 */
export async function readAtRest<T>(folder: string, read: () => Promise<T>): Promise<ReadAtRest<T>> {
  for (let count = 0; count < attempts; count++) {
    if (count > 0) await sleep(settleMs);
    const state = await stateOf(folder);
    const [result] = await Promise.allSettled([read()]);
    if ((await stateOf(folder)) !== state) continue;
    if (result.status === 'rejected') throw result.reason;
    return { value: result.value, state };
  }
  throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` is written to all the time`);
}

function stateOf(folder: string): Promise<string> {
  return folderState(folder).catch(() => unreadable);
}

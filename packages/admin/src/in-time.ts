import { withDeadline } from '@portcullis/core';
import { StillRunning } from './still-running.js';

/**
 * Waits for work that goes on whether it is waited for or not.
 *
 * @throws PortcullisError as `StillRunning` after `timeoutMs` milliseconds; what the work rejects with
 */
export async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Symbol('late');
  try {
    return await withDeadline(work, timeoutMs, () => late);
  } catch (error) {
    if (error instanceof Error && error.cause === late) throw new StillRunning(timeoutMs);
    throw error;
  }
}

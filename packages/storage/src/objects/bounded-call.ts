import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../access.js';

/** How long the server may take, and who else may end the wait. */
export interface CallBounds {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the server, within the time and as long as the caller wants. The operation is told to end by its signal; should
 * it not listen, its answer is no longer waited for.
 *
 * @throws PortcullisError `storage_not_provisioned` without a bucket, `conflict` for a condition that does not hold,
 * and `storage_unavailable` for everything else that goes wrong
 */
export async function boundedCall<T>(
  { timeoutMs, signal }: CallBounds,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const end = (reason: unknown): void => ending.abort(reason);
  const giveUp = (): void => end(new Error('the caller gave up', { cause: signal?.reason }));
  const timer = setTimeout(() => end(new Error(`no answer within ${String(timeoutMs)} ms`)), timeoutMs);
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted === true) giveUp();
  try {
    const ended = new Promise<never>((_resolve, reject) => {
      const fail = (): void => reject(asError(ending.signal.reason));
      if (ending.signal.aborted) fail();
      else ending.signal.addEventListener('abort', fail, { once: true });
    });
    // An operation that was told to end rejects, too: nobody waits for that any more.
    ended.catch(() => undefined);
    ending.signal.throwIfAborted();
    const work = operation(ending.signal);
    work.catch(() => undefined);
    return await Promise.race([work, ended]);
  } catch (cause) {
    throw failure(ending.signal.aborted ? ending.signal.reason : cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** As `boundedCall`; `undefined` when the server says that there is no such key, and only then. */
export async function boundedLookup<T>(
  bounds: CallBounds,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  return boundedCall(bounds, async (signal) => {
    try {
      return await operation(signal);
    } catch (cause) {
      if (saysError(cause, 'NoSuchKey', 404)) return undefined;
      throw cause;
    }
  });
}

/** Whether it is the server that answered with this error. */
export function saysError(cause: unknown, name: string, status: number): boolean {
  if (!(cause instanceof Error) || cause.name !== name) return false;
  const answer: unknown = '$metadata' in cause ? cause.$metadata : undefined;
  return (
    typeof answer === 'object' && answer !== null && 'httpStatusCode' in answer && answer.httpStatusCode === status
  );
}

function failure(cause: unknown): PortcullisError {
  if (cause instanceof PortcullisError) return cause;
  const bare = withoutRequest(cause);
  if (saysError(cause, 'NoSuchBucket', 404))
    return new PortcullisError('storage_not_provisioned', undefined, {
      detail: 'there is no such bucket',
      cause: bare,
    });
  if (saysError(cause, 'PreconditionFailed', 412) || saysError(cause, 'ConditionalRequestConflict', 409))
    return new PortcullisError('conflict', 'the object was changed or exists already', { cause: bare });
  return unavailable(bare);
}

/** The client hangs request and answer onto its errors, session token included: no log is to have them. */
function withoutRequest(cause: unknown): unknown {
  if (!(cause instanceof Error) || !('$metadata' in cause)) return cause;
  const { name, message } = cause;
  const { $metadata: answer } = cause;
  const status = typeof answer === 'object' && answer !== null && 'httpStatusCode' in answer && answer.httpStatusCode;
  const bare = new Error(`${name} (${String(status)}): ${message}`);
  bare.name = name;
  return bare;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('the caller gave up', { cause: reason });
}

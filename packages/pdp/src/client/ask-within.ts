import { unavailable } from '../unavailable.js';

/** How long an answer is waited for. */
export interface Patience {
  /** The caller's: it gives up. */
  readonly signal?: AbortSignal | undefined;
  /** The client's own: it is closed. */
  readonly closing?: AbortSignal | undefined;
  /** In milliseconds. @defaultValue as long as the caller waits */
  readonly deadlineMs?: number | undefined;
}

/**
 * Asks, and waits no longer than `deadlineMs` milliseconds, than the caller does, and than the client is open. What was
 * asked is told by its signal when it was in vain, also where a part of it has failed and others still run. If it does
 * not listen, its late answer is dropped.
 *
 * @throws PortcullisError `pdp_unavailable`, when the time is over, the caller gave up or the client was closed; else
 * what `ask` throws
 */
export async function askWithin<T>(
  ask: (signal: AbortSignal) => T | Promise<T>,
  { signal: outer, closing, deadlineMs }: Patience,
): Promise<T> {
  const gaveUp = (): Error => unavailable('the caller gave up', outer?.reason);
  const closed = (): Error => unavailable('the client is closed');
  if (closing?.aborted === true) throw closed();
  if (outer?.aborted === true) throw gaveUp();
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stopListening: readonly (() => void)[] = [];
  const ended = new Promise<never>((_resolve, reject) => {
    const end = (why: () => Error) => () => {
      reject(why());
    };
    stopListening = [onAbort(outer, end(gaveUp)), onAbort(closing, end(closed))];
    if (deadlineMs === undefined) return;
    timer = setTimeout(
      end(() => unavailable(`no answer within ${String(deadlineMs)} ms`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([ended, asked(ask, controller.signal)]);
  } catch (error) {
    controller.abort(error);
    throw error;
  } finally {
    clearTimeout(timer);
    for (const stop of stopListening) stop();
  }
}

/** @returns what stops listening */
function onAbort(signal: AbortSignal | undefined, hear: () => void): () => void {
  signal?.addEventListener('abort', hear, { once: true });
  return () => signal?.removeEventListener('abort', hear);
}

/** A function that throws at once fails like one that rejects. */
async function asked<T>(ask: (signal: AbortSignal) => T | Promise<T>, signal: AbortSignal): Promise<T> {
  return await ask(signal);
}

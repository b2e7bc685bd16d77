import { unavailable } from '../unavailable.js';

/**
 * Asks, and waits no longer than `deadlineMs` milliseconds or the caller does. What was asked is told by its signal; if
 * it does not listen, its late answer is dropped.
 *
 * @throws PortcullisError `pdp_unavailable`, when the time is over or the caller gave up; else what `ask` throws
 */
export async function askWithin<T>(
  ask: (signal: AbortSignal) => T | Promise<T>,
  { signal: outer, deadlineMs }: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number },
): Promise<T> {
  if (outer?.aborted === true) throw unavailable('the caller gave up', outer.reason);
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (() => void) | undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    const end = (error: Error): void => {
      reject(error);
      controller.abort(error);
    };
    giveUp = () => {
      end(unavailable('the caller gave up', outer?.reason));
    };
    outer?.addEventListener('abort', giveUp, { once: true });
    if (deadlineMs === undefined) return;
    timer = setTimeout(() => {
      end(unavailable(`no answer within ${String(deadlineMs)} ms`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([ended, asked(ask, controller.signal)]);
  } finally {
    clearTimeout(timer);
    if (giveUp !== undefined) outer?.removeEventListener('abort', giveUp);
  }
}

/** A function that throws at once fails like one that rejects. */
async function asked<T>(ask: (signal: AbortSignal) => T | Promise<T>, signal: AbortSignal): Promise<T> {
  return await ask(signal);
}

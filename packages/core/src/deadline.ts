/**
 * Waits for work no longer than `timeoutMs` milliseconds. The work itself is not ended, and what it says later is
 * dropped.
 *
 * @throws Error `no answer within … ms`, with `cause()` as its cause
 */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number, cause?: () => unknown): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${String(timeoutMs)} ms`, { cause: cause?.() }));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

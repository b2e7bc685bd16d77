import type { Clock, TenantContext, TenantResolver } from '@portcullis/core';

/** What ends a stream early. */
export interface StreamWatch {
  readonly tenants: TenantResolver;
  /** How often the context is looked at again, in milliseconds. */
  readonly recheckMs: number;
  readonly clock: Clock;
}

/**
 * Ends an event stream when the token behind it expires, the tenant is suspended or the membership ends: a stream
 * that was allowed to open is not allowed to stay open for ever.
 *
 * @param onEnd - told once, when nothing more will be sent
 */
export function watchStream(
  response: Response,
  context: TenantContext,
  watch: StreamWatch,
  onEnd: () => void,
): Response {
  const { body } = response;
  if (body === null || !(response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    onEnd();
    return response;
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const stop = (): void => {
    clearTimeout(timer);
    if (!ended) onEnd();
    ended = true;
  };
  const watched = new ReadableStream<Uint8Array>({
    start(controller) {
      const end = (): void => {
        if (ended) return;
        stop();
        controller.close();
        void reader.cancel().catch(() => undefined);
      };
      const schedule = (): void => {
        const left = context.identity.expiresAt - watch.clock();
        if (left <= 0) {
          end();
          return;
        }
        timer = setTimeout(
          () => {
            watch.tenants.recheck(context).then(schedule, end);
          },
          Math.min(watch.recheckMs, left),
        );
        timer.unref();
      };
      schedule();
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (ended) return;
        if (done) {
          stop();
          controller.close();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        stop();
        controller.error(error);
      }
    },
    async cancel(reason) {
      stop();
      await reader.cancel(reason);
    },
  });
  return new Response(watched, { status: response.status, statusText: response.statusText, headers: response.headers });
}

import { PortcullisError, type Clock, type TenantContext, type TenantResolver } from '@portcullis/core';

/** What ends a stream early. */
export interface StreamWatch {
  readonly tenants: TenantResolver;
  /** How often the context is looked at again, in milliseconds. */
  readonly recheckMs: number;
  readonly clock: Clock;
}

/**
 * How long an answer may take to be sent whatever becomes of the token, in milliseconds. A token is accepted for as
 * long as clocks may differ, and what it was accepted for has run.
 */
const graceMs = 30_000;

/**
 * Ends an event stream when the token behind it expires, the tenant is suspended or the membership ends: a stream
 * that was allowed to open is not allowed to stay open for ever. No stream is cut for the token's end in its first
 * 30 s: it may bring an answer.
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
  const openedAt = performance.now();
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
        const ofGrace = openedAt + graceMs - performance.now();
        const left = Math.max(context.identity.expiresAt - watch.clock(), ofGrace);
        if (left <= 0) {
          end();
          return;
        }
        timer = setTimeout(
          () => {
            watch.tenants.recheck(context).then(schedule, (error: unknown) => {
              if (isExpired(error) && performance.now() < openedAt + graceMs) schedule();
              else end();
            });
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

function isExpired(error: unknown): boolean {
  return error instanceof PortcullisError && error.code === 'token_invalid' && error.data['rule'] === 'expired';
}

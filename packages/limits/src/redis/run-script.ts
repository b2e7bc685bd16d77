import { createHash } from 'node:crypto';
import type { RedisClient } from './redis-client.js';

/** A Lua script, and the name under which Redis keeps it. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

export function redisScript(text: string): RedisScript {
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** A script's keys, and its arguments in order. */
export interface ScriptInput {
  readonly keys: readonly string[];
  readonly values: readonly (string | number)[];
}

/**
 * Runs a script by its name, and sends it where Redis does not know it yet.
 *
 * @param timeoutMs - how long it may take; what Redis says later goes to `late`
 * @throws Error `no answer within … ms`, or what the client throws
 */
export async function runScript(
  client: RedisClient,
  script: RedisScript,
  { keys, values }: ScriptInput,
  { timeoutMs, late }: { readonly timeoutMs: number; readonly late?: ((answer: unknown) => void) | undefined },
): Promise<unknown> {
  const options = { keys: [...keys], arguments: values.map(String) };
  const answer = client.evalSha(script.sha1, options).catch((error: unknown) => {
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return client.eval(script.text, options);
    throw error;
  });
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // A process that was busy hears its timers before its sockets: an answer that is there already still counts.
      setImmediate(() => {
        isOver = true;
        reject(new Error(`no answer from redis within ${String(timeoutMs)} ms`));
      });
    }, timeoutMs);
  });
  answer
    .then((said) => {
      if (isOver) late?.(said);
    })
    // Nobody waits for it any more, whatever it says.
    .catch(() => undefined);
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PortcullisError, withDeadline } from '@portcullis/core';
import type { Backend, Commit } from './backend.js';

/** As much of a node-redis client as is needed. */
interface RedisClient {
  sendCommand(args: readonly string[], options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
}

/** As much of `KeyvRedis` as is needed. */
export interface RedisAdapter {
  readonly namespace: string | undefined;
  getClient(): Promise<RedisClient>;
  createKeyPrefix(key: string, namespace?: string): string;
  disconnect(force?: boolean): Promise<void>;
  isCluster(): boolean;
  isSentinel(): boolean;
}

/** Whether a Keyv adapter is the one for Redis. */
export function isRedisAdapter(store: unknown): store is RedisAdapter {
  return (
    typeof store === 'object' &&
    store !== null &&
    ['getClient', 'createKeyPrefix', 'disconnect', 'isCluster', 'isSentinel'].every(
      (name) => name in store && typeof Reflect.get(store, name) === 'function',
    )
  );
}

/**
 * One commit. A script runs alone, and its effects go to the append-only file and to replicas as one transaction.
 *
 * `KEYS`: those of the checks, of the writes, of the sets. `ARGV`: the three numbers of them; for each check and write
 * `+` and the text, or `-` for none; for each set `+` or `-` and the member. Whatever could fail is tried before the
 * first write, because Redis takes nothing back.
 */
const script = `
local checks, writes, sets = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 1, checks do
  local found = redis.call('GET', KEYS[i])
  if (found and '+' .. found or '-') ~= ARGV[3 + i] then return 0 end
end
local first = checks + writes
for i = first + 1, first + sets do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'zset' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i]) end
end
for i = checks + 1, first do
  local text = ARGV[3 + i]
  if text == '-' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], string.sub(text, 2)) end
end
for i = first + 1, first + sets do
  local member = ARGV[3 + i]
  if string.sub(member, 1, 1) == '-' then redis.call('ZREM', KEYS[i], string.sub(member, 2))
  else redis.call('ZADD', KEYS[i], 0, string.sub(member, 2)) end
end
return 1
`;
const scriptSha = createHash('sha1').update(script).digest('hex');

const textsSchema = z.array(z.string().nullable());
const membersSchema = z.array(z.string());
const outcomeSchema = z.union([z.literal(0), z.literal(1)]);

/**
 * A backend in one Redis server, over the client of a Keyv adapter. Texts are string keys, ordered sets are sorted sets
 * whose scores are all 0, in the namespace of the adapter.
 *
 * @param timeoutMs - for each operation, the wait for a connection included. A command that was not sent by then is
 * taken back; what was sent may yet be done, on the conditions that it names.
 */
export function redisBackend(adapter: RedisAdapter, timeoutMs: number): Backend {
  const prefix = adapter.createKeyPrefix('', adapter.namespace);
  const place = (key: string): string => `${prefix}${key}`;
  let connecting: Promise<RedisClient> | undefined;

  /** While the client connects for the first time it is no client yet: those who come meanwhile wait for the same. */
  function connected(): Promise<RedisClient> {
    connecting ??= adapter.getClient().finally(() => (connecting = undefined));
    return connecting;
  }

  async function run<T>(reply: z.ZodType<T>, ...args: readonly string[]): Promise<T> {
    const abortSignal = AbortSignal.timeout(timeoutMs);
    const work = async (): Promise<unknown> => (await connected()).sendCommand(args, { abortSignal });
    return reply.parse(await withDeadline(work(), timeoutMs));
  }

  async function evaluate(args: readonly string[]): Promise<0 | 1> {
    try {
      return await run(outcomeSchema, 'EVALSHA', scriptSha, ...args);
    } catch (error) {
      // The server has not seen the script, or has been restarted: it did nothing.
      if (error instanceof Error && error.message.startsWith('NOSCRIPT'))
        return run(outcomeSchema, 'EVAL', script, ...args);
      throw error;
    }
  }

  return {
    read: (keys) =>
      asStoreFailure('read', async () =>
        keys.length === 0 ? [] : (await run(textsSchema, 'MGET', ...keys.map(place))).map((text) => text ?? undefined),
      ),
    range: (set, { after, reverse, limit }) =>
      asStoreFailure('read', () => {
        const bounds = reverse === true ? [after === undefined ? '+' : `(${after}`, '-'] : [bound(after), '+'];
        const command = reverse === true ? 'ZREVRANGEBYLEX' : 'ZRANGEBYLEX';
        return run(membersSchema, command, place(set), ...bounds, 'LIMIT', '0', String(limit));
      }),
    commit: (commit) => asStoreFailure('commit', async () => (await evaluate(argumentsOf(commit, place))) === 1),
    async close() {
      try {
        await withDeadline(adapter.disconnect(), timeoutMs);
      } catch {
        // It waits for answers that do not come: the connection is given up.
        await adapter.disconnect(true);
      }
    },
  };
}

function bound(after: string | undefined): string {
  return after === undefined ? '-' : `(${after}`;
}

function argumentsOf({ checks, writes, sets }: Commit, place: (key: string) => string): readonly string[] {
  const keys = [...checks.map(({ key }) => key), ...writes.map(({ key }) => key), ...sets.map(({ set }) => set)];
  const texts = [...checks, ...writes].map(({ text }) => (text === undefined ? '-' : `+${text}`));
  const members = sets.map(({ member, present }) => `${present ? '+' : '-'}${member}`);
  return [
    String(keys.length),
    ...keys.map(place),
    String(checks.length),
    String(writes.length),
    String(sets.length),
    ...texts,
    ...members,
  ];
}

async function asStoreFailure<T>(kind: 'read' | 'commit', operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'the backend failed';
    throw new PortcullisError('store_unavailable', undefined, {
      detail: kind === 'commit' ? `${reason}; whether the change was made is not known` : reason,
      cause,
    });
  }
}

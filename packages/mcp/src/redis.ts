import { z } from 'zod';
import {
  isTenantId,
  PortcullisError,
  withDeadline,
  type SessionDirectory,
  type SessionInfo,
  type TenantId,
} from '@portcullis/core';

/** What is used of a Redis client: that of `redis` or `@redis/client`, as `@keyv/redis` has it. */
export interface RedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** How sessions are kept on Redis. */
export interface RedisSessionsOptions {
  /** What all keys begin with. @defaultValue `portcullis:sessions:` */
  readonly prefix?: string | undefined;
  /** How long a session is listed that nobody notes again (its replica was killed), in milliseconds. @defaultValue 20000 */
  readonly ttlMs?: number | undefined;
  /** How long one operation may take, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
}

/** Notes sessions of one tenant, and gives those of them that are to be ended. Time is Redis's own. */
const noteScript = `
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local ends = {}
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[3], ARGV[i]) then
    ends[#ends + 1] = ARGV[i]
  else
    redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1] * 10) end
return ends`;

const listScript = `
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, id in ipairs(gone) do redis.call('HDEL', KEYS[2], id) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('HVALS', KEYS[2])`;

const endScript = `
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if ARGV[2] then
  redis.call('ZADD', KEYS[3], now + ARGV[1] * 10, ARGV[2])
  redis.call('PEXPIRE', KEYS[3], ARGV[1] * 10)
end`;

const removeScript = `
for _, key in ipairs({ KEYS[1], KEYS[3] }) do redis.call('ZREM', key, ARGV[1]) end
redis.call('HDEL', KEYS[2], ARGV[1])`;

const sessionSchema = z.strictObject({
  tenant: z.custom<TenantId>(isTenantId),
  id: z.string(),
  user: z.string(),
  client: z.string().optional(),
  openedAt: z.number(),
});

/**
 * A session directory on Redis, for several replicas. Whoever ends a session leaves a mark; the replica that holds the
 * session finds it when it next notes its sessions (every 5 s), and ends it.
 *
 * Not for Redis Cluster: a tenant's keys are not in one slot.
 *
 * @example
 * ```text
 * const endpoint = gate.serve(factory, { legacy: 'sessions', sessions: { directory: redisSessions(client) } });
 * ```
 */
export function redisSessions(client: RedisClient, options: RedisSessionsOptions = {}): SessionDirectory {
  const { prefix = 'portcullis:sessions:', ttlMs = 20_000, timeoutMs = 2_000 } = options;
  const listeners = new Set<(tenant: TenantId, id: string) => void>();

  async function run(script: string, tenant: TenantId, ...rest: string[]): Promise<unknown> {
    // A tenant id has no colon: the kinds of keys cannot meet.
    const keys = ['open', 'info', 'ended'].map((kind) => `${prefix}${kind}:${tenant}`);
    try {
      return await withDeadline(client.eval(script, { keys, arguments: rest }), timeoutMs);
    } catch (cause) {
      throw new PortcullisError('store_unavailable', undefined, {
        detail: 'the session directory cannot be reached',
        cause,
      });
    }
  }

  async function noteIn(tenant: TenantId, sessions: readonly SessionInfo[]): Promise<void> {
    const members = sessions.flatMap((session) => [session.id, JSON.stringify(session)]);
    const ends = z.array(z.string()).parse(await run(noteScript, tenant, String(ttlMs), ...members));
    for (const id of ends) for (const listener of listeners) listener(tenant, id);
  }

  return {
    async note(sessions) {
      const byTenant = new Map<TenantId, SessionInfo[]>();
      for (const session of sessions) byTenant.set(session.tenant, [...(byTenant.get(session.tenant) ?? []), session]);
      for (const [tenant, own] of byTenant)
        for (let start = 0; start < own.length; start += 500) await noteIn(tenant, own.slice(start, start + 500));
    },
    async remove(tenant, id) {
      await run(removeScript, tenant, id);
    },
    async list(tenant) {
      const found = z.array(z.string()).parse(await run(listScript, tenant));
      return found
        .map((text) => sessionSchema.parse(JSON.parse(text)) as SessionInfo)
        .sort((a, b) => a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1));
    },
    async end(tenant, id) {
      await run(endScript, tenant, String(ttlMs), id);
    },
    onEnd: (listener) => void listeners.add(listener),
    close() {
      listeners.clear();
      return Promise.resolve();
    },
  };
}

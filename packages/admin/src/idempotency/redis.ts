import { z } from '@hono/zod-openapi';
import { PortcullisError, withDeadline } from '@portcullis/core';
import type { IdempotencyStore } from './store.js';

/** As much of a node-redis client as is needed: that of `@keyv/redis` (`adapter.client`) is one. */
export interface RedisScripts {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** How requests are remembered on Redis. */
export interface RedisIdempotencyOptions {
  /**
   * A connected client. Make it with `disableOfflineQueue`: one that queues while it is not connected runs commands
   * after they were given up.
   */
  readonly client: RedisScripts;
  /** What all keys begin with. @defaultValue `portcullis:idempotency:` */
  readonly prefix?: string | undefined;
  /** How long Redis may take to answer, in milliseconds. @defaultValue 1000 */
  readonly timeoutMs?: number | undefined;
}

const entrySchema = z.strictObject({ fingerprint: z.string(), claim: z.string(), answer: z.string().optional() });

const begin = `
local entry = redis.call('GET', KEYS[1])
if entry then return entry end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`;

const finish = `
local entry = redis.call('GET', KEYS[1])
if not entry then return 0 end
local known = cjson.decode(entry)
if known.claim ~= ARGV[1] then return 0 end
known.answer = ARGV[2]
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[3])
return 1`;

const abandon = `
local entry = redis.call('GET', KEYS[1])
if not entry or cjson.decode(entry).claim ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Remembers requests on Redis, for all replicas. Each operation is one script, and so atomic.
 *
 * @example
 * ```text
 * const adapter = new KeyvRedis(url);
 * const idempotency = redisIdempotency({ client: await adapter.getClient() });
 * ```
 */
export function redisIdempotency(options: RedisIdempotencyOptions): IdempotencyStore {
  const prefix = options.prefix ?? 'portcullis:idempotency:';
  const timeoutMs = options.timeoutMs ?? 1000;

  async function run(script: string, key: string, ...args: readonly string[]): Promise<unknown> {
    try {
      const answer = options.client.eval(script, { keys: [`${prefix}${key}`], arguments: [...args] });
      return await withDeadline(answer, timeoutMs);
    } catch (cause) {
      throw new PortcullisError('store_unavailable', undefined, {
        detail: 'the store of idempotency keys cannot be asked',
        cause,
      });
    }
  }

  return {
    async begin(key, claim, fingerprint, leaseMs) {
      const entry = await run(begin, key, JSON.stringify({ fingerprint, claim }), String(Math.ceil(leaseMs)));
      if (entry === null) return { state: 'claimed' };
      const known = stored(entry);
      return known.answer === undefined
        ? { state: 'running', fingerprint: known.fingerprint }
        : { state: 'done', fingerprint: known.fingerprint, answer: known.answer };
    },
    async finish(key, claim, answer, ttlMs) {
      await run(finish, key, claim, answer, String(Math.ceil(ttlMs)));
    },
    async abandon(key, claim) {
      await run(abandon, key, claim);
    },
  };
}

function stored(entry: unknown): z.infer<typeof entrySchema> {
  try {
    return entrySchema.parse(JSON.parse(String(entry)));
  } catch (cause) {
    throw new PortcullisError('store_unavailable', undefined, {
      detail: 'an entry of the store of idempotency keys is malformed',
      cause,
    });
  }
}

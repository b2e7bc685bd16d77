import { z } from '@hono/zod-openapi';
import { PortcullisError, withDeadline } from '@portcullis/core';
import { noRoom, sharesOf, type IdempotencyShares } from './shares.js';
import type { IdempotencyKey, IdempotencyStore } from './store.js';

/** As much of a node-redis client as is needed: that of `@keyv/redis` (`adapter.client`) is one. */
export interface RedisScripts {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** How requests are remembered on Redis. */
export interface RedisIdempotencyOptions extends IdempotencyShares {
  /**
   * A connected client. Make it with `disableOfflineQueue`: one that queues while it is not connected runs commands
   * after they were given up.
   */
  readonly client: RedisScripts;
  /** What all keys begin with: without `{`. @defaultValue `portcullis:idempotency:` */
  readonly prefix?: string | undefined;
  /** How long Redis may take to answer, in milliseconds. @defaultValue 1000 */
  readonly timeoutMs?: number | undefined;
}

const entrySchema = z.strictObject({ fingerprint: z.string(), claim: z.string(), answer: z.string().optional() });

/**
 * Beside its entry each key is in two sorted sets, its person's and its scope's, by the time when it ends: what has
 * ended is taken out, and the rest is the count. A set lives as long as the last of its keys.
 */
const count = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function hold(set, id, ms)
  redis.call('ZADD', set, now + ms, id)
  if redis.call('PTTL', set) < ms then redis.call('PEXPIRE', set, ms) end
end`;

const begin = `${count}
local entry = redis.call('GET', KEYS[1])
if entry then return entry end
local ms = tonumber(ARGV[3])
for at = 2, 3 do
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now)
  if redis.call('ZCARD', KEYS[at]) >= tonumber(ARGV[at + 2]) then return at end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ms)
hold(KEYS[2], ARGV[1], ms)
hold(KEYS[3], ARGV[1], ms)
return false`;

const renew = `${count}
local entry = redis.call('GET', KEYS[1])
if not entry then return 0 end
local known = cjson.decode(entry)
if known.claim ~= ARGV[2] or known.answer then return 0 end
local ms = tonumber(ARGV[3])
redis.call('PEXPIRE', KEYS[1], ms)
hold(KEYS[2], ARGV[1], ms)
hold(KEYS[3], ARGV[1], ms)
return 1`;

const finish = `${count}
local entry = redis.call('GET', KEYS[1])
if not entry then return 0 end
local known = cjson.decode(entry)
if known.claim ~= ARGV[2] then return 0 end
known.answer = ARGV[3]
local ms = tonumber(ARGV[4])
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ms)
hold(KEYS[2], ARGV[1], ms)
hold(KEYS[3], ARGV[1], ms)
return 1`;

const abandon = `
local entry = redis.call('GET', KEYS[1])
if not entry or cjson.decode(entry).claim ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1])`;

/**
 * Remembers requests on Redis, for all replicas. Each operation is one script, and so atomic; its keys have the scope
 * for their hash tag, and so are in one slot of a cluster.
 *
 * When the share of the person or of its tenant is used up, requests with new keys are refused (`limit_exceeded`).
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```text
 * const adapter = new KeyvRedis(url);
 * const idempotency = redisIdempotency({ client: await adapter.getClient() });
 * ```
 */
export function redisIdempotency(options: RedisIdempotencyOptions): IdempotencyStore {
  const prefix = options.prefix ?? 'portcullis:idempotency:';
  if (prefix.includes('{')) throw new PortcullisError('config_invalid', 'prefix: has to be without `{`');
  const timeoutMs = options.timeoutMs ?? 1000;
  const shares = sharesOf(options);

  async function run(script: string, { id, scope, person }: IdempotencyKey, args: readonly string[]): Promise<unknown> {
    const tagged = `${prefix}{${scope}}`;
    try {
      const answer = options.client.eval(script, {
        keys: [`${tagged}:key:${id}`, `${tagged}:of:${person}`, `${tagged}:all`],
        arguments: [id, ...args],
      });
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
      const entry = JSON.stringify({ fingerprint, claim });
      const most = [shares.perPerson, shares.perTenant].map(String);
      const answer = await run(begin, key, [entry, String(Math.ceil(leaseMs)), ...most]);
      if (answer === null) return { state: 'claimed' };
      if (answer === 2) throw noRoom('user');
      if (answer === 3) throw noRoom('tenant');
      const known = stored(answer);
      return known.answer === undefined
        ? { state: 'running', fingerprint: known.fingerprint }
        : { state: 'done', fingerprint: known.fingerprint, answer: known.answer };
    },
    async renew(key, claim, leaseMs) {
      await run(renew, key, [claim, String(Math.ceil(leaseMs))]);
    },
    async finish(key, claim, answer, ttlMs) {
      await run(finish, key, [claim, answer, String(Math.ceil(ttlMs))]);
    },
    async abandon(key, claim) {
      await run(abandon, key, [claim]);
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

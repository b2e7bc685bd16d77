import type { TenantId } from '@portcullis/core';
import { z } from 'zod';
import { dayMs } from '../limiter/calendar.js';
import type { UsageEntry } from '../usage/usage-entry.js';
import type { UsageStore } from '../usage/usage-store.js';
import type { RedisClient } from './redis-client.js';
import { redisScript, runScript } from './run-script.js';
import { tenantKeyOf } from './tenant-key-of.js';

/** How usage in Redis is kept. */
export interface RedisUsageOptions {
  /** What every key begins with, without a brace. @defaultValue `portcullis:usage` */
  readonly prefix?: string | undefined;
  /** How long one operation may take, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
  /** How many days a day's counts are kept after they were last added to. @defaultValue 400 */
  readonly retentionDays?: number | undefined;
}

/** For how long a writer's last batch is remembered: one that is sent again later than that counts twice. */
const writerMs = 7 * dayMs;

/**
 * Usage in Redis: a hash for each tenant and day. A batch is added tenant by tenant, each part in one script that adds
 * it once.
 *
 * Redis has to keep its data (`appendonly yes`) for as long as the usage is to be known.
 *
 * @param client - as for `redisLimits`
 * @throws TypeError for a prefix with a brace
 * @example
 * ```text
 * const tracker = usageTracker({ sink: redisUsage(client) });
 * ```
 */
export function redisUsage(client: RedisClient, options: RedisUsageOptions = {}): UsageStore {
  const { prefix = 'portcullis:usage', timeoutMs = 2000, retentionDays = 400 } = options;
  const key = tenantKeyOf(prefix);
  return {
    async add({ writer, sequence, entries }) {
      for (const tenant of new Set(entries.map((entry) => entry.tenant))) {
        const own = entries.filter((entry) => entry.tenant === tenant);
        const days = [...new Set(own.map(({ day }) => day))];
        const changes = own.flatMap((entry) =>
          // The first key is the writer's.
          changesOf(entry).flatMap((change) => [days.indexOf(entry.day) + 2, ...change]),
        );
        const input = {
          keys: [key(tenant, 'writer', writer), ...days.map((day) => key(tenant, 'day', day))],
          values: [sequence, writerMs, retentionDays * dayMs, ...changes],
        };
        await runScript(client, addScript, input, { timeoutMs });
      }
    },
    async *read(tenant, from, to) {
      for (const day of daysOf(from, to)) {
        const answer = await runScript(
          client,
          readScript,
          { keys: [key(tenant, 'day', day)], values: [] },
          { timeoutMs },
        );
        yield* entriesOf(tenant, day, z.array(z.string()).parse(answer));
      }
    },
  };
}

/** KEYS writer, days; ARGV sequence, how long the writer is kept, the days; then key, field, amount, `add` or `max`. */
const addScript = redisScript(`
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for at = 4, #ARGV, 4 do
  local key, field, amount = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  if ARGV[at + 3] == 'add' then
    redis.call('HINCRBY', key, field, amount)
  elseif tonumber(redis.call('HGET', key, field) or 0) < tonumber(amount) then
    redis.call('HSET', key, field, amount)
  end
end
for at = 2, #KEYS do redis.call('PEXPIRE', KEYS[at], ARGV[3]) end
return 1
`);

const readScript = redisScript(`return redis.call('HGETALL', KEYS[1])`);

const names = ['allowed', 'denied', 'limited', 'errors', 'latencyMicros', 'latencyMaxMicros'] as const;
const fieldName = z.tuple([z.string(), z.string(), z.union([z.enum(names), z.number().int()])]);
const amount = z.coerce.number().int().nonnegative();

/** A field is the user, the tool, and a counter or a bucket. */
function changesOf(entry: UsageEntry): readonly (readonly [field: string, amount: number, how: 'add' | 'max'])[] {
  const field = (name: string | number): string => JSON.stringify([entry.user, entry.tool, name]);
  return [
    ...names.map((name) => [field(name), entry[name], name === 'latencyMaxMicros' ? 'max' : 'add'] as const),
    ...Object.entries(entry.latency).map(([bucket, count]) => [field(Number(bucket)), count, 'add'] as const),
  ].filter(([, count]) => count > 0);
}

function entriesOf(tenant: TenantId, day: string, fields: readonly string[]): readonly UsageEntry[] {
  type Counts = Record<(typeof names)[number], number> & { readonly latency: Record<string, number> };
  const entries = new Map<string, Counts>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [user, tool, name] = fieldName.parse(JSON.parse(fields[at] ?? ''));
    const key = JSON.stringify([user, tool]);
    const zero: Counts = {
      allowed: 0,
      denied: 0,
      limited: 0,
      errors: 0,
      latencyMicros: 0,
      latencyMaxMicros: 0,
      latency: {},
    };
    const entry = entries.get(key) ?? zero;
    const value = amount.parse(fields[at + 1]);
    if (typeof name === 'number') entry.latency[name] = value;
    else entry[name] = value;
    entries.set(key, entry);
  }
  return [...entries].map(([key, counts]) => {
    const [user, tool] = z.tuple([z.string(), z.string()]).parse(JSON.parse(key));
    return { tenant, day, user, tool, ...counts };
  });
}

function* daysOf(from: string, to: string): Generator<string> {
  for (let at = Date.parse(from); at <= Date.parse(to); at += dayMs) yield new Date(at).toISOString().slice(0, 10);
}

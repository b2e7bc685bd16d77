import { redisScript, type RedisScript } from './run-script.js';

/** What runs inside Redis, each as one atomic step. */
export interface LimitScripts {
  readonly request: RedisScript;
  readonly call: RedisScript;
  readonly session: RedisScript;
  readonly release: RedisScript;
  readonly cancel: RedisScript;
  readonly renew: RedisScript;
  readonly read: RedisScript;
}

/** The time in milliseconds by Redis' own clock, so that clocks of replicas that differ or jump do not matter. */
export const serverTime = `(function()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end)()`;

/**
 * The scripts.
 *
 * All keys of one script belong to one tenant, whose id is their hash tag: on a cluster they are in one slot. Figures
 * that are absent are `-1`. Numbers are below 2^53, and exact in Lua.
 *
 * @param now - a Lua expression for the present time in milliseconds; a test sets another
 */
export function limitScripts(now: string = serverTime): LimitScripts {
  const script = (...parts: readonly string[]): RedisScript => redisScript([`local now = ${now}`, ...parts].join('\n'));
  return {
    request: script(window, request),
    call: script(month, places, call),
    session: script(places, session),
    release: script(release),
    cancel: script(month, cancel),
    renew: script(places, renew),
    read: script(month, places, read),
  };
}

/**
 * One hash for a tenant and one for a user: `day` and `count` of that day; a field for each second of the last minute,
 * and `total`, `oldest` and `newest` of these, so that a busy minute costs no more than a quiet one. The same counting
 * as `MinuteWindow` and `PeriodCount`.
 */
const window = `
local present = math.floor(now / 1000)
local today = math.floor(now / 86400000)

local function closes(slice) return (slice + 1) * 1000 + 60000 end

local function look(key)
  local fields = redis.call('HMGET', key, 'total', 'oldest', 'newest', 'day', 'count')
  local state = {
    key = key, total = tonumber(fields[1] or 0), count = tonumber(fields[5] or 0),
    oldest = tonumber(fields[2] or present), newest = tonumber(fields[3] or present),
  }
  local isOld = false
  if state.newest > present then
    -- The clock went back: what passed did pass, at the latest now.
    isOld = true
    for slice = math.max(state.oldest, present + 1), state.newest do
      local passed = redis.call('HGET', key, slice)
      if passed then
        redis.call('HINCRBY', key, present, passed)
        redis.call('HDEL', key, slice)
      end
    end
    state.oldest, state.newest = math.min(state.oldest, present), present
  end
  while state.oldest <= state.newest and closes(state.oldest) <= now do
    isOld = true
    state.total = state.total - tonumber(redis.call('HGET', key, state.oldest) or 0)
    redis.call('HDEL', key, state.oldest)
    state.oldest = state.oldest + 1
  end
  if state.oldest > state.newest then state.oldest, state.newest, state.total = present, present, 0 end
  if isOld then redis.call('HSET', key, 'total', state.total, 'oldest', state.oldest, 'newest', state.newest) end
  local day = tonumber(fields[4] or today)
  if day < today then state.count = 0 end
  if day > today then redis.call('HSET', key, 'day', today) end
  return state
end

local function minuteWait(state, limit)
  local over = state.total - limit + 1
  if limit < 0 or over <= 0 then return 0 end
  for slice = state.oldest, state.newest do
    over = over - tonumber(redis.call('HGET', state.key, slice) or 0)
    if over <= 0 then return closes(slice) - now end
  end
  return -1
end

local function dayWait(state, limit)
  if limit < 0 or state.count < limit then return 0 end
  if limit == 0 then return -1 end
  return (today + 1) * 86400000 - now
end

local function add(state, perMinute, perDay)
  if perMinute < 0 and perDay < 0 then return end
  local key, keep = state.key, 62000
  if perMinute >= 0 then
    redis.call('HINCRBY', key, present, 1)
    redis.call('HSET', key, 'total', state.total + 1, 'oldest', state.oldest, 'newest', present)
  end
  if perDay >= 0 then
    state.count = state.count + 1
    redis.call('HSET', key, 'day', today, 'count', state.count)
  end
  if state.count > 0 then keep = keep + (today + 1) * 86400000 - now end
  redis.call('PEXPIRE', key, keep)
end
`;

/** KEYS tenant, user; ARGV the four limits. Returns the wait of each: 0 open, -1 for ever. */
const request = `
local limits = {}
for at = 1, 4 do limits[at] = tonumber(ARGV[at]) end
local tenant, user = look(KEYS[1]), look(KEYS[2])
local waits = {
  minuteWait(tenant, limits[1]), dayWait(tenant, limits[2]),
  minuteWait(user, limits[3]), dayWait(user, limits[4]),
}
if waits[1] == 0 and waits[2] == 0 and waits[3] == 0 and waits[4] == 0 then
  add(tenant, limits[1], limits[2])
  add(user, limits[3], limits[4])
end
return waits
`;

/**
 * The months since the year 0, and the calls in this one.
 *
 * @see Howard Hinnant, chrono-compatible low-level date algorithms, civil_from_days:
 * https://howardhinnant.github.io/date_algorithms.html
 */
const month = `
local function monthOf(at)
  local z = math.floor(at / 86400000) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local number = mp < 10 and mp + 3 or mp - 9
  return (yoe + era * 400 + (number <= 2 and 1 or 0)) * 12 + number - 1
end
local present = monthOf(now)

local function callsOf(key)
  local state = redis.call('HMGET', key, 'month', 'calls')
  local stored, calls = tonumber(state[1] or -1), tonumber(state[2] or 0)
  -- The clock went back: what was counted for a month to come counts for this one.
  if stored > present then redis.call('HSET', key, 'month', present) end
  return stored < present and 0 or calls
end

local function setCalls(key, calls)
  redis.call('HSET', key, 'month', present, 'calls', calls)
  redis.call('PEXPIRE', key, 34 * 86400000)
end
`;

/** Places are leases: a sorted set of ids by the time at which each ends. */
const places = `
local function open(key, lease)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  -- The clock went back: no lease ends later than one that is taken now.
  local ahead = redis.call('ZRANGEBYSCORE', key, '(' .. (now + lease), '+inf')
  for _, id in ipairs(ahead) do redis.call('ZADD', key, now + lease, id) end
  return redis.call('ZCARD', key)
end

local function hold(key, lease, id)
  redis.call('ZADD', key, now + lease, id)
  redis.call('PEXPIRE', key, lease * 2)
end
`;

/**
 * KEYS calls, places of the tenant, places of the user; ARGV calls a month, calls at a time of the tenant, of the
 * user, lease, id. Returns what was met (0 nothing, 1 month, 2 tenant, 3 user), the calls so far, the time and month.
 */
const call = `
local calls, lease = callsOf(KEYS[1]), tonumber(ARGV[4])
local perMonth = tonumber(ARGV[1])
if perMonth >= 0 and calls >= perMonth then return { 1, calls, now, present } end
for at = 2, 3 do
  local most = tonumber(ARGV[at])
  if most >= 0 and open(KEYS[at], lease) >= most then return { at, calls, now, present } end
end
setCalls(KEYS[1], calls + 1)
for at = 2, 3 do
  if tonumber(ARGV[at]) >= 0 then hold(KEYS[at], lease, ARGV[5]) end
end
return { 0, calls + 1, now, present }
`;

/** KEYS places; ARGV the most, lease, id. Returns whether it has a place, and how many are open. */
const session = `
local lease = tonumber(ARGV[2])
local held, most = open(KEYS[1], lease), tonumber(ARGV[1])
if not redis.call('ZSCORE', KEYS[1], ARGV[3]) then
  if most >= 0 and held >= most then return { 0, held } end
  held = held + 1
end
hold(KEYS[1], lease, ARGV[3])
return { 1, held }
`;

/** KEYS places; ARGV id. */
const release = `
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 1
`;

/** KEYS calls, places; ARGV id, month. Takes a call back whose answer came too late, once. */
const cancel = `
for at = 2, #KEYS do redis.call('ZREM', KEYS[at], ARGV[1]) end
if tonumber(ARGV[2]) == present then
  local calls = callsOf(KEYS[1])
  if calls > 0 then setCalls(KEYS[1], calls - 1) end
end
return 1
`;

/**
 * KEYS places; ARGV lease, ids. A place that is gone (Redis began anew, or was away for longer than the lease) is
 * taken again whatever the limit: the call does run.
 */
const renew = `
local lease = tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  for at = 2, #ARGV do redis.call('ZADD', key, now + lease, ARGV[at]) end
  redis.call('PEXPIRE', key, lease * 2)
end
return 1
`;

/** KEYS calls, places of the user's sessions; ARGV lease. Returns the calls, the time, the month, the open sessions. */
const read = `
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return { callsOf(KEYS[1]), now, present, redis.call('ZCARD', KEYS[2]) }
`;

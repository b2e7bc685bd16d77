/**
 * The operations on Redis, each one script, so that each is atomic. A grant is a hash (`record`, `version`, `uses`); two
 * sorted sets, all scores 0 and so in the order of their text, list an operator's and a tenant's.
 */
export const scripts = {
  /** KEYS: grant, operator's list, tenant's list. ARGV: record, version, place, keepMs, prefix of the grants' keys. */
  create: `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'version', ARGV[2], 'uses', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
for i = 2, 3 do
  -- What has been forgotten leaves the lists little by little, so that they do not grow without end.
  for _, place in ipairs(redis.call('ZRANGE', KEYS[i], 0, 9)) do
    if redis.call('EXISTS', ARGV[5] .. string.sub(place, 18)) == 0 then redis.call('ZREM', KEYS[i], place) end
  end
  redis.call('ZADD', KEYS[i], 0, ARGV[3])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1`,

  /** KEYS: grant. */
  get: `return redis.call('HMGET', KEYS[1], 'record', 'version', 'uses')`,

  /** KEYS: grant. ARGV: the version that is there, record, version, keepMs. */
  replace: `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'version', ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`,

  /** KEYS: grant. ARGV: the version that is there. */
  use: `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'uses', 1)
return 1`,

  /** KEYS: list. ARGV: where to begin (\`+\` or \`(place\`), how many, prefix of the grants' keys. */
  list: `
local found = {}
for _, place in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = { place, unpack(redis.call('HMGET', ARGV[3] .. string.sub(place, 18), 'record', 'version', 'uses')) }
end
return found`,
} as const;

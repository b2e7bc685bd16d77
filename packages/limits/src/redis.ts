export type { RedisClient, RedisScriptOptions } from './redis/redis-client.js';
export { redisLimits, type RedisLimitsOptions } from './redis/redis-limits.js';
export { redisUsage, type RedisUsageOptions } from './redis/redis-usage.js';

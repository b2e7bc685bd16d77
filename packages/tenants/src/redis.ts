export {
  redisInvalidations,
  type RedisInvalidationsOptions,
  type RedisPubSubClient,
} from './registry/redis-invalidations.js';

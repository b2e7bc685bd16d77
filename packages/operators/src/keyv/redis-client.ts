import { PortcullisError } from '@portcullis/core';

/** What is used of a Redis client of `@redis/client` 5. */
interface RedisClient {
  withAbortSignal(signal: AbortSignal): {
    eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  };
}

/** What is used of the Keyv adapter `@keyv/redis` 5. */
interface RedisAdapter {
  getClient(): Promise<RedisClient>;
}

/**
 * The Redis adapter behind a Keyv instance.
 *
 * @throws PortcullisError `config_invalid` for any other adapter: it could not change a grant atomically; and for Redis
 * Cluster, where the keys of one change lie on several nodes
 */
export function redisAdapterOf(store: unknown): RedisAdapter {
  if (isCluster(store)) throw new PortcullisError('config_invalid', 'keyvGrants: Redis Cluster is not supported');
  if (isRedisAdapter(store)) return store;
  throw new PortcullisError(
    'config_invalid',
    'keyvGrants: the store has to be `@keyv/redis`; for a single process there is memoryGrants',
  );
}

function isCluster(store: unknown): boolean {
  return hasFunctions(store, ['isCluster']) && (store as { isCluster(): unknown }).isCluster() === true;
}

function isRedisAdapter(store: unknown): store is RedisAdapter {
  return hasFunctions(store, ['getClient']) && 'client' in store && isRedisClient(store.client);
}

function isRedisClient(client: unknown): client is RedisClient {
  return hasFunctions(client, ['withAbortSignal', 'eval']);
}

function hasFunctions(value: unknown, names: readonly string[]): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function')
  );
}

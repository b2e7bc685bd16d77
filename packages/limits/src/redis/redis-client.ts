/** What is asked of a Redis client: `createClient` and `createCluster` of node-redis have it, as `@keyv/redis` uses them. */
export interface RedisClient {
  eval(script: string, options: RedisScriptOptions): Promise<unknown>;
  evalSha(sha1: string, options: RedisScriptOptions): Promise<unknown>;
}

/** The keys and arguments of a script. */
export interface RedisScriptOptions {
  keys: string[];
  arguments: string[];
}

import type { Keyv } from 'keyv';
import { PortcullisError, systemClock, type Clock, type TenantPlans } from '@portcullis/core';
import { backendStore } from './store/backend-store.js';
import type { Backend } from './store/backend.js';
import { keyvBackend } from './store/keyv-backend.js';
import { isRedisAdapter, redisBackend } from './store/redis-backend.js';
import type { TenantStore } from './store/store.js';

/** How a Keyv store is used. */
export interface KeyvStoreOptions {
  /** How long one operation may take, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
  /**
   * `one`: this process is the only one that uses the store, at any time. Required where the adapter knows no atomic
   * change, which is every adapter but `@keyv/redis`.
   */
  readonly writers?: 'one' | undefined;
  /** The plans on offer: what gives a tenant its `maxUsers` where its own settings are silent. Without, plans limit nothing. */
  readonly plans?: TenantPlans | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * A tenant store over Keyv. Hand it a Keyv instance of its own.
 *
 * On Redis, by `@keyv/redis`, any number of processes share one store: every change is one script that Redis runs alone,
 * on the condition that nothing it is based on has changed. It takes one Redis server; Cluster and Sentinel clients are
 * refused. Any other adapter is for one process, which `writers: 'one'` says aloud.
 *
 * Every operation has a deadline, also while the client is offline. A change that fails with `store_unavailable` may
 * have been made or not: read before you try again, or try again with `ifVersion`.
 *
 * @throws PortcullisError `config_invalid` for an adapter that is no Redis, without `writers: 'one'`
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { keyvStore } from '@portcullis/tenants/keyv';
 *
 * const store = keyvStore(new Keyv(), { writers: 'one' });
 * await store.close();
 * ```
 */
export function keyvStore(keyv: Keyv, options: KeyvStoreOptions = {}): TenantStore {
  return backendStore({
    backend: backendFor(keyv, options),
    clock: options.clock ?? systemClock,
    plans: options.plans,
  });
}

function backendFor(keyv: Keyv, { timeoutMs = 2000, writers }: KeyvStoreOptions): Backend {
  const adapter: unknown = keyv.store;
  if (isRedisAdapter(adapter)) {
    if (adapter.isCluster() || adapter.isSentinel())
      throw new PortcullisError(
        'config_invalid',
        'keyv: a Redis Cluster or Sentinel client has no atomic changes here',
      );
    // Every operation tells its own failure; an error event that nobody listens to would end the process.
    keyv.on('error', () => undefined);
    return redisBackend(adapter, timeoutMs);
  }
  if (writers !== 'one')
    throw new PortcullisError('config_invalid', 'writers: has to be `one` for a Keyv adapter without atomic changes');
  return keyvBackend(keyv, timeoutMs);
}

import type { Keyv } from 'keyv';
import { PortcullisError, systemClock, type Clock, type TenantPlans } from '@portcullis/core';
import { backendStore } from './store/backend-store.js';
import { keyvBackend } from './store/keyv-backend.js';
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
 * A tenant store over Keyv: Redis by `@keyv/redis`, or any other Keyv adapter. Hand it a Keyv instance of its own.
 *
 * Keyv on its own reports a failing backend as an event and returns `undefined`, which would read as "no such tenant";
 * a Redis client that is offline queues commands without end. Here the first is made to throw and the second is given
 * a deadline, and both are `store_unavailable`.
 *
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
  const timeoutMs = options.timeoutMs ?? 2000;
  if (options.writers !== 'one')
    throw new PortcullisError('config_invalid', 'writers: has to be `one` for a Keyv adapter without atomic changes');
  return backendStore({
    backend: keyvBackend(keyv, timeoutMs),
    clock: options.clock ?? systemClock,
    plans: options.plans,
  });
}

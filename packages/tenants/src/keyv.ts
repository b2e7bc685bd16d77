import type { Keyv } from 'keyv';
import { PortcullisError, type Clock, withDeadline } from '@portcullis/core';
import { backendStore } from './store/backend-store.js';
import type { Backend } from './store/backend.js';
import type { TenantStore } from './store/store.js';

/** How a Keyv store is used. */
export interface KeyvStoreOptions {
  /** How long one operation may take, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
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
 * const store = keyvStore(new Keyv());
 * await store.close();
 * ```
 */
export function keyvStore(keyv: Keyv, options: KeyvStoreOptions = {}): TenantStore {
  return backendStore(keyvBackend(keyv, options.timeoutMs ?? 2000), options.clock);
}

function keyvBackend(keyv: Keyv, timeoutMs: number): Backend {
  keyv.throwOnErrors = true;
  const store: unknown = keyv.store;
  if (typeof store === 'object' && store !== null && 'throwOnErrors' in store) store.throwOnErrors = true;
  let failure: unknown;
  keyv.on('error', (error: unknown) => (failure = error));

  async function run<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await withDeadline(operation(), timeoutMs, () => failure);
    } catch (cause) {
      throw new PortcullisError('store_unavailable', undefined, {
        detail: cause instanceof Error ? cause.message : 'the backend failed',
        cause,
      });
    }
  }

  return {
    get: (key) => run(() => keyv.get<unknown>(key)),
    set: (key, value) =>
      run(async () => {
        if (!(await keyv.set(key, value))) throw new Error('the backend did not store the value');
      }),
    delete: (key) =>
      run(async () => {
        await keyv.delete(key);
      }),
    close: () => run(() => keyv.disconnect()),
  };
}

import type { Keyv } from 'keyv';
import {
  PortcullisError,
  withDeadline,
  type OperatorContext,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';
import { tenantOf, tenantOfOperator, type OperatorAccessOptions } from './access.js';
import { ownKey, requireKeyPrefix, tenantKey } from './tenant-key.js';
import type { KeyListOptions, KeyPage, TenantKeyValue } from './tenant-key-value.js';

/** How the storage is set up. */
export interface KeyvStorageOptions extends OperatorAccessOptions {
  /** A Keyv instance of its own: memory, Redis by `@keyv/redis`, or any other adapter. */
  readonly keyv: Keyv;
  /** How long one operation may take, in milliseconds. @defaultValue 2000 */
  readonly timeoutMs?: number | undefined;
}

/** Storage for all tenants, of which each context opens its own part. */
export interface KeyvStorage {
  /**
   * The storage of the context's tenant.
   *
   * @throws PortcullisError `storage_refused` for anything but a context that a tenant resolver made
   */
  forTenant(context: TenantContext): TenantKeyValue;
  /**
   * The storage of a tenant, for an operator, on record.
   *
   * @throws PortcullisError `storage_refused`, or what the recorder rejects with
   */
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<TenantKeyValue>;
  close(): Promise<void>;
}

/**
 * Isolation by key prefix over Keyv.
 *
 * The prefix is written into every key here; Keyv's own `namespace` is a property of the shared store, which another
 * request may be changing, and is not used. A listing walks the store's keys and keeps what begins with exactly the
 * tenant's prefix, whatever a pattern of the backend may have matched.
 *
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { keyvStorage } from '@portcullis/storage/keyv';
 *
 * const storage = keyvStorage({ keyv: new Keyv() });
 * await storage.close();
 * ```
 */
export function keyvStorage({ keyv, timeoutMs = 2000, ...access }: KeyvStorageOptions): KeyvStorage {
  keyv.throwOnErrors = true;
  const store: unknown = keyv.store;
  if (typeof store === 'object' && store !== null && 'throwOnErrors' in store) store.throwOnErrors = true;
  let failure: unknown;
  keyv.on('error', (error: unknown) => (failure = error));

  async function run<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await withDeadline(operation(), timeoutMs, () => failure);
    } catch (cause) {
      throw new PortcullisError('storage_unavailable', undefined, {
        detail: cause instanceof Error ? cause.message : 'the backend failed',
        cause,
      });
    }
  }

  async function allKeys(tenant: string, prefix: string): Promise<readonly string[]> {
    const iterate = keyv.iterator;
    if (iterate === undefined)
      throw new PortcullisError('storage_refused', undefined, { detail: 'the Keyv adapter cannot list keys' });
    return run(async () => {
      const keys = new Set<string>();
      for await (const [full] of iterate(undefined) as AsyncIterable<readonly [unknown]>) {
        const key = typeof full === 'string' ? ownKey(tenant, full) : undefined;
        if (key?.startsWith(prefix) === true) keys.add(key);
      }
      return [...keys].sort();
    });
  }

  function open(tenant: TenantId): TenantKeyValue {
    return {
      get: async (key) => {
        const full = tenantKey(tenant, key);
        return run(() => keyv.get<unknown>(full));
      },
      getMany: async (keys) => {
        const full = keys.map((key) => tenantKey(tenant, key));
        return full.length === 0 ? [] : run(() => keyv.getMany<unknown>(full));
      },
      set: async (key, value, { ttlMs } = {}) => {
        const full = tenantKey(tenant, key);
        if (value === undefined)
          throw new PortcullisError('storage_refused', undefined, { detail: '`undefined` is no JSON value' });
        if (ttlMs !== undefined && !(ttlMs > 0))
          throw new PortcullisError('storage_refused', undefined, { detail: 'ttlMs must be positive' });
        await run(async () => {
          if (!(await keyv.set(full, value, ttlMs))) throw new Error('the backend did not store the value');
        });
      },
      delete: async (key) => {
        const full = tenantKey(tenant, key);
        return run(() => keyv.delete(full));
      },
      has: async (key) => {
        const full = tenantKey(tenant, key);
        return run(() => keyv.has(full));
      },
      list: async (options) => page(await allKeys(tenant, checkedPrefix(options)), options),
      clear: async () => {
        const keys = await allKeys(tenant, '');
        for (const key of keys) await run(() => keyv.delete(tenantKey(tenant, key)));
        return keys.length;
      },
    };
  }

  return {
    forTenant: (context) => open(tenantOf(context)),
    forTenantAsOperator: async (operator, tenant) => open(await tenantOfOperator(operator, tenant, 'keyv', access)),
    close: () => run(() => keyv.disconnect()),
  };
}

function checkedPrefix({ prefix = '' }: KeyListOptions = {}): string {
  requireKeyPrefix(prefix);
  return prefix;
}

function page(keys: readonly string[], { limit = 100, cursor }: KeyListOptions = {}): KeyPage {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new PortcullisError('storage_refused', undefined, { detail: 'limit must be a positive integer' });
  const rest = cursor === undefined ? keys : keys.filter((key) => key > cursor);
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return { keys: shown, ...(rest.length > limit && last !== undefined ? { cursor: last } : {}) };
}

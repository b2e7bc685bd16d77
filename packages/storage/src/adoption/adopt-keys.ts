import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Keyv } from 'keyv';
import { PortcullisError, withDeadline, type TenantId } from '@portcullis/core';
import { refused, unavailable } from '../access.js';
import { ownKey, requireKey, tenantKey } from '../tenant-key.js';
import type { AdoptionStep } from './adoption-step.js';
import { ownSide } from './copying/own-side.js';
import { copyingStep, type ObstacleOptions } from './copying/copying-step.js';
import { detailOf } from './copying/detail-of.js';
import type { Found, Side, SideBySide } from './copying/side-by-side.js';

/** Which keys are adopted. */
export interface AdoptKeysOptions extends ObstacleOptions {
  /** @defaultValue `keys` */
  readonly name?: string | undefined;
  /**
   * What the Keyv’s namespace has to be, said once more: with another one, other keys would be taken. @defaultValue
   * whatever it is
   */
  readonly namespace?: string | undefined;
  /** Tenants that have keys in the store already: what begins with the prefix of one is an obstacle. @defaultValue none */
  readonly otherTenants?: readonly TenantId[] | undefined;
  /** How long one operation may take, in milliseconds; a walk through the store ten times as long. @defaultValue 10000 */
  readonly timeoutMs?: number | undefined;
}

/** Later by this much is the same end of a time to live: what a copy took between two looks at the clock. */
const ttlToleranceMs = 1000;

/**
 * Adopts the keys of a Keyv store: each is copied to the tenant’s prefix, where `keyvStorage` over the same Keyv finds
 * it, with its time to live; `finish` deletes the originals.
 *
 * All keys of the Keyv’s namespace are taken for the old server’s. Keys that `keyvStorage` would refuse, that Keyv cannot
 * address or did not write, and those of `otherTenants` are obstacles.
 *
 * @throws PortcullisError `config_invalid` for another namespace than the one named
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { adoptKeys } from '@portcullis/storage/adoption';
 *
 * console.log(adoptKeys(new Keyv({ namespace: 'notes' }), { namespace: 'notes' }).name); // prints: keys
 * ```
 */
export function adoptKeys(keyv: Keyv, options: AdoptKeysOptions = {}): AdoptionStep {
  const { name = 'keys', namespace, timeoutMs = 10_000 } = options;
  const actual = namespaceOf(keyv);
  if (namespace !== undefined && namespace !== actual)
    throw new PortcullisError(
      'config_invalid',
      `namespace: the Keyv has \`${String(actual)}\`, and not \`${namespace}\``,
    );
  keyv.throwOnErrors = true;
  const store: unknown = keyv.store;
  if (typeof store === 'object' && store !== null && 'throwOnErrors' in store) store.throwOnErrors = true;
  let failure: unknown;
  keyv.on('error', (error: unknown) => (failure = error));

  const run = async <T>(operation: () => Promise<T>, limitMs = timeoutMs): Promise<T> => {
    try {
      return await withDeadline(operation(), limitMs, () => failure);
    } catch (cause) {
      throw cause instanceof PortcullisError ? cause : unavailable(cause);
    }
  };
  return copyingStep(name, (tenant) => keysOf(keyv, tenant, options, run), { ...options, what: 'keys' });
}

type Run = <T>(operation: () => Promise<T>, limitMs?: number) => Promise<T>;

function keysOf(
  keyv: Keyv,
  tenant: TenantId,
  { otherTenants = [], timeoutMs = 10_000 }: AdoptKeysOptions,
  run: Run,
): SideBySide {
  const full = (side: Side, key: string): string => (side === 'copy' ? tenantKey(tenant, key) : key);
  const read = (side: Side, key: string): Promise<Entry | undefined> => run(() => entryOf(keyv, full(side, key)));

  async function found(key: string): Promise<Found> {
    const own = ownKey(tenant, key);
    if (own !== undefined) return ownSide(own, key);
    const why = await obstacle(keyv, key, otherTenants);
    return why === undefined ? { side: 'original', key } : { side: 'obstacle', key, why };
  }

  return {
    async *walk(signal) {
      const keys = await run(() => allKeys(keyv, signal), timeoutMs * 10);
      for (const key of keys) {
        signal.throwIfAborted();
        yield await run(() => found(key));
      }
    },
    async stamp(side, key) {
      const entry = await read(side, key);
      return entry && stampOf(entry);
    },
    async write(to, key) {
      const entry = await read(to === 'copy' ? 'original' : 'copy', key);
      if (entry === undefined) return;
      await run(async () => {
        // Without an end of its own a value would get the Keyv’s default one; 0 is none.
        const ttl = entry.expires === undefined ? 0 : entry.expires - Date.now();
        if (entry.expires !== undefined && ttl <= 0) return;
        if (!(await keyv.set(full(to, key), entry.value, ttl))) throw new Error('the backend did not store the value');
      });
    },
    async same(key) {
      const [original, copy] = await Promise.all([read('original', key), read('copy', key)]);
      if (original === undefined || copy === undefined) return false;
      const ends = Math.abs((original.expires ?? 0) - (copy.expires ?? 0));
      return isDeepStrictEqual(original.value, copy.value) && ends <= ttlToleranceMs;
    },
    async remove(side, keys) {
      for (const key of keys) await run(() => keyv.delete(full(side, key)));
    },
  };
}

interface Entry {
  readonly value: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly expires: number | undefined;
}

async function entryOf(keyv: Keyv, key: string): Promise<Entry | undefined> {
  const raw: unknown = await keyv.getRaw<unknown>(key);
  if (typeof raw !== 'object' || raw === null || !('value' in raw) || raw.value === undefined) return undefined;
  const expires = 'expires' in raw && typeof raw.expires === 'number' ? raw.expires : undefined;
  return expires !== undefined && expires <= Date.now() ? undefined : { value: raw.value, expires };
}

function stampOf({ value, expires }: Entry): string {
  return createHash('sha256')
    .update(JSON.stringify([value, expires ?? null]))
    .digest('base64url');
}

async function allKeys(keyv: Keyv, signal: AbortSignal): Promise<readonly string[]> {
  const iterate = keyv.iterator;
  if (iterate === undefined) throw refused('the Keyv adapter cannot list keys');
  const keys = new Set<string>();
  for await (const [key] of iterate(undefined) as AsyncIterable<readonly [unknown]>) {
    signal.throwIfAborted();
    if (typeof key === 'string') keys.add(key);
  }
  return [...keys];
}

async function obstacle(keyv: Keyv, key: string, others: readonly TenantId[]): Promise<string | undefined> {
  const other = others.find((tenant) => ownKey(tenant, key) !== undefined);
  if (other !== undefined) return `is tenant \`${other}\`’s already`;
  // Keyv takes a key that begins with its namespace for one that has it already: another key would be read.
  if (keyv.useKeyPrefix && keyv.namespace !== undefined && key.startsWith(`${keyv.namespace}:`))
    return 'begins with the namespace once more, and Keyv cannot address it';
  try {
    requireKey(key);
  } catch (error) {
    return detailOf(error);
  }
  const raw: unknown = await keyv.getRaw<unknown>(key);
  if (raw === undefined || raw === null || (await entryOf(keyv, key)) !== undefined) return undefined;
  return typeof raw === 'object' && 'value' in raw && raw.value !== undefined ? undefined : 'was not written by Keyv';
}

function namespaceOf(keyv: Keyv): string | undefined {
  if (keyv.namespace !== undefined) return keyv.namespace;
  const store: unknown = keyv.store;
  const named = typeof store === 'object' && store !== null && 'namespace' in store ? store.namespace : undefined;
  return typeof named === 'string' ? named : undefined;
}

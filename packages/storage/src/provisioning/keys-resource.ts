import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { OperatorContext, TenantId } from '@portcullis/core';
import { refused } from '../access.js';
import type { TenantKeyValue } from '../tenant-key-value.js';
import { bytesOfLines, linesOfBytes } from './entry-lines.js';
import type { ResourceCall, TenantResource } from './tenant-resource.js';

/** As much of a key storage as is needed: `keyvStorage` is one. It has to have an `operatorAccess`. */
export interface OperatorKeys {
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<TenantKeyValue>;
}

const line = z.strictObject({ key: z.string(), value: z.unknown() });

/**
 * The keys and values of a tenant. There is nothing to make for a tenant: its prefix is its place.
 *
 * An export is one entry of JSON lines. How long a value had left to live is not known to it: restored values stay.
 * A value that is no JSON (the port takes no other) is refused, and not changed on its way.
 *
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { keyvStorage } from '@portcullis/storage/keyv';
 * import { keysResource } from '@portcullis/storage/provisioning';
 *
 * const storage = keyvStorage({ keyv: new Keyv(), operatorAccess: async () => {} });
 * console.log(keysResource(storage).name); // prints: keys
 * await storage.close();
 * ```
 */
export function keysResource(
  storage: OperatorKeys,
  { name = 'keys' }: { readonly name?: string | undefined } = {},
): TenantResource {
  const open = ({ operator, tenant }: ResourceCall): Promise<TenantKeyValue> =>
    storage.forTenantAsOperator(operator, tenant);
  return {
    name,
    has: async (call) => (await (await open(call)).list({ limit: 1 })).keys.length > 0,
    provision: () => Promise.resolve(),
    async export(call, write) {
      await write({ name: 'keys', content: bytesOfLines(exported(await open(call), call.signal)) });
    },
    async restore(call, entries) {
      const keys = await open(call);
      for await (const entry of entries) {
        if (entry.name !== 'keys') throw refused(`\`${entry.name}\` is no entry of keys`);
        for await (const text of linesOfBytes(entry.content)) {
          call.signal.throwIfAborted();
          const { key, value } = line.parse(JSON.parse(text));
          await keys.set(key, value);
        }
      }
    },
    async remove(call) {
      await (await open(call)).clear();
    },
    async describe(call) {
      let count = 0;
      for await (const page of pages(await open(call), call.signal)) count += page.length;
      return { keys: count };
    },
  };
}

async function* pages(keys: TenantKeyValue, signal: AbortSignal): AsyncGenerator<readonly string[]> {
  let cursor: string | undefined;
  do {
    signal.throwIfAborted();
    // Each page may walk the whole store: few and large ones.
    const page = await keys.list({ limit: 10_000, cursor });
    yield page.keys;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

async function* exported(keys: TenantKeyValue, signal: AbortSignal): AsyncGenerator<string> {
  for await (const page of pages(keys, signal)) {
    for (let at = 0; at < page.length; at += 500) {
      const some = page.slice(at, at + 500);
      const values = await keys.getMany(some);
      for (const [index, key] of some.entries()) {
        const value = values[index];
        // It expired between the listing and the reading.
        if (value === undefined) continue;
        const text = JSON.stringify({ key, value });
        if (!isDeepStrictEqual(JSON.parse(text), { key, value }))
          throw refused(`the value under \`${key}\` is no JSON, and would come back as another`);
        yield text;
      }
    }
  }
}

import { Keyv } from 'keyv';
import { isSealedTenantContext, type TenantContext } from '@portcullis/core';
import type { IsolationSubject, IsolationTrap, TenantUnderTest } from '@portcullis/testing/isolation';

/** A key-prefix store over Keyv, in parts, so that each mistake is one part. */
interface Parts {
  readonly tenantOf: (context: TenantContext) => string;
  /** Where a tenant's keys begin. */
  readonly prefix: (tenant: string) => string;
  /** Refuses a key, or changes it. */
  readonly key: (key: string) => string;
  /** The own key of a full one. */
  readonly own: (full: string, prefix: string) => string | undefined;
  readonly get: (keyv: Keyv, full: string, key: string) => Promise<string | undefined>;
  readonly insert: (keyv: Keyv, full: string, key: string, value: string) => Promise<boolean>;
  /** The full key of the source of a copy. */
  readonly source: (prefix: string, key: string) => string;
  readonly clear: (keyv: Keyv, keys: readonly string[]) => Promise<unknown>;
  readonly allKeys: (keyv: Keyv, prefix: string) => Promise<readonly string[]>;
}

/** A correct one, small. */
const right: Parts = {
  tenantOf: (context) => {
    if (!isSealedTenantContext(context)) throw new Error('not a tenant context');
    return context.tenant.id;
  },
  prefix: (tenant) => `${tenant}/`,
  key: (key) => {
    if (!/^[\w:.-]+(\/[\w:.-]+)*$/.test(key) || key.split('/').some((part) => /^\.+$/.test(part)) || key.length > 512)
      throw new Error('not an acceptable key');
    return key;
  },
  own: (full, prefix) => (full.startsWith(prefix) ? full.slice(prefix.length) : undefined),
  get: (keyv, full) => keyv.get<string>(full),
  insert: async (keyv, full, _key, value) => !(await keyv.has(full)) && keyv.set(full, value),
  source: (prefix, key) => `${prefix}${right.key(key)}`,
  clear: (keyv, keys) => keyv.deleteMany([...keys]),
  allKeys: async (keyv) => {
    const keys: string[] = [];
    for await (const [full] of keyv.iterator!(undefined) as AsyncIterable<[string]>) keys.push(full);
    return keys.sort();
  },
};

/** A backend that can be made to fail. */
class Store extends Map<string, unknown> {
  down = false;
  override get(key: string): unknown {
    if (this.down) throw new Error('the backend is down');
    return super.get(key);
  }
}

export function keysSubject(name: string, mistake: Partial<Parts> = {}, throwOnErrors = true): IsolationSubject {
  const parts = { ...right, ...mistake };
  const map = new Store();
  const keyv = new Keyv({ store: map, throwOnErrors, useKeyPrefix: false });
  keyv.on('error', () => undefined);
  const open = (tenant: string): TenantUnderTest => {
    const prefix = parts.prefix(tenant);
    const full = (key: string): string => `${prefix}${parts.key(key)}`;
    const list = async (wanted: string): Promise<readonly string[]> => {
      if (wanted !== '') parts.key(wanted.replace(/\/$/, ''));
      const keys = (await parts.allKeys(keyv, prefix)).map((key) => parts.own(key, prefix));
      return keys.filter((key) => key?.startsWith(wanted) === true) as string[];
    };
    const store: TenantUnderTest = {
      put: async (key, value) => keyv.set(full(key), value),
      get: async (key) => parts.get(keyv, full(key), key),
      delete: async (key) => keyv.delete(full(key)),
      list,
      insert: async (key, value) => parts.insert(keyv, full(key), key, value),
      copy: async (from, to) => {
        const value = await keyv.get<string>(parts.source(prefix, from));
        if (value === undefined) throw new Error('no such key');
        await keyv.set(full(to), value);
      },
      clear: async () =>
        parts.clear(
          keyv,
          (await list('')).map((key) => `${prefix}${key}`),
        ),
    };
    return store;
  };
  return {
    name,
    reset: () => {
      map.clear();
      return Promise.resolve();
    },
    run: (context, work) => work(open(parts.tenantOf(context))),
    pageSize: 20,
    outage: async (work) => {
      map.down = true;
      try {
        return await work();
      } finally {
        map.down = false;
      }
    },
  };
}

/** One mistake each, and what the kit has to call it. */
export const keyMistakes: readonly (readonly [name: string, trap: IsolationTrap, make: () => IsolationSubject])[] = [
  ['no prefix at all', 'foreign_read', () => keysSubject('k', { prefix: () => '' })],
  ['a prefix without a slash', 'tenant_names_meet', () => keysSubject('k', { prefix: (tenant) => tenant })],
  [
    'a prefix that ends with a hyphen',
    'tenant_names_meet',
    () => keysSubject('k', { prefix: (tenant) => `${tenant}-` }),
  ],
  [
    'a prefix without regard to case',
    'tenant_names_meet',
    () => keysSubject('k', { prefix: (t) => `${t.toLowerCase()}/` }),
  ],
  ['a prefix that is cut off', 'tenant_names_meet', () => keysSubject('k', { prefix: (t) => `${t.slice(0, 32)}/` })],
  [
    'a prefix that drops characters',
    'tenant_names_meet',
    () => keysSubject('k', { prefix: (t) => `${t.replace(/\W|_/g, '')}/` }),
  ],
  [
    'a prefix that is a number',
    'tenant_names_meet',
    () => keysSubject('k', { prefix: (t) => `${/^\d/.test(t) ? String(Number(t)) : t}/` }),
  ],
  [
    'a cache that is keyed by the key alone',
    'foreign_read',
    () => {
      const cache = new Map<string, string>();
      const subject = keysSubject('k', {
        get: async (keyv, full, key) => {
          const value = cache.get(key) ?? (await keyv.get<string>(full));
          if (value !== undefined) cache.set(key, value);
          return value;
        },
      });
      const reset = (contexts: readonly TenantContext[]): Promise<unknown> | undefined => {
        cache.clear();
        return subject.reset?.(contexts);
      };
      return { ...subject, reset: async (contexts) => reset(contexts) };
    },
  ],
  [
    'a listing that shows everything',
    'foreign_listing',
    () => keysSubject('k', { own: (full, prefix) => full.replace(prefix, '') }),
  ],
  [
    'a listing that strips every occurrence of the prefix',
    'own_data_wrong',
    () =>
      keysSubject('k', {
        key: (key) => key,
        own: (full, prefix) => (full.startsWith(prefix) ? full.replaceAll(prefix, '') : undefined),
      }),
  ],
  [
    'dots that are resolved after the prefix was added',
    'key_escape',
    () =>
      keysSubject('k', {
        prefix: (tenant) => `/${tenant}/`,
        key: (key) => key,
        get: (keyv, full) => keyv.get<string>(new URL(full, 'file:').pathname),
      }),
  ],
  ['a key that is normalized', 'own_data_wrong', () => keysSubject('k', { key: (key) => key.normalize('NFC') })],
  [
    'a key that is cut off at NUL',
    'own_data_wrong',
    () => keysSubject('k', { key: (key) => key.split('\u0000')[0] ?? '' }),
  ],
  ['a key that is cut off at its end', 'own_data_wrong', () => keysSubject('k', { key: (key) => key.slice(0, 255) })],
  ['a key without regard to case', 'own_data_wrong', () => keysSubject('k', { key: (key) => key.toLowerCase() })],
  [
    'an insert that asks whether anybody has the key',
    'existence_oracle',
    () =>
      keysSubject('k', {
        insert: async (keyv, full, key, value) => {
          for (const taken of await right.allKeys(keyv, ''))
            if (taken !== full && taken.endsWith(`/${key}`)) throw new Error('taken');
          return right.insert(keyv, full, key, value);
        },
      }),
  ],
  [
    'an error that says what another has',
    'error_text',
    () =>
      keysSubject('k', {
        insert: async (keyv, full, key, value) => {
          for (const taken of await right.allKeys(keyv, ''))
            if (taken !== full && taken.endsWith(`/${key}`))
              throw new Error(`taken by ${String(await keyv.get(taken))}`);
          return right.insert(keyv, full, key, value);
        },
      }),
  ],
  [
    'a copy whose source is not checked',
    'key_escape',
    () => keysSubject('k', { source: (prefix, key) => (key.startsWith('/') ? key.slice(1) : prefix + key) }),
  ],
  ['a clear that clears the store', 'foreign_write', () => keysSubject('k', { clear: (keyv) => keyv.clear() })],
  [
    'a listing of the first page',
    'listing_incomplete',
    () =>
      keysSubject('k', {
        allKeys: async (keyv, prefix) =>
          (await right.allKeys(keyv, prefix)).filter((key) => key.startsWith(prefix)).slice(0, 20),
      }),
  ],
  [
    'a listing that filters a page of all tenants',
    'foreign_write',
    () => keysSubject('k', { allKeys: async (keyv, prefix) => (await right.allKeys(keyv, prefix)).slice(0, 1) }),
  ],
  ['a failure that looks like a miss', 'failure_looks_like_a_miss', () => keysSubject('k', {}, false)],
  [
    'contexts that anybody can write down',
    'forged_context',
    () => keysSubject('k', { tenantOf: (context) => context.tenant.id }),
  ],
  [
    'an operator who is let in where a tenant is expected',
    'operator_context',
    () =>
      keysSubject('k', {
        tenantOf: (context) => ((context as { kind?: string }).kind === 'operator' ? 'acme' : right.tenantOf(context)),
      }),
  ],
];

import { PortcullisError, systemClock, type Clock } from '@portcullis/core';
import { placeOf, type GrantStore, type StoredGrant } from './store.js';

interface Entry extends StoredGrant {
  readonly forgetAt: number;
}

/**
 * Keeps grants in this process: for a single one, and for tests. What is over is forgotten when its time has come.
 *
 * @example
 * ```ts
 * import { memoryGrants } from '@portcullis/operators';
 *
 * const store = memoryGrants();
 * await store.close();
 * ```
 */
export function memoryGrants(options: { readonly clock?: Clock | undefined } = {}): GrantStore {
  const clock = options.clock ?? systemClock;
  const entries = new Map<string, Entry>();

  return {
    create(record, keepMs) {
      const now = clock();
      for (const [id, { forgetAt }] of entries) if (forgetAt <= now) entries.delete(id);
      if (entries.has(record.id)) return Promise.reject(new PortcullisError('conflict'));
      entries.set(record.id, { record, uses: 0, forgetAt: now + keepMs });
      return Promise.resolve();
    },
    get: (id) => Promise.resolve(entries.get(id)),
    replace(record, version, keepMs) {
      const entry = entries.get(record.id);
      if (entry?.record.version !== version) return Promise.resolve(false);
      entries.set(record.id, { record, uses: entry.uses, forgetAt: clock() + keepMs });
      return Promise.resolve(true);
    },
    use(id, version) {
      const entry = entries.get(id);
      if (entry?.record.version !== version) return Promise.resolve(false);
      entries.set(id, { ...entry, uses: entry.uses + 1 });
      return Promise.resolve(true);
    },
    list(owner, { limit, cursor }) {
      const rest = [...entries.values()]
        .filter(({ record }) =>
          'operator' in owner ? record.operator.key === owner.operator : record.tenant === owner.tenant,
        )
        .map((entry) => ({ entry, place: placeOf(entry.record) }))
        .filter(({ place }) => cursor === undefined || place < cursor)
        .sort((a, b) => (a.place < b.place ? 1 : -1));
      const shown = rest.slice(0, limit);
      const last = shown.at(-1);
      return Promise.resolve({
        grants: shown.map(({ entry }) => entry),
        ...(rest.length > limit && last !== undefined ? { cursor: last.place } : {}),
      });
    },
    close: () => Promise.resolve(),
  };
}

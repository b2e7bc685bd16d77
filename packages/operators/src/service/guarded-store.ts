import { PortcullisError } from '@portcullis/core';
import type { GrantStore } from '../grant/store.js';

/** A store whose every failure is `grants_unavailable`, whatever it throws. */
export function guardedStore(store: GrantStore): GrantStore {
  async function guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      throw cause instanceof PortcullisError ? cause : new PortcullisError('grants_unavailable', undefined, { cause });
    }
  }
  return {
    create: (record, keepMs) => guarded(() => store.create(record, keepMs)),
    get: (id) => guarded(() => store.get(id)),
    replace: (record, version, keepMs) => guarded(() => store.replace(record, version, keepMs)),
    use: (id, version) => guarded(() => store.use(id, version)),
    list: (owner, page) => guarded(() => store.list(owner, page)),
    close: () => store.close(),
  };
}

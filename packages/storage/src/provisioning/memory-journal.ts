import type { TenantId } from '@portcullis/core';
import { journalConflict } from './journal-conflict.js';
import type { JobJournal } from './job-journal.js';

/**
 * A journal in this process's memory: for tests and dry runs. What it holds is gone with the process, and with it the
 * checksums of archives.
 *
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { memoryJournal } from '@portcullis/storage/provisioning';
 *
 * const journal = memoryJournal();
 * console.log(await journal.write(tenantId('acme'), { step: 'begin' }, 0)); // prints: 1
 * ```
 */
export function memoryJournal(): JobJournal {
  const entries = new Map<TenantId, { readonly version: number; readonly text: string }>();
  return {
    read(tenant) {
      const entry = entries.get(tenant);
      return Promise.resolve(entry && { version: entry.version, value: JSON.parse(entry.text) as unknown });
    },
    write(tenant, value, expected) {
      if ((entries.get(tenant)?.version ?? 0) !== expected) return Promise.reject(journalConflict(tenant));
      entries.set(tenant, { version: expected + 1, text: JSON.stringify(value) });
      return Promise.resolve(expected + 1);
    },
    tenants: () => Promise.resolve([...entries.keys()].sort()),
  };
}

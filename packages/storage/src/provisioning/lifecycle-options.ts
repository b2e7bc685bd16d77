import { PortcullisError, type Clock, type LifecycleRecorder } from '@portcullis/core';
import type { ArchiveStore } from './archive-store.js';
import type { JobJournal } from './job-journal.js';
import type { TenantRecords } from './tenant-records.js';
import type { TenantResource } from './tenant-resource.js';

/** What tenants' lives take. */
export interface TenantLifecycleOptions {
  /** What a tenant has, in the order in which it is made. It is removed in the opposite one. */
  readonly resources: readonly TenantResource[];
  /** The tenant registry: a `TenantStore` of `@portcullis/tenants`, or as much of one. */
  readonly registry: TenantRecords;
  readonly archive: ArchiveStore;
  readonly journal: JobJournal;
  /** Records each step before it is taken: `recordsLifecycle` of `@portcullis/audit`. */
  readonly record: LifecycleRecorder;
  /** @defaultValue this machine's */
  readonly clock?: Clock | undefined;
  /** How long a deprovisioned tenant's data stays where it is, in milliseconds. @defaultValue 30 days */
  readonly retentionMs?: number | undefined;
  /**
   * How long a suspension may take to reach every replica, in milliseconds: the longest that a tenant's record is
   * cached, and a request then still runs. @defaultValue 30000
   */
  readonly settleMs?: number | undefined;
  /**
   * How long a worker that does not write any more is taken to be alive, in milliseconds. A job that was cut short can
   * be gone on with after that. The clocks of workers have to agree much better than this. @defaultValue 60000
   */
  readonly leaseMs?: number | undefined;
  /** Waits. For tests that move time. @defaultValue a timer */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

const longest = 100 * 365 * 86_400_000;

/** @throws PortcullisError `config_invalid`, which names the option */
export function requireLifecycleOptions(options: TenantLifecycleOptions): void {
  const { resources, retentionMs = 0, settleMs = 0, leaseMs = 1 } = options;
  for (const [name, value] of Object.entries({ retentionMs, settleMs, leaseMs }))
    if (!Number.isSafeInteger(value) || value < 0 || value > longest)
      throw new PortcullisError('config_invalid', `${name}: must be a whole number of milliseconds, at least 0`);
  if (leaseMs < 1) throw new PortcullisError('config_invalid', 'leaseMs: must be at least 1');
  const names = resources.map(({ name }) => name);
  for (const name of names)
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name) || name === 'registry')
      throw new PortcullisError('config_invalid', `resources: \`${name}\` is no name for a resource`);
  if (new Set(names).size !== names.length)
    throw new PortcullisError('config_invalid', 'resources: two have the same name');
}

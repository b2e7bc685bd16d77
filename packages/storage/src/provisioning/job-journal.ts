import type { TenantId } from '@portcullis/core';

/** What a journal holds of a tenant. */
export interface JournalEntry {
  /** Counts the writes: 1 for the first. */
  readonly version: number;
  /** The JSON value that was written, parsed by whoever reads it. */
  readonly value: unknown;
}

/**
 * Where jobs are written down, one JSON value a tenant, so that another process can go on where one ended.
 *
 * Of several that write over one version exactly one succeeds. What `write` has accepted survives a crash, of the
 * machine too where the journal is a file or a database.
 */
export interface JobJournal {
  /** @throws PortcullisError `storage_unavailable` */
  read(tenant: TenantId): Promise<JournalEntry | undefined>;
  /**
   * Writes over the version that was read; 0 when there was none.
   *
   * @returns the new version
   * @throws PortcullisError `conflict` when somebody else wrote meanwhile; `storage_unavailable`
   */
  write(tenant: TenantId, value: unknown, expected: number): Promise<number>;
  /** The tenants that have an entry, in order. @throws PortcullisError `storage_unavailable` */
  tenants(): Promise<readonly TenantId[]>;
}

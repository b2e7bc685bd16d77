import type { TenantId } from '@portcullis/core';
import type { GrantRecord } from './grant.js';

/** A kept grant, and how many requests it was used for. */
export interface StoredGrant {
  readonly record: GrantRecord;
  readonly uses: number;
}

/** Whose grants are listed. */
export type GrantOwner = { readonly operator: string } | { readonly tenant: TenantId };

/** Which part of a list is wanted. */
export interface GrantPageOptions {
  /** 1 to 200. @defaultValue 50 */
  readonly limit?: number | undefined;
  /** Where the page before ended. */
  readonly cursor?: string | undefined;
}

/** A part of a list, the newest first. */
export interface StoredGrantPage {
  readonly grants: readonly StoredGrant[];
  /** Absent on the last page. */
  readonly cursor?: string | undefined;
}

/**
 * Where grants are kept. With several replicas it has to be one that they share, and every change has to be atomic
 * there: of two changes of one version, exactly one is made.
 *
 * @throws PortcullisError `grants_unavailable`, from every method, when the store cannot be asked in time: never as if
 * there were no such grant
 */
export interface GrantStore {
  /**
   * Keeps a new grant.
   *
   * @param keepMs - how long at least, in milliseconds
   * @throws PortcullisError `conflict` when the id is taken
   */
  create(record: GrantRecord, keepMs: number): Promise<void>;
  get(id: string): Promise<StoredGrant | undefined>;
  /** Puts a record in the place of the one of `version`: `false`, and nothing is done, when another is there by now. */
  replace(record: GrantRecord, version: number, keepMs: number): Promise<boolean>;
  /** Counts a use of the record of `version`: `false`, and nothing is counted, when another is there by now. */
  use(id: string, version: number): Promise<boolean>;
  list(
    owner: GrantOwner,
    page: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<StoredGrantPage>;
  close(): Promise<void>;
}

/** The place of a grant in a list: text that sorts as time does, ties by id. It is the cursor, too. */
export function placeOf({ requestedAt, id }: GrantRecord): string {
  return `${String(requestedAt).padStart(16, '0')}:${id}`;
}

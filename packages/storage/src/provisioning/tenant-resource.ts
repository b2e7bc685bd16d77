import type { OperatorContext, TenantId } from '@portcullis/core';

/** For whom a resource works: one tenant, on behalf of one operator. */
export interface ResourceCall {
  readonly tenant: TenantId;
  /** Vouched for, and for this tenant: adapters that let operators in on record record this one. */
  readonly operator: OperatorContext;
  /** Ends when the caller goes away or another worker has taken over. Long work looks at it. */
  readonly signal: AbortSignal;
}

/** One part of an export, as a table, or an object with its key for a name. */
export interface ResourceEntry {
  /** Unique within the resource. */
  readonly name: string;
  /** What the content alone does not tell, as the media type of an object. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** To be read once, and before the next entry. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** How much there is: `{ tables: 3, rows: 1200 }`. */
export type Counts = Readonly<Record<string, number>>;

/**
 * What one storage adapter contributes to the life of a tenant. Each operation works for exactly one tenant and cannot
 * see or touch what another one has.
 *
 * Rejections carry a code: `storage_refused`, `storage_unavailable`, `storage_not_provisioned`. A failure never looks
 * like a tenant that has nothing.
 */
export interface TenantResource {
  /** Unique among the resources of a lifecycle, and stable: journals and archives name it. `[a-z][a-z0-9-]*`. */
  readonly name: string;
  /** Whether anything of the tenant is there: its schema, a row, a key, a file. */
  has(call: ResourceCall): Promise<boolean>;
  /** Makes the tenant's place. Can be run again: what is there already stays. */
  provision(call: ResourceCall): Promise<void>;
  /** Hands out all that the tenant has, an entry at a time. @param write - resolves when the entry has been read */
  export(call: ResourceCall, write: (entry: ResourceEntry) => Promise<void>): Promise<void>;
  /** Makes the tenant's place and fills it from an export. Called only where the tenant has nothing. */
  restore(call: ResourceCall, entries: AsyncIterable<ResourceEntry>): Promise<void>;
  /** Deletes all that the tenant has, and its place. Can be run again: what is gone already is no error. */
  remove(call: ResourceCall): Promise<void>;
  /** How much the tenant has. Empty when it has nothing. */
  describe(call: ResourceCall): Promise<Counts>;
}

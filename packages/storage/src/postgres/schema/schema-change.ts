import type { TenantId } from '@portcullis/core';

/** What was done for one tenant. */
export interface SchemaChange {
  readonly tenant: TenantId;
  readonly schema: string;
  /** Whether the schema was made. */
  readonly created: boolean;
  /** The migrations that were applied, in order. */
  readonly applied: readonly string[];
}

import type { TenantId } from '@portcullis/core';
import type { PgPool } from '../../postgres/pg-source.js';
import type { InspectOptions } from '../../postgres/rls/inspect.js';
import type { TenantSql } from '../../postgres/tenant-sql.js';
import type { TransactionSource } from '../../postgres/transaction-source.js';
import type { AdoptionCall } from '../adoption-step.js';
import type { RowsTarget } from './rows-target.js';
import type { TableName } from './table-facts.js';

/** How the isolation is looked at: as `rowLevelSecurity(pool).verify` does. */
export interface VerifyRowsOptions extends Omit<InspectOptions, 'tenantColumn'> {
  /** The pool of the server with tenants. @defaultValue the owner’s, whose own rights are then found fault with */
  readonly pool?: PgPool | TransactionSource | undefined;
}

/** What the parts of the step share. */
export interface RowsWork {
  readonly name: string;
  readonly tables: readonly TableName[];
  readonly source: TransactionSource;
  readonly verify: VerifyRowsOptions;
  readonly target: (tenant: TenantId) => RowsTarget;
  /** One transaction as the owner, with names looked up in the catalog alone. */
  transaction<T>(call: AdoptionCall, work: (sql: TenantSql) => Promise<T>): Promise<T>;
}

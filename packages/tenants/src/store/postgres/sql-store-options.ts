import type { Clock, TenantPlans } from '@portcullis/core';
import type { Sql } from './sql.js';
import type { Tables } from './tables.js';

/** What the parts of a PostgreSQL store are made of. */
export interface SqlStoreOptions {
  readonly sql: Sql;
  readonly tables: Tables;
  readonly clock: Clock;
  readonly plans: TenantPlans | undefined;
}

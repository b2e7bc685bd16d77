export type { PgClient, PgPool } from './pg-source.js';
export { quoteIdentifier, quoteLiteral } from './quote.js';
export { conformingSql, hardeningSql, type TenantTable } from './rls/conforming-sql.js';
export { fixesOf, formatFindings, type Finding, type FindingCode, type Verification } from './rls/findings.js';
export type { InspectOptions } from './rls/inspect.js';
export { rowLevelSecurity, type RowLevelSecurity, type RowLevelSecurityOptions } from './rls/row-level-security.js';
export type { TransactionOptions } from './run-transaction.js';
export type { TenantSql } from './tenant-sql.js';
export type {
  Beginning,
  IsolationLevel,
  OpenTransaction,
  SqlResult,
  Statement,
  TransactionSource,
} from './transaction-source.js';

export type { PgClient, PgPool } from './pg-source.js';
export { quoteIdentifier, quoteLiteral } from './quote.js';
export { conformingSql, hardeningSql, type TenantTable } from './rls/conforming-sql.js';
export { fixesOf, formatFindings, type Finding, type FindingCode, type Verification } from './findings.js';
export type { InspectOptions } from './rls/inspect.js';
export { rowLevelSecurity, type RowLevelSecurity, type RowLevelSecurityOptions } from './rls/row-level-security.js';
export type { TenantDatabase } from './tenant-database.js';
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
export { migration, readMigrations, type Migration } from './schema/migrations.js';
export type { InspectSchemasOptions } from './schema/inspect-schemas.js';
export type { SchemaChange } from './schema/schema-change.js';
export { schemaName } from './schema/schema-name.js';
export { schemaPerTenant, type SchemaPerTenant, type SchemaPerTenantOptions } from './schema/schema-per-tenant.js';
export { tenantSchemas, type TenantSchemas, type TenantSchemasOptions } from './schema/tenant-schemas.js';
export type { UpgradeOptions, UpgradeProgress, UpgradeReport } from './schema/upgrade.js';

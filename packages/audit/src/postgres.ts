export type { AuditClient, AuditPool } from './postgres/transaction.js';
export { postgresTrails, type PostgresTrails, type PostgresTrailsOptions } from './postgres/postgres-trails.js';
export type { AuditRoles } from './postgres/migrations.js';

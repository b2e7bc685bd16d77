export {
  postgresUsage,
  usageMigration,
  type PostgresUsage,
  type PostgresUsageOptions,
  type UsagePool,
} from './usage/postgres-usage.js';

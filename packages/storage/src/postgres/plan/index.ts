export type { Column, ColumnMap, ColumnType } from './columns.js';
export type { SqlText } from './fragment.js';
export { planToSql, type PlanToSqlOptions } from './plan-to-sql.js';
export { requireColumns } from './require-columns.js';
export { resourceOfRow } from './resource-of-row.js';

import type { Plan } from '@portcullis/core';
import { sql, type RawBuilder, type SqlBool } from 'kysely';
import { planCondition, type PlanToSqlOptions } from './plan-to-sql.js';

/** How a plan becomes a condition of Kysely’s, which numbers its parameters itself. */
export type PlanWhereOptions = Omit<PlanToSqlOptions, 'firstParameter'>;

/**
 * A query plan as a condition for `.where(…)` of Kysely’s queries on PostgreSQL: see `planToSql`.
 *
 * @throws PortcullisError as `planToSql`
 * @example
 * ```text
 * const documents = await db
 *   .selectFrom('document as d')
 *   .selectAll()
 *   .where(planWhere(plan, { table: 'd', columns: { author: 'text' } }))
 *   .execute();
 * // select * from "document" as "d" where ("d"."author" IS NOT NULL AND …)
 * ```
 */
export function planWhere(plan: Plan, options: PlanWhereOptions): RawBuilder<SqlBool> {
  const pieces = planCondition(plan, options).map((piece) =>
    typeof piece === 'string' ? sql.raw(piece) : sql`${piece.value}${sql.raw(piece.cast)}`,
  );
  return sql<SqlBool>`${sql.join(pieces, sql.raw(''))}`;
}

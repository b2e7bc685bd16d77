import { systemClock, type Clock, type Plan, type TenantId } from '@portcullis/core';
import { hasAttribute } from './column-term.js';
import { columnSql, resolveColumns, type ColumnMap } from './columns.js';
import { joined, parameter, render, sql, type Fragment, type SqlText } from './fragment.js';
import { scopeOf } from './scope.js';
import { asFilter } from './term.js';
import { translate } from './translate.js';

/** How a plan is turned into SQL. */
export interface PlanToSqlOptions extends ColumnMap {
  /** Adds that a column (of type `text`) is this tenant, also where the plan allows everything. */
  readonly tenant?: { readonly column: string; readonly is: TenantId } | undefined;
  /** The number of the first parameter. @defaultValue 1 */
  readonly firstParameter?: number | undefined;
  /** What `timeSince` counts to. @defaultValue this machine’s */
  readonly clock?: Clock | undefined;
}

/**
 * Turns a query plan into a condition for PostgreSQL: the rows for which it is true are those that `check` allows, when
 * `check` is asked with what `resourceOfRow` makes of them by the same columns.
 *
 * The condition is for a WHERE: an error of the policy’s expressions (a missing member, a wrong type) is NULL in SQL,
 * which WHERE does not take for true, and neither does NOT. Values are parameters; strings are compared byte by byte whatever the collation; nothing raises an error for the
 * data it meets. What cannot be said exactly is refused, and no condition is ever made wider.
 *
 * Where the engine’s plan does not tell two meanings apart, the narrower one is taken, and a row may be left out that
 * `check` allows: a deny rule, or `none`, whose own condition is an error for the row; arithmetic on numbers beyond
 * 1e±150; a row that lacks an attribute which its column declares `absent`.
 *
 * What the engine (PDP 0.51) itself plans wider than it checks leaves no trace in a plan, and cannot be refused here.
 * The policies of a kind that is listed have to do without: `has(…)` of what is no column (a member of a map, an
 * attribute that is not declared); `!(x in list)` where `x` can be an error and the list empty; comparing with bytes;
 * `{…}[R.attr.x] > …` in a deny rule or `none`.
 *
 * @returns the text of a condition, and the values of its parameters
 * @throws PortcullisError `plan_untranslatable` for an attribute that is in no column, an operator that has no exact
 * counterpart, or types that do not fit; `config_invalid` for a column map that is not well-formed
 * @see https://docs.cerbos.dev/cerbos/latest/api/index#resources-query-plan
 * @example
 * ```ts
 * import type { Plan } from '@portcullis/core';
 * import { planToSql } from '@portcullis/storage/plan';
 *
 * // classification != "secret", as an engine plans it
 * const plan: Plan = {
 *   callId: '1',
 *   durationMs: 1,
 *   engine: 'cerbos',
 *   outcome: 'conditional',
 *   condition: {
 *     type: 'operation',
 *     operator: 'ne',
 *     operands: [
 *       { type: 'variable', name: 'request.resource.attr.size' },
 *       { type: 'value', value: 3 },
 *     ],
 *   },
 * };
 * const { text, values } = planToSql(plan, { columns: { size: { type: 'integer', null: 'absent' } } });
 * console.log(text); // prints: ("size"::double precision IS NOT NULL AND (NOT ("size" = $1::bigint)))
 * console.log(values); // prints: [ 3 ]
 * ```
 */
export function planToSql(plan: Plan, options: PlanToSqlOptions): SqlText {
  const first = options.firstParameter ?? 1;
  if (!Number.isInteger(first) || first < 1) throw new TypeError('`firstParameter` is a whole number from 1 on');
  return render(planCondition(plan, options), first);
}

/** The condition, not yet numbered. */
export function planCondition(plan: Plan, options: PlanToSqlOptions): Fragment {
  const columns = resolveColumns(options);
  const { tenant, table, clock = systemClock } = options;
  const belongs =
    tenant === undefined ? [] : [sql`${columnSql(tenant.column, table)} = ${parameter(tenant.is, '::text')}`];
  const has = [...columns.attributes.values()].map(hasAttribute).filter((part) => part !== undefined);
  switch (plan.outcome) {
    case 'always_denied':
      return sql`FALSE`;
    case 'always_allowed': {
      const all = [...belongs, ...has];
      return all.length === 0 ? sql`TRUE` : joined(all, ' AND ');
    }
    case 'conditional': {
      const condition = asFilter(translate(plan.condition, scopeOf(columns, BigInt(clock()) * 1_000_000n)));
      return joined([...belongs, ...has, condition], ' AND ');
    }
  }
}

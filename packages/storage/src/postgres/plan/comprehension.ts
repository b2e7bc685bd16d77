import { toJson } from './equality.js';
import { sql, type Fragment } from './fragment.js';
import { listOf, type NewName } from './lists.js';
import { asBoolean, type JsonTerm, type Term } from './term.js';

/** An operator that goes through a list. */
export type Comprehension = 'exists' | 'all' | 'exists_one' | 'filter' | 'map';

/**
 * Goes through a list, or the keys of a map. An error for one element counts unless another element decides: `exists`
 * is true with one that is true, `all` is false with one that is false.
 *
 * @param body - the expression for one element
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
 */
export function comprehension(
  operator: Comprehension,
  range: Term,
  body: (element: JsonTerm) => Term,
  newName: NewName,
): Term {
  const list = listOf(range, operator === 'exists' || operator === 'all' || operator === 'exists_one');
  const [element, order, outcome] = [newName(), newName(), newName()];
  const each = body({ kind: 'json', sql: element, numbers: list.numbers });
  const image = operator === 'map' ? toJson(each) : undefined;
  const value = image?.sql ?? asBoolean(each);
  // The outcome gets a name first: an aggregate over nothing but columns of the outer query would belong to that one.
  const outcomes = sql`(SELECT ${element}, ${order}, ${value} AS ${outcome} FROM jsonb_array_elements(${list.sql}) WITH ORDINALITY AS ${newName()}(${element}, ${order})) AS ${newName()}`;
  const folded = sql`(CASE WHEN ${list.sql} IS NOT NULL THEN (SELECT ${fold(operator, element, order, outcome)} FROM ${outcomes}) END)`;
  if (operator === 'filter' || operator === 'map')
    return { kind: 'json', sql: folded, numbers: image?.numbers ?? list.numbers };
  return { kind: 'boolean', sql: folded, nullable: false };
}

function fold(operator: Comprehension, element: Fragment, order: Fragment, outcome: Fragment): Fragment {
  switch (operator) {
    case 'exists':
      return sql`CASE WHEN bool_or(${outcome}) THEN TRUE WHEN bool_or(${outcome} IS NULL) THEN NULL ELSE FALSE END`;
    case 'all':
      return sql`CASE WHEN bool_or(NOT ${outcome}) THEN FALSE WHEN bool_or(${outcome} IS NULL) THEN NULL ELSE TRUE END`;
    case 'exists_one':
      return sql`CASE WHEN bool_or(${outcome} IS NULL) THEN NULL ELSE count(*) FILTER (WHERE ${outcome}) = 1 END`;
    case 'filter':
      return sql`CASE WHEN bool_or(${outcome} IS NULL) THEN NULL ELSE COALESCE(jsonb_agg(${element} ORDER BY ${order}) FILTER (WHERE ${outcome}), '[]'::jsonb) END`;
    case 'map':
      return sql`CASE WHEN bool_or(${outcome} IS NULL) THEN NULL ELSE COALESCE(jsonb_agg(${outcome} ORDER BY ${order}), '[]'::jsonb) END`;
  }
}

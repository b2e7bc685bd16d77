import type { ResolvedColumn } from './columns.js';
import { sql, trusted, type Fragment } from './fragment.js';
import { finite, isPresent, type Term } from './term.js';

/** A column as the attribute that it holds. */
export function columnTerm({ type, nullable, sql: column }: ResolvedColumn): Term {
  switch (type) {
    case 'text':
      return { kind: 'text', sql: sql`${column}::text`, nullable, column };
    case 'uuid':
      return { kind: 'text', sql: sql`${column}::text`, nullable, uuid: column };
    case 'boolean':
      return { kind: 'boolean', sql: column, nullable };
    case 'integer':
      return { kind: 'number', sql: sql`${column}::double precision`, nullable, type: 'double', integer: column };
    case 'number': {
      const number = sql`${column}::double precision`;
      const limits = sql`${number} > '-Infinity'::double precision AND ${number} < 'Infinity'::double precision`;
      return { kind: 'number', sql: sql`(CASE WHEN ${limits} THEN ${number} END)`, nullable, type: 'double' };
    }
    case 'numeric':
      return { kind: 'number', sql: finite(sql`${column}::numeric`), nullable, type: 'double' };
    case 'timestamp':
      return { kind: 'stamp', column, nullable };
    case 'text[]':
      return array(column, nullable, 'text');
    case 'integer[]':
      return array(column, nullable, 'integer');
    case 'boolean[]':
      return array(column, nullable, 'boolean');
    case 'jsonb':
      return {
        kind: 'json',
        sql: nullable ? sql`COALESCE(${column}, 'null'::jsonb)` : column,
        numbers: 'any',
      };
  }
}

/** The condition that a row has the attribute; nothing where a NULL is a null. */
export function hasAttribute(column: ResolvedColumn): Fragment | undefined {
  return column.nullable ? undefined : isPresent(columnTerm(column));
}

/** PostgreSQL’s operators look through the dimensions of an array: a list of lists is not a list of their elements. */
function array(column: Fragment, nullable: boolean, element: 'text' | 'integer' | 'boolean'): Term {
  const type = trusted({ text: '::text[]', integer: '::bigint[]', boolean: '::boolean[]' }[element]);
  const whole = sql`${column}${type}`;
  return {
    kind: 'array',
    element,
    nullable,
    sql: sql`(CASE WHEN array_ndims(${column}) > 1 THEN NULL ELSE ${whole} END)`,
    column: whole,
  };
}

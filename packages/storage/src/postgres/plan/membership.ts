import type { AttributeValue } from '@portcullis/core';
import { exactly, isInexact, never, present, sameValue, toJson, type Scalar } from './equality.js';
import { parameter, sql, type Fragment } from './fragment.js';
import {
  asNumber,
  describe,
  hasNumbers,
  jsonParameter,
  safeNumber,
  safeText,
  type ArrayTerm,
  type JsonTerm,
  type Term,
} from './term.js';
import { untranslatable } from './untranslatable.js';

/** Whether a term is one of some constants. */
export function isOneOf(term: Term, values: readonly AttributeValue[]): Fragment {
  switch (term.kind) {
    case 'constant':
      return values.some((value) => sameValue(value, term.value)) ? sql`TRUE` : sql`FALSE`;
    case 'text': {
      if (term.uuid !== undefined) return isOneOf({ kind: 'text', sql: term.sql, nullable: term.nullable }, values);
      const strings = values.filter((value) => typeof value === 'string').map(safeText);
      const wanted = parameter(strings, '::text[]');
      return among(term, values, strings.length > 0 && exactly(term, wanted, (text, to) => sql`${text} = ANY(${to})`));
    }
    case 'number': {
      const numbers = values.filter((value) => typeof value === 'number').map(safeNumber);
      const { integer } = term;
      const comparison =
        integer !== undefined && numbers.every(Number.isSafeInteger)
          ? sql`${integer} = ANY(${parameter(numbers, '::bigint[]')})`
          : sql`${term.sql} = ANY(${parameter(numbers, '::double precision[]')})`;
      return among(term, values, numbers.length > 0 && comparison);
    }
    case 'boolean': {
      const booleans = values.filter((value) => typeof value === 'boolean');
      return among(term, values, booleans.length > 0 && sql`${term.sql} = ANY(${parameter(booleans, '::boolean[]')})`);
    }
    case 'error':
      return sql`NULL::boolean`;
    case 'json':
    case 'array':
      return isOneOfJson(toJson(term), values);
    default:
      throw untranslatable(`a ${describe(term)} cannot be looked up in a list`);
  }
}

function among(term: Scalar, values: readonly AttributeValue[], comparison: Fragment | false): Fragment {
  if (term.nullable && values.includes(null))
    return comparison === false ? sql`(${term.sql} IS NULL)` : sql`(${term.sql} IS NULL OR (${comparison}))`;
  return comparison === false ? never(term) : present(term, comparison);
}

function isOneOfJson(json: JsonTerm, values: readonly AttributeValue[]): Fragment {
  const numbers = values.filter((value) => typeof value === 'number').map(safeNumber);
  const others = values.filter((value) => typeof value !== 'number');
  if (isInexact(json) && others.some(hasNumbers))
    throw untranslatable('numbers inside lists and maps of a `jsonb` column cannot be compared exactly');
  // Each value is checked by the parameter that it would be alone.
  const texts = others.map((value) => jsonText(value));
  const asOther = sql`${json.sql} = ANY(${parameter(texts, '::text[]::jsonb[]')})`;
  const asOneNumber = sql`COALESCE(${asNumber(json)} = ANY(${parameter(numbers, '::double precision[]')}), FALSE)`;
  return sql`(CASE WHEN ${json.sql} IS NOT NULL THEN ${asOneNumber} OR ${asOther} END)`;
}

function jsonText(value: AttributeValue): string {
  jsonParameter(value);
  return JSON.stringify(value);
}

/** Whether a constant is an element of an array column: what an index on the column may serve. */
export function isElement(array: ArrayTerm, value: AttributeValue): Fragment {
  const kinds = { text: 'string', integer: 'number', boolean: 'boolean' } as const;
  if (value === null) return sql`(array_position(${array.sql}, NULL) IS NOT NULL AND ${array.sql} IS NOT NULL)`;
  if (typeof value !== kinds[array.element] || (typeof value === 'number' && !Number.isSafeInteger(value)))
    return sql`(CASE WHEN ${array.sql} IS NOT NULL THEN FALSE END)`;
  return containsAll(array, [value]);
}

/** Whether an array column has all of some constants, none of which is null, and all of which are of its type. */
export function containsAll(array: ArrayTerm, values: readonly AttributeValue[]): Fragment {
  const wanted = elementsParameter(array, values);
  const exact = array.element === 'text' ? sql`${array.sql} COLLATE "C"` : array.sql;
  return sql`(${array.column} @> ${wanted} AND ${exact} @> ${wanted})`;
}

/** Constants as an array of a column’s type. */
export function elementsParameter({ element }: ArrayTerm, values: readonly AttributeValue[]): Fragment {
  switch (element) {
    case 'text':
      return parameter(values.filter((value) => typeof value === 'string').map(safeText), '::text[]');
    case 'integer':
      return parameter(values.filter((value) => typeof value === 'number').map(safeNumber), '::bigint[]');
    case 'boolean':
      return parameter(
        values.filter((value) => typeof value === 'boolean'),
        '::boolean[]',
      );
  }
}

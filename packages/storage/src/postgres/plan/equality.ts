import type { AttributeValue } from '@portcullis/core';
import { parameter, sql, type Fragment } from './fragment.js';
import {
  asNumber,
  describe,
  hasNumbers,
  isPresent,
  jsonParameter,
  safeNumber,
  strictly,
  textParameter,
  type ArrayTerm,
  type BooleanTerm,
  type JsonTerm,
  type NumberTerm,
  type Term,
  type TextTerm,
} from './term.js';
import { untranslatable } from './untranslatable.js';

type Scalar = TextTerm | NumberTerm | BooleanTerm;

/**
 * Equality as the policy language has it: between any two values, never an error, numbers by their value, null equal
 * to null alone. Strings are compared byte by byte, whatever the collation of a column says.
 *
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md#equality
 */
export function equal(one: Term, other: Term): Fragment {
  if (one.kind === 'error' || other.kind === 'error') return sql`NULL::boolean`;
  if (one.kind === 'constant' && other.kind === 'constant')
    return sameValue(one.value, other.value) ? sql`TRUE` : sql`FALSE`;
  if (one.kind === 'constant') return equal(other, one);
  if (other.kind === 'constant') return equalConstant(one, other.value);
  if (one.kind === 'json') return equalJson(one, other);
  if (other.kind === 'json') return equalJson(other, one);
  if (isScalar(one) && isScalar(other)) {
    if (one.kind === other.kind) return equalScalars(one, other);
    return one.nullable && other.nullable ? sql`(${one.sql} IS NULL AND ${other.sql} IS NULL)` : never(one, other);
  }
  return equalJson(toJson(one), other);
}

/** Whether two values are equal, both known now. */
export function sameValue(one: AttributeValue, other: AttributeValue): boolean {
  if (typeof one === 'number' && typeof other === 'number') return safeNumber(one) === safeNumber(other);
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  const left = new Map(Object.entries(one));
  const right = new Map(Object.entries(other));
  return left.size === right.size && names.every((name) => right.has(name) && sameEntry(left, right, name));
}

function sameEntry(
  left: ReadonlyMap<string, AttributeValue>,
  right: ReadonlyMap<string, AttributeValue>,
  name: string,
): boolean {
  return sameValue(left.get(name) ?? null, right.get(name) ?? null);
}

/** A term as JSON. */
export function toJson(term: Term): JsonTerm {
  switch (term.kind) {
    case 'json':
      return term;
    case 'constant':
      return {
        kind: 'json',
        sql: jsonParameter(term.value),
        numbers: hasNumbers(term.value) ? 'constant' : 'none',
      };
    case 'text':
    case 'boolean':
      return { kind: 'json', sql: orNull(sql`to_jsonb(${term.sql})`, term.nullable), numbers: 'none' };
    case 'number':
      if (term.type === 'double') throw untranslatable('a number of the row is compared with numbers alone');
      return { kind: 'json', sql: sql`to_jsonb((${term.sql})::bigint)`, numbers: 'int' };
    case 'error':
      return { kind: 'json', sql: sql`NULL::jsonb`, numbers: 'none' };
    case 'array':
      return {
        kind: 'json',
        sql: term.nullable
          ? sql`(CASE WHEN ${term.column} IS NULL THEN 'null'::jsonb ELSE to_jsonb(${term.sql}) END)`
          : sql`to_jsonb(${term.sql})`,
        numbers: term.element === 'integer' ? 'whole' : 'none',
      };
    default:
      throw untranslatable(`a ${describe(term)} cannot be compared with a list or a map`);
  }
}

function orNull(json: Fragment, nullable: boolean): Fragment {
  return nullable ? sql`COALESCE(${json}, 'null'::jsonb)` : json;
}

function isScalar(term: Term): term is Scalar {
  return term.kind === 'text' || term.kind === 'number' || term.kind === 'boolean';
}

/** False, or an error where one of the two is. */
function never(...terms: readonly Term[]): Fragment {
  return sql`(${strictly('FALSE', terms)})`;
}

function equalConstant(term: Term, value: AttributeValue): Fragment {
  if (value === null) return isNull(term);
  switch (term.kind) {
    case 'text':
      return typeof value === 'string' ? equalText(term, value) : never(term);
    case 'number':
      return typeof value === 'number' ? present(term, equalNumber(term, value)) : never(term);
    case 'boolean':
      return typeof value === 'boolean'
        ? present(term, sql`${term.sql} = ${parameter(value, '::boolean')}`)
        : never(term);
    case 'json':
      return equalJsonConstant(term, value);
    case 'array':
      return Array.isArray(value) ? equalJsonConstant(toJson(term), value) : never(term);
    default:
      throw untranslatable(`a ${describe(term)} cannot be compared with a constant of another type`);
  }
}

/** A comparison with a value that is not null: false where the term is null. */
function present(term: { readonly sql: Fragment; readonly nullable: boolean }, comparison: Fragment): Fragment {
  return term.nullable ? sql`(${term.sql} IS NOT NULL AND ${comparison})` : sql`(${comparison})`;
}

function equalText(term: TextTerm, value: string): Fragment {
  if (term.uuid !== undefined) {
    // A string in another form than the server’s own is equal to no uuid.
    if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(value)) return never(term);
    return present(term, sql`${term.uuid} = ${parameter(value, '::uuid')}`);
  }
  const wanted = textParameter(value);
  return present(
    term,
    exactly(term, wanted, (text, to) => sql`${text} = ${to}`),
  );
}

/**
 * A comparison of strings byte by byte. The bare column comes first, so that an index may find the rows; a column of a
 * collation that takes different strings for equal finds too many of them, which the second comparison sorts out.
 */
function exactly(
  { sql: text, column }: TextTerm,
  wanted: Fragment,
  by: (text: Fragment, wanted: Fragment) => Fragment,
): Fragment {
  const exact = by(sql`${text} COLLATE "C"`, wanted);
  return column === undefined ? exact : sql`${by(text, wanted)} AND ${exact}`;
}

function equalNumber(term: NumberTerm, value: number): Fragment {
  const wanted = safeNumber(value);
  return term.integer !== undefined && Number.isSafeInteger(wanted)
    ? sql`${term.integer} = ${parameter(wanted, '::bigint')}`
    : sql`${term.sql} = ${parameter(wanted, '::double precision')}`;
}

function isNull(term: Term): Fragment {
  switch (term.kind) {
    case 'json':
      return sql`(${term.sql} = 'null'::jsonb)`;
    case 'text':
    case 'number':
    case 'boolean':
      return term.nullable ? sql`(${term.sql} IS NULL)` : never(term);
    case 'stamp':
      return term.nullable ? sql`(${term.column} IS NULL)` : never(term);
    case 'array':
      return equalJsonConstant(toJson(term), null);
    default:
      throw untranslatable(`a ${describe(term)} cannot be compared with null`);
  }
}

function equalScalars(one: Scalar, other: Scalar): Fragment {
  const left = one.kind === 'text' ? sql`${one.sql} COLLATE "C"` : one.sql;
  if (!one.nullable && !other.nullable) return sql`(${left} = ${other.sql})`;
  const same = sql`${left} IS NOT DISTINCT FROM ${other.sql}`;
  const given = [one, other].map(isPresent).find((part) => part !== undefined);
  return given === undefined ? sql`(${same})` : sql`(CASE WHEN ${given} THEN ${same} END)`;
}

/** Whether its numbers may have more digits than a double. */
function isInexact({ numbers }: JsonTerm): boolean {
  return numbers === 'any' || numbers === 'mixed';
}

function equalJsonConstant(json: JsonTerm, value: AttributeValue): Fragment {
  if (typeof value === 'number')
    return sql`(CASE WHEN ${json.sql} IS NOT NULL THEN COALESCE(${asNumber(json)} = ${parameter(safeNumber(value), '::double precision')}, FALSE) END)`;
  if (hasNumbers(value) && isInexact(json))
    throw untranslatable('numbers inside lists and maps of a `jsonb` column cannot be compared exactly');
  return sql`(${json.sql} = ${jsonParameter(value)})`;
}

function equalJson(json: JsonTerm, other: Term): Fragment {
  if (other.kind === 'number') {
    const same = sql`COALESCE(${asNumber(json)} = ${other.sql}, FALSE)`;
    const given = isPresent(other);
    return given === undefined
      ? sql`(CASE WHEN ${json.sql} IS NULL THEN NULL WHEN ${other.sql} IS NULL THEN ${json.sql} = 'null'::jsonb ELSE ${same} END)`
      : sql`(CASE WHEN ${json.sql} IS NOT NULL AND ${given} THEN ${same} END)`;
  }
  const right = toJson(other);
  requireComparable(json, right);
  return sql`(${json.sql} = ${right.sql})`;
}

/**
 * A check compares numbers as doubles, and JSON of the server has more digits than that.
 *
 * @throws PortcullisError `plan_untranslatable` where the two could differ
 */
export function requireComparable(one: JsonTerm, other: JsonTerm): void {
  const kinds = new Set([one.numbers, other.numbers]);
  if (kinds.has('none') || (kinds.has('constant') && !kinds.has('any') && !kinds.has('mixed'))) return;
  throw untranslatable('two values of the row that may hold numbers of any size cannot be compared exactly');
}

/** Whether a term is one of some constants. */
export function isOneOf(term: Term, values: readonly AttributeValue[]): Fragment {
  switch (term.kind) {
    case 'constant':
      return values.some((value) => sameValue(value, term.value)) ? sql`TRUE` : sql`FALSE`;
    case 'text': {
      if (term.uuid !== undefined) return isOneOf({ kind: 'text', sql: term.sql, nullable: term.nullable }, values);
      const strings = values.filter((value) => typeof value === 'string').map((value) => textOf(value));
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

function textOf(value: string): string {
  // The check is the parameter’s; what comes back is the same string.
  textParameter(value);
  return value;
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
      return parameter(values.filter((value) => typeof value === 'string').map(textOf), '::text[]');
    case 'integer':
      return parameter(values.filter((value) => typeof value === 'number').map(safeNumber), '::bigint[]');
    case 'boolean':
      return parameter(
        values.filter((value) => typeof value === 'boolean'),
        '::boolean[]',
      );
  }
}

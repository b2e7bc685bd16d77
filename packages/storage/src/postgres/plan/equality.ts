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
  type BooleanTerm,
  type JsonTerm,
  type NumberTerm,
  type Term,
  type TextTerm,
} from './term.js';
import { untranslatable } from './untranslatable.js';

/** A value of one type that is known. */
export type Scalar = TextTerm | NumberTerm | BooleanTerm;

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
export function never(...terms: readonly Term[]): Fragment {
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
export function present(term: { readonly sql: Fragment; readonly nullable: boolean }, comparison: Fragment): Fragment {
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
export function exactly(
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
export function isInexact({ numbers }: JsonTerm): boolean {
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

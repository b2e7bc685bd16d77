import type { AttributeValue } from '@portcullis/core';
import { joined, parameter, sql, type Fragment } from './fragment.js';
import { untranslatable } from './untranslatable.js';

/**
 * A part of a condition as SQL, with what is known of its type.
 *
 * An error of the policy language is SQL’s NULL: both `&&` and AND absorb it beside a false, both `||` and OR beside a
 * true, and what is an error in the end is not true. Where a term is `nullable`, NULL is the language’s null instead,
 * which is a value; a term of `json` says that with JSON’s own null.
 */
export type Term =
  | ConstantTerm
  | { readonly kind: 'error' }
  | BooleanTerm
  | TextTerm
  | NumberTerm
  | JsonTerm
  | ArrayTerm
  | ItemsTerm
  | { readonly kind: 'attributes' }
  | StampTerm
  | TimestampTerm
  | { readonly kind: 'instant'; readonly ns: bigint }
  | { readonly kind: 'duration'; readonly ns: bigint }
  | SpanTerm
  | { readonly kind: 'hierarchy'; readonly sql: Fragment; readonly delimiter: string };

/** A value that the plan carries. Whether a whole number in it was written `1` or `1.0` is not known any more. */
interface ConstantTerm {
  readonly kind: 'constant';
  readonly value: AttributeValue;
}

export interface BooleanTerm {
  readonly kind: 'boolean';
  readonly sql: Fragment;
  /** What is true for the same rows and may be false where the other is NULL: shorter, or better served by an index. */
  readonly whenTrue?: Fragment;
  readonly nullable: boolean;
}

export interface TextTerm {
  readonly kind: 'text';
  /** Of type text. */
  readonly sql: Fragment;
  readonly nullable: boolean;
  /** The bare column, which an index may serve. */
  readonly column?: Fragment;
  /** The bare column, when it is a uuid. */
  readonly uuid?: Fragment;
}

export interface NumberTerm {
  readonly kind: 'number';
  /** Of type double precision, and finite. */
  readonly sql: Fragment;
  readonly nullable: boolean;
  /** The language does not calculate with a double and an integer. */
  readonly type: 'double' | 'int';
  /** The bare column, when it is one of whole numbers, which an index may serve. */
  readonly integer?: Fragment;
}

/** A value whose type only the row knows. */
export interface JsonTerm {
  readonly kind: 'json';
  /** Of type jsonb. */
  readonly sql: Fragment;
  /**
   * What its numbers are. `any`: doubles to a policy, and of any length to the server. `whole`: doubles, and whole ones
   * to the server. `int`: integers. `constant`: either, and exact. `none`: there are none. `mixed`: of several kinds.
   */
  readonly numbers: 'any' | 'whole' | 'int' | 'constant' | 'none' | 'mixed';
}

export interface ArrayTerm {
  readonly kind: 'array';
  readonly element: 'text' | 'integer' | 'boolean';
  /** NULL unless it has one dimension. */
  readonly sql: Fragment;
  readonly column: Fragment;
  readonly nullable: boolean;
}

/** A list that a condition writes out, with parts that the row knows. */
interface ItemsTerm {
  readonly kind: 'items';
  readonly items: readonly Term[];
}

/** The text of a timestamp column, before `timestamp(…)`. */
interface StampTerm {
  readonly kind: 'stamp';
  readonly column: Fragment;
  readonly nullable: boolean;
}

/** A timestamp of the row, moved by some nanoseconds. */
export interface TimestampTerm {
  readonly kind: 'timestamp';
  readonly column: Fragment;
  readonly movedNs: bigint;
}

/** The time from an instant to a timestamp of the row (`1`), or the other way (`-1`). */
export interface SpanTerm {
  readonly kind: 'span';
  readonly timestamp: TimestampTerm;
  readonly instantNs: bigint;
  readonly sign: 1 | -1;
  /** Whether a time that is longer than 64 bits of nanoseconds is an error. */
  readonly limited: boolean;
}

export const errorTerm: Term = { kind: 'error' };

/** A condition that is false, or an error where one of the terms is. */
export function strictly(value: 'TRUE' | 'FALSE', terms: readonly Term[]): Fragment {
  const present = terms.map(isPresent).filter((part) => part !== undefined);
  const outcome = value === 'TRUE' ? sql`TRUE` : sql`FALSE`;
  return present.length === 0 ? outcome : sql`CASE WHEN ${joined(present, ' AND ')} THEN ${outcome} END`;
}

/** That a term is no error; nothing when it cannot be one. */
export function isPresent(term: Term): Fragment | undefined {
  switch (term.kind) {
    case 'error':
      return sql`FALSE`;
    case 'boolean':
    case 'text':
    case 'number':
    case 'array':
      if (term.kind === 'array' && term.nullable) return sql`(${term.column} IS NULL OR ${term.sql} IS NOT NULL)`;
      return term.nullable ? undefined : sql`${term.sql} IS NOT NULL`;
    case 'stamp':
      return term.nullable ? undefined : sql`${term.column} IS NOT NULL`;
    case 'json':
    case 'hierarchy':
      return sql`${term.sql} IS NOT NULL`;
    case 'constant':
    case 'instant':
    case 'duration':
      return undefined;
    case 'items': {
      const parts = term.items.map(isPresent).filter((part) => part !== undefined);
      return parts.length === 0 ? undefined : joined(parts, ' AND ');
    }
    default:
      throw untranslatable(`a ${term.kind} has no place here`);
  }
}

/** What a term is, in a message. */
export function describe(term: Term): string {
  if (term.kind !== 'constant') return term.kind;
  return term.value === null ? 'null' : Array.isArray(term.value) ? 'list' : typeof term.value;
}

/** A term as a condition. */
export function asBoolean(term: Term): Fragment {
  if (term.kind === 'boolean') return term.sql;
  if (term.kind === 'error') return sql`NULL::boolean`;
  if (term.kind === 'json')
    return sql`(CASE WHEN jsonb_typeof(${term.sql}) = 'boolean' THEN (${term.sql})::boolean END)`;
  if (term.kind === 'constant' && typeof term.value === 'boolean') return term.value ? sql`TRUE` : sql`FALSE`;
  throw untranslatable(`a ${describe(term)} is no condition`);
}

/** A term as a condition that only has to be true for the right rows: it is not under a negation. */
export function asFilter(term: Term): Fragment {
  return term.kind === 'boolean' && term.whenTrue !== undefined ? term.whenTrue : asBoolean(term);
}

/** A term as text. */
export function asText(term: Term): Fragment {
  if (term.kind === 'text') return term.sql;
  if (term.kind === 'error') return sql`NULL::text`;
  if (term.kind === 'json') return sql`(CASE WHEN jsonb_typeof(${term.sql}) = 'string' THEN ${term.sql} #>> '{}' END)`;
  if (term.kind === 'constant' && typeof term.value === 'string') return textParameter(term.value);
  throw untranslatable(`a ${describe(term)} is no string`);
}

/** A term as a number: double precision, finite. */
export function asNumber(term: Term): Fragment {
  if (term.kind === 'number') return term.sql;
  if (term.kind === 'error') return sql`NULL::double precision`;
  if (term.kind === 'json') return jsonNumber(term.sql);
  if (term.kind === 'constant' && typeof term.value === 'number')
    return parameter(safeNumber(term.value), '::double precision');
  throw untranslatable(`a ${describe(term)} is no number`);
}

/** A number in JSON may have more digits, or be larger, than a double: read like one, and NULL beyond its range. */
function jsonNumber(json: Fragment): Fragment {
  return sql`(CASE WHEN jsonb_typeof(${json}) = 'number' THEN ${finite(sql`(${json})::numeric`)} END)`;
}

/** A numeric as the double that JavaScript reads it as, and NULL where the cast would raise an error. */
export function finite(numeric: Fragment): Fragment {
  return sql`(CASE WHEN ${numeric} = 0 OR abs(${numeric}) BETWEEN 1e-300 AND 1e300 THEN (${numeric})::double precision END)`;
}

/** A string that PostgreSQL can hold. */
export function textParameter(text: string): Fragment {
  return parameter(safeText(text), '::text');
}

/** @throws PortcullisError `plan_untranslatable` for a NUL, or half of a surrogate pair */
export function safeText(text: string): string {
  if (text.includes('\0') || /\p{Surrogate}/u.test(text))
    throw untranslatable('a string has a character that PostgreSQL cannot hold');
  return text;
}

/**
 * A number that is certainly what the policy says. A whole number from 2^53 to 2^64 may be an integer that was rounded
 * on its way; one so large or small that the server may round it otherwise is not let through either.
 *
 * @throws PortcullisError `plan_untranslatable`
 */
export function safeNumber(value: number): number {
  const size = Math.abs(value);
  const exact = size === 0 || (size >= 1e-290 && size <= Number.MAX_SAFE_INTEGER) || (size > 2 ** 64 && size <= 1e300);
  if (!exact) throw untranslatable('a number of the policy is not exact');
  return value;
}

/** A value as JSON, for the server. */
export function jsonParameter(value: AttributeValue): Fragment {
  return parameter(JSON.stringify(safeValue(value)), '::text::jsonb');
}

function safeValue(value: AttributeValue): AttributeValue {
  if (typeof value === 'string') return safeText(value);
  if (typeof value === 'number') return safeNumber(value);
  if (value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return (value as readonly AttributeValue[]).map(safeValue);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [safeText(name), safeValue(inner)]));
}

/** Whether there is a number anywhere in a value. */
export function hasNumbers(value: AttributeValue): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(hasNumbers);
  return typeof value === 'number';
}

/** A place in a list. */
export function parameterKey(index: number): Fragment {
  return parameter(index, '::integer');
}

import type { AttributeValue } from '@portcullis/core';
import { equal, requireComparable, toJson } from './equality.js';
import { containsAll, elementsParameter, isElement, isOneOf } from './membership.js';
import { ownPrefix } from './columns.js';
import { joined, sql, trusted, type Fragment } from './fragment.js';
import { asText, describe, isPresent, parameterKey, type ArrayTerm, type JsonTerm, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/** Makes a name that occurs nowhere else in the query. */
export type NewName = () => Fragment;

/** Names, counted up. */
export function newNames(): NewName {
  let count = 0;
  return () => trusted(`${ownPrefix}${String(++count)}`);
}

/** Whether a term is an element of a list, or a key of a map. */
export function isIn(one: Term, all: Term, newName: NewName): Fragment {
  if (one.kind === 'error' || all.kind === 'error') return sql`NULL::boolean`;
  switch (all.kind) {
    case 'constant':
      return isOneOf(one, elementsOrKeys(all.value));
    case 'items':
      return isAmongItems(one, all.items);
    case 'array':
      return one.kind === 'constant' ? isElement(all, one.value) : isInJson(one, listOf(all), newName);
    case 'json':
      return isInJson(one, all, newName);
    default:
      throw untranslatable(`\`in\` a ${describe(all)}`);
  }
}

function elementsOrKeys(value: AttributeValue): readonly AttributeValue[] {
  if (typeof value !== 'object' || value === null) throw untranslatable('`in` what is neither a list nor a map');
  return Array.isArray(value) ? (value as readonly AttributeValue[]) : Object.keys(value);
}

function isAmongItems(one: Term, items: readonly Term[]): Fragment {
  const same = items.map((item) => equal(one, item));
  const given = [one, ...items].map(isPresent).filter((part) => part !== undefined);
  const some = same.length === 0 ? sql`FALSE` : joined(same, ' OR ');
  return given.length === 0 ? some : sql`(CASE WHEN ${joined(given, ' AND ')} THEN ${some} END)`;
}

function isInJson(one: Term, all: JsonTerm, newName: NewName): Fragment {
  const element = newName();
  const each: JsonTerm = { kind: 'json', sql: element, numbers: all.numbers };
  const given = isPresent(one);
  const present = given === undefined ? sql`` : sql` AND ${given}`;
  const asElement = sql`EXISTS (SELECT FROM jsonb_array_elements(${all.sql}) AS ${newName()}(${element}) WHERE ${equal(one, each)})`;
  // What is no string is no key of a map, and no error.
  const isString = one.kind === 'text' || one.kind === 'json' || typeof constantOf(one) === 'string';
  const asKey = isString ? sql`COALESCE(jsonb_exists(${all.sql}, ${asText(one)}), FALSE)` : sql`FALSE`;
  return sql`(CASE WHEN jsonb_typeof(${all.sql}) = 'array'${present} THEN ${asElement} WHEN jsonb_typeof(${all.sql}) = 'object'${present} THEN ${asKey} END)`;
}

function constantOf(term: Term): AttributeValue | undefined {
  return term.kind === 'constant' ? term.value : undefined;
}

/** A term as a list in JSON: NULL for what is none. @param keys - whether a map counts as the list of its keys */
export function listOf(term: Term, keys = false): JsonTerm {
  switch (term.kind) {
    case 'array':
      return { ...toJson({ ...term, nullable: false }) };
    case 'constant':
      return toJson({
        kind: 'constant',
        value: keys ? elementsOrKeys(term.value) : requireList(term.value),
      });
    case 'items':
      throw untranslatable('a list that a condition writes out, with values of the row, in this place');
    case 'error':
      return toJson(term);
    case 'json': {
      const list = sql`jsonb_typeof(${term.sql}) = 'array' THEN ${term.sql}`;
      if (!keys) return { ...term, sql: sql`(CASE WHEN ${list} END)` };
      const key = trusted(`${ownPrefix}key`);
      const names = sql`COALESCE((SELECT jsonb_agg(${key}) FROM jsonb_object_keys(${term.sql}) AS ${trusted(`${ownPrefix}keys`)}(${key})), '[]'::jsonb)`;
      return {
        ...term,
        sql: sql`(CASE WHEN ${list} WHEN jsonb_typeof(${term.sql}) = 'object' THEN ${names} END)`,
      };
    }
    default:
      throw untranslatable(`a ${describe(term)} is no list`);
  }
}

function requireList(value: AttributeValue): AttributeValue {
  if (typeof value !== 'object' || value === null || !Array.isArray(value))
    throw untranslatable('a constant is no list');
  return value as readonly AttributeValue[];
}

/** Whether two lists share an element. */
export function intersects(one: Term, other: Term, newName: NewName): Fragment {
  const quick = arrayAndConstants(one, other) ?? arrayAndConstants(other, one);
  if (quick !== undefined) {
    const { array, values } = quick;
    const wanted = elementsParameter(array, values);
    return sql`(${array.column} && ${wanted} AND ${exactArray(array)} && ${wanted})`;
  }
  const [left, right] = comparableLists(one, other);
  const [x, y] = [newName(), newName()];
  return sql`(CASE WHEN ${left.sql} IS NOT NULL AND ${right.sql} IS NOT NULL THEN EXISTS (SELECT FROM jsonb_array_elements(${left.sql}) AS ${newName()}(${x}), jsonb_array_elements(${right.sql}) AS ${newName()}(${y}) WHERE ${x} = ${y}) END)`;
}

/** Whether each element of one list is in another one. */
export function isSubset(one: Term, other: Term, newName: NewName): Fragment {
  const left = arrayAndConstants(one, other);
  if (left !== undefined) {
    const wanted = elementsParameter(left.array, left.values);
    return sql`(${left.array.column} <@ ${wanted} AND ${exactArray(left.array)} <@ ${wanted})`;
  }
  const right = arrayAndConstants(other, one, 'all');
  if (right !== undefined) return containsAll(right.array, right.values);
  const [small, large] = comparableLists(one, other);
  return sql`(CASE WHEN ${small.sql} IS NOT NULL AND ${large.sql} IS NOT NULL THEN NOT EXISTS (${without(small, large, newName, sql``)}) END)`;
}

/** The elements of one list that are not in another one, in order. */
export function except(one: Term, other: Term, newName: NewName): JsonTerm {
  const [left, right] = comparableLists(one, other);
  const kept = without(left, right, newName, sql`1`);
  return {
    kind: 'json',
    numbers: left.numbers,
    sql: sql`(CASE WHEN ${left.sql} IS NOT NULL AND ${right.sql} IS NOT NULL THEN COALESCE(${kept}, '[]'::jsonb) END)`,
  };
}

/** A query for the elements that are not in another list: as rows, or (with columns) as a list. */
function without(left: JsonTerm, right: JsonTerm, newName: NewName, columns: Fragment): Fragment {
  const [x, y, order] = [newName(), newName(), newName()];
  const missing = sql`NOT EXISTS (SELECT FROM jsonb_array_elements(${right.sql}) AS ${newName()}(${y}) WHERE ${x} = ${y})`;
  const from = sql`FROM jsonb_array_elements(${left.sql}) WITH ORDINALITY AS ${newName()}(${x}, ${order}) WHERE ${missing}`;
  return columns.length === 0 ? sql`SELECT ${from}` : sql`(SELECT jsonb_agg(${x} ORDER BY ${order}) ${from})`;
}

function comparableLists(one: Term, other: Term): readonly [JsonTerm, JsonTerm] {
  const left = listOf(one);
  const right = listOf(other);
  requireComparable(left, right);
  return [left, right];
}

function exactArray(array: ArrayTerm): Fragment {
  return array.element === 'text' ? sql`${array.sql} COLLATE "C"` : array.sql;
}

/**
 * An array column and constants without null, for the server’s own array operators.
 *
 * @param fit - `some`: constants of another type can be left out, no element is one of them. `all`: they must not occur
 */
function arrayAndConstants(
  array: Term,
  constants: Term,
  fit: 'some' | 'all' = 'some',
): { readonly array: ArrayTerm; readonly values: readonly AttributeValue[] } | undefined {
  if (array.kind !== 'array' || constants.kind !== 'constant' || !Array.isArray(constants.value)) return undefined;
  const values = constants.value as readonly AttributeValue[];
  if (values.includes(null)) return undefined;
  const type = { text: 'string', integer: 'number', boolean: 'boolean' }[array.element];
  const fitting = values.filter(
    (value) => typeof value === type && (typeof value !== 'number' || Number.isSafeInteger(value)),
  );
  return fit === 'all' && fitting.length < values.length ? undefined : { array, values: fitting };
}

/** How many elements, entries or code points there are. */
export function size(of: Term): Term {
  const int = (count: Fragment): Term => ({
    kind: 'number',
    sql: sql`(${count})::double precision`,
    nullable: false,
    type: 'int',
  });
  switch (of.kind) {
    case 'text':
      return int(sql`char_length(${of.sql})`);
    case 'array':
      return int(sql`cardinality(${of.sql})`);
    case 'error':
      return of;
    case 'json': {
      const key = trusted(`${ownPrefix}key`);
      const keys = sql`(SELECT count(${key}) FROM jsonb_object_keys(${of.sql}) AS ${trusted(`${ownPrefix}keys`)}(${key}))`;
      return int(
        sql`CASE jsonb_typeof(${of.sql}) WHEN 'array' THEN jsonb_array_length(${of.sql}) WHEN 'object' THEN ${keys} WHEN 'string' THEN char_length(${of.sql} #>> '{}') END`,
      );
    }
    default:
      throw untranslatable(`\`size\` of a ${describe(of)}`);
  }
}

/** A member of a map, or an element of a list. */
export function member(of: Term, key: Term): Term {
  if (of.kind === 'error' || key.kind === 'error') return { kind: 'error' };
  if (of.kind === 'constant' && key.kind === 'constant') return constantMember(of.value, key.value);
  const json = of.kind === 'array' ? listOf(of) : toJson(of);
  const wanted = key.kind === 'constant' ? key.value : undefined;
  if (typeof wanted === 'number') {
    // A negative index would count from the end.
    if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > 1e9) return { kind: 'error' };
    // To the server a scalar has itself as its element.
    const element = sql`${json.sql} -> ${parameterKey(wanted)}`;
    return { ...json, sql: sql`(CASE WHEN jsonb_typeof(${json.sql}) = 'array' THEN ${element} END)` };
  }
  if (typeof wanted !== 'string' && key.kind !== 'text' && key.kind !== 'json')
    throw untranslatable(`a ${describe(key)} as a key or an index`);
  if (key.kind === 'json') {
    // A number in JSON would be an index.
    return {
      ...json,
      sql: sql`(CASE WHEN jsonb_typeof(${json.sql}) = 'object' THEN ${json.sql} -> ${asText(key)} END)`,
    };
  }
  return { ...json, sql: sql`(${json.sql} -> ${asText(key)})` };
}

function constantMember(of: AttributeValue, key: AttributeValue): Term {
  if (typeof of !== 'object' || of === null) throw untranslatable('a member of a constant that has none');
  if (Array.isArray(of)) {
    const found: AttributeValue | undefined =
      typeof key === 'number' && Number.isSafeInteger(key) ? (of as readonly AttributeValue[])[key] : undefined;
    return found === undefined ? { kind: 'error' } : { kind: 'constant', value: found };
  }
  const found = typeof key === 'string' ? new Map(Object.entries(of)).get(key) : undefined;
  return found === undefined ? { kind: 'error' } : { kind: 'constant', value: found };
}

import { canonicalKey } from '../../client/canonical-key.js';
import type { CelMap, CelValue } from '../cel/cel-value.js';
import { equals, isList, isMap } from '../cel/value.js';
import type { Work } from '../cel/work.js';

/**
 * Whether a value fits a schema. What it costs is paid as an expression's is: a schema that refers to itself in several
 * ways takes time that grows fast with how deep a value is.
 *
 * @throws Unanswerable when the request has cost too much
 */
export type SchemaCheck = (value: CelValue, work: Work) => boolean;

export const types: Readonly<Record<string, SchemaCheck>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: (value) => isList(value),
  object: (value) => isMap(value),
};

export function every(checks: readonly SchemaCheck[]): SchemaCheck {
  const [first, second] = checks;
  if (first === undefined) return () => true;
  if (second === undefined)
    return (value, work) => {
      work.spend(1);
      return first(value, work);
    };
  return (value, work) => {
    work.spend(checks.length);
    for (const check of checks) if (!check(value, work)) return false;
    return true;
  };
}

/** A keyword is about values of one type, and others are valid to it. */
export function onMap(check: (value: CelMap, work: Work) => boolean): SchemaCheck {
  return (value, work) => !isMap(value) || check(value, work);
}

export function onList(check: (value: readonly CelValue[], work: Work) => boolean): SchemaCheck {
  return (value, work) => !isList(value) || check(value, work);
}

export function onText(check: (value: string, work: Work) => boolean): SchemaCheck {
  return (value, work) => typeof value !== 'string' || check(value, work);
}

export function onNumber(check: (value: number, work: Work) => boolean): SchemaCheck {
  return (value, work) => typeof value !== 'number' || check(value, work);
}

export function counted<T>(
  on: (check: (value: T, work: Work) => boolean) => SchemaCheck,
  limit: number,
  count: (value: T, work: Work) => number,
  holds: (count: number, limit: number) => boolean,
): SchemaCheck {
  return on((value, work) => holds(count(value, work), limit));
}

export const atLeast = (count: number, limit: number): boolean => count >= limit;
export const atMost = (count: number, limit: number): boolean => count <= limit;

/** How many members a map has. */
export function sizeOf(map: CelMap, work: Work): number {
  return namesOf(map, work).length;
}

export function namesOf(map: CelMap, work: Work): readonly string[] {
  const names = Object.keys(map);
  work.spend(names.length << 2);
  return names;
}

/** In code points. */
export function lengthOf(text: string, work: Work): number {
  work.spendText(text.length);
  let count = 0;
  for (const _character of text) count++;
  return count;
}

export function oneOfValues(values: readonly CelValue[]): SchemaCheck {
  const texts = new Set(values.filter((value) => typeof value === 'string'));
  const others = values.filter((value) => typeof value !== 'string');
  return (given, work) => {
    if (typeof given === 'string') return texts.has(given);
    work.spend(others.length);
    return others.some((value) => equals(value, given, work));
  };
}

export function areUnique(items: readonly CelValue[], work: Work): boolean {
  // By way of JSON, which has one zero.
  const keys = items.map((item) => {
    const text = JSON.stringify(item);
    work.spend(8 + (text.length << 2));
    return canonicalKey(JSON.parse(text));
  });
  return new Set(keys).size === keys.length;
}

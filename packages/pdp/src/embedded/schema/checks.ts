import { canonicalKey } from '../../client/canonical-key.js';
import { equals, isList, isMap, type CelMap, type CelValue } from '../cel/value.js';

/** Whether a value fits a schema. */
export type SchemaCheck = (value: CelValue) => boolean;

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
  if (second === undefined) return first;
  return (value) => {
    for (const check of checks) if (!check(value)) return false;
    return true;
  };
}

/** A keyword is about values of one type, and others are valid to it. */
export function onMap(check: (value: CelMap) => boolean): SchemaCheck {
  return (value) => !isMap(value) || check(value);
}

export function onList(check: (value: readonly CelValue[]) => boolean): SchemaCheck {
  return (value) => !isList(value) || check(value);
}

export function onText(check: (value: string) => boolean): SchemaCheck {
  return (value) => typeof value !== 'string' || check(value);
}

export function onNumber(check: (value: number) => boolean): SchemaCheck {
  return (value) => typeof value !== 'number' || check(value);
}

export function counted<T>(
  on: (check: (value: T) => boolean) => SchemaCheck,
  limit: number,
  count: (value: T) => number,
  holds: (count: number, limit: number) => boolean,
): SchemaCheck {
  return on((value) => holds(count(value), limit));
}

export const atLeast = (count: number, limit: number): boolean => count >= limit;
export const atMost = (count: number, limit: number): boolean => count <= limit;

/** In code points. */
export function lengthOf(text: string): number {
  let count = 0;
  for (const _character of text) count++;
  return count;
}

export function oneOfValues(values: readonly CelValue[]): SchemaCheck {
  const texts = new Set(values.filter((value) => typeof value === 'string'));
  const others = values.filter((value) => typeof value !== 'string');
  return (given) => (typeof given === 'string' ? texts.has(given) : others.some((value) => equals(value, given)));
}

export function areUnique(items: readonly CelValue[]): boolean {
  // By way of JSON, which has one zero.
  const keys = items.map((item) => canonicalKey(JSON.parse(JSON.stringify(item))));
  return new Set(keys).size === keys.length;
}

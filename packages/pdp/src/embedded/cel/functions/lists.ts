import { CelObject, failed, type CelResult, type CelValue } from '../cel-value.js';
import { compare, equals, isList } from '../value.js';
import { method, overload, type Overload } from '../overload.js';
import { Bytes } from '../bytes.js';
import { Duration } from '../duration.js';
import { Hierarchy } from '../hierarchy.js';
import { isOfKind, type Kind } from '../kind.js';
import { Timestamp } from '../timestamp.js';
import { Uint } from '../uint.js';
import { Unanswerable } from '../unanswerable.js';
import type { Work } from '../work.js';

type List = readonly CelValue[];

/** Functions on lists. */
export const listFunctions: readonly Overload[] = [
  method('slice', ['list', 'int', 'int'], 'list', (items, start, end, work) => {
    if (start < 0n || start > end || end > BigInt(items.length)) return failed;
    work.spend(Number(end - start));
    return items.slice(Number(start), Number(end));
  }),
  method('flatten', ['list'], 'list', (items, work) => flatten(items, 1n, work)),
  method('flatten', ['list', 'int'], 'list', (items, depth, work) =>
    depth < 0n ? failed : flatten(items, depth, work),
  ),
  method('reverse', ['list'], 'list', (items, work) => {
    work.spend(items.length);
    return [...items].reverse();
  }),
  method('distinct', ['list'], 'list', (items, work) => {
    const kept: CelValue[] = [];
    for (const item of items) {
      work.spend(kept.length + 1);
      if (!kept.some((other) => equals(item, other, work) === true)) kept.push(item);
    }
    return kept;
  }),
  method('sort', ['list'], 'list', (items, work) => sortedBy(items, items, work)),
  overload('lists.range', ['int'], 'list', (count, work) => {
    const length = count < 0n ? 0 : Number(count);
    work.spend(length);
    return Array.from({ length }, (_, index) => BigInt(index));
  }),
];

function flatten(items: List, depth: bigint, work: Work): CelValue[] {
  work.spend(items.length + 1);
  if (depth === 0n) return [...items];
  return items.flatMap((item) => (isList(item) ? flatten(item, depth - 1n, work) : [item]));
}

const sortable: readonly Kind[] = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

/** Up to this many, Go's sort leaves items with equal keys in their order. */
const stableUpTo = 12;

/**
 * Sorts items by a key each. The keys have to be of one type, and of one that has an order.
 *
 * @throws Unanswerable where Go's order of equal keys would show, and for keys that are not a number
 */
export function sortedBy(items: List, keys: List, work: Work): CelResult {
  work.spend(items.length * 8);
  const [first] = keys;
  if (first === undefined) return items;
  const kind = sortable.find((one) => isOfKind[one](first));
  if (kind === undefined || !keys.every((key) => isOfKind[kind](key))) return failed;
  if (keys.some((key) => Number.isNaN(key))) throw new Unanswerable('what is not a number is put in order');
  let ties = 0;
  const order = items
    .map((item, index) => ({ item, key: keys[index] ?? null }))
    .sort((left, right) => {
      if (kind === 'string' || kind === 'bytes') work.spendText(Math.min(lengthOf(left.key), lengthOf(right.key)));
      const difference = compare(left.key, right.key);
      if (difference === 0 && !isSame(left.item, right.item)) ties++;
      return difference === failed ? 0 : difference;
    });
  if (ties > 0 && items.length > stableUpTo) throw new Unanswerable('equal keys are put in an order');
  return order.map(({ item }) => item);
}

function lengthOf(key: CelValue): number {
  return typeof key === 'string' ? key.length : key instanceof Bytes ? key.bytes.length : 0;
}

/** Whether two items cannot be told apart. */
function isSame(left: CelValue, right: CelValue): boolean {
  return typeof left !== 'object' && Object.is(left, right);
}

/** The types that Go can look up in a map. */
function isHashable(value: CelValue): boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'bigint' ||
    typeof value === 'number' ||
    value instanceof Duration ||
    value instanceof Timestamp ||
    value instanceof Uint
  );
}

type Contains = (value: CelValue) => boolean;

/**
 * How Cerbos looks items up in a list: one after the other; in a list of more than three of which all can be keys of a
 * Go map, as such a key, to which an int and a double are never the same.
 */
function lookup(list: List, work: Work): Contains {
  work.spend(list.length);
  if (list.length > 3 && list.every(isHashable)) {
    work.spend(list.length * 8);
    const keys = new Set(list.map((item) => keyOf(item, work)));
    return (value) => {
      work.spend(1);
      return keys.has(keyOf(value, work));
    };
  }
  return (value) => {
    work.spend(list.length + 1);
    return list.some((item) => equals(value, item, work) === true);
  };
}

/** @throws Unanswerable for timestamps, which Go tells apart by more than the instant, and where Go panics */
function keyOf(value: CelValue, work: Work): unknown {
  if (value instanceof Timestamp) throw new Unanswerable('timestamps are looked up in a list of more than three');
  if (value instanceof Duration) return `d${String(value.nanos)}`;
  if (value instanceof Uint) return `u${String(value.value)}`;
  if (typeof value === 'string') {
    work.spendText(value.length);
    return `s${value}`;
  }
  // Go's NaN is in no map.
  if (typeof value === 'number' && Number.isNaN(value)) return {};
  if (value instanceof Bytes || value instanceof Hierarchy)
    throw new Unanswerable(`a value of type ${value.type} is looked up in a list of more than three`);
  return value instanceof CelObject ? {} : value;
}

/** The shorter list, and a look-up in the longer one. */
function shorterFirst(left: List, right: List, work: Work): readonly [List, Contains] {
  return left.length > right.length ? [right, lookup(left, work)] : [left, lookup(right, work)];
}

function intersects(left: List, right: List, work: Work): boolean {
  const [items, has] = shorterFirst(left, right, work);
  return items.some(has);
}

function intersection(left: List, right: List, work: Work): CelValue[] {
  const [items, has] = shorterFirst(left, right, work);
  return items.filter(has);
}

function isSubset(left: List, right: List, work: Work): boolean {
  return left.every(lookup(right, work));
}

function difference(left: List, right: List, work: Work): CelValue[] {
  const has = lookup(right, work);
  return left.filter((item) => !has(item));
}

/** Cerbos's functions on lists as sets, each as a function and as a method. */
export const setFunctions: readonly Overload[] = [overload, method].flatMap((make) => [
  make('hasIntersection', ['list', 'list'], 'bool', intersects),
  make('has_intersection', ['list', 'list'], 'bool', intersects),
  make('isSubset', ['list', 'list'], 'bool', isSubset),
  make('is_subset', ['list', 'list'], 'bool', isSubset),
  make('intersect', ['list', 'list'], 'list', intersection),
  make('except', ['list', 'list'], 'list', difference),
]);

import type { Activation, Evaluate } from './expression.js';
import { found, KeyedMap, keysOf, mapOfEntries, nameOf } from './keyed-map.js';
import { sortedBy } from './functions/lists.js';
import { failed, type CelMap, type CelResult, type CelValue } from './cel-value.js';
import { isList, isMap } from './value.js';

/** What a macro goes over, and where it puts what it is at. */
interface Loop {
  readonly range: Evaluate;
  /** Where the item of a list or the key of a map goes; with a second variable, the index or the key. */
  readonly first: number;
  /** Where the item of a list or the value of a map goes. */
  readonly second: number | undefined;
  /** What one round costs, in steps. */
  readonly cost: number;
}

/** A macro: what its bodies give for each item, taken together. */
export type Macro = (loop: Loop, body: Evaluate, result?: Evaluate) => Evaluate;

/** The macros, by name, number of variables and number of bodies. */
export const macros: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  ['all/1/1', quantifier(false)],
  ['all/2/1', quantifier(false)],
  ['exists/1/1', quantifier(true)],
  ['exists/2/1', quantifier(true)],
  ['exists_one/1/1', existsOne],
  ['exists_one/2/1', existsOne],
  ['existsOne/2/1', existsOne],
  ['filter/1/1', (loop, body) => collecting(loop, body, ({ locals }) => locals[loop.first] ?? null)],
  ['map/1/1', (loop, body) => collecting(loop, undefined, body)],
  ['map/1/2', (loop, body, result = body) => collecting(loop, body, result)],
  ['transformList/2/1', (loop, body) => collecting(loop, undefined, body)],
  ['transformList/2/2', (loop, body, result = body) => collecting(loop, body, result)],
  ['transformMap/2/1', (loop, body) => mapping(loop, undefined, atKey(loop, body))],
  ['transformMap/2/2', (loop, body, result = body) => mapping(loop, body, atKey(loop, result))],
  ['transformMapEntry/2/1', (loop, body) => mapping(loop, undefined, entriesOf(body))],
  ['transformMapEntry/2/2', (loop, body, result = body) => mapping(loop, body, entriesOf(result))],
  ['sortBy/1/1', sorting],
]);

/** Goes over a range, until told to stop: whether it came to its end. Fails where it is none. */
function over(loop: Loop, activation: Activation, visit: () => boolean): boolean | typeof failed {
  const range = loop.range(activation);
  if (range === failed) return failed;
  if (isList(range)) return overList(loop, activation, range, visit);
  return isMap(range) || range instanceof KeyedMap ? overMap(loop, activation, range, visit) : failed;
}

function overList(
  { first, second, cost }: Loop,
  { locals, work }: Activation,
  items: readonly CelValue[],
  visit: () => boolean,
): boolean {
  for (let index = 0; index < items.length; index++) {
    work.spend(cost);
    const item = items[index] ?? null;
    locals[first] = second === undefined ? item : BigInt(index);
    if (second !== undefined) locals[second] = item;
    if (!visit()) return false;
  }
  return true;
}

function overMap(
  { first, second, cost }: Loop,
  { locals, work }: Activation,
  map: CelMap | KeyedMap,
  visit: () => boolean,
): boolean {
  for (const key of keysOf(map, work)) {
    work.spend(cost);
    locals[first] = key;
    if (second !== undefined) locals[second] = found(map, key) ?? null;
    if (!visit()) return false;
  }
  return true;
}

/** `all` (decided by the first false) and `exists` (by the first true). What decides wins over failures. */
function quantifier(decides: boolean): Macro {
  return (loop, body) => (activation) => {
    let failures = 0;
    const isUndecided = over(loop, activation, () => {
      const result = body(activation);
      if (typeof result !== 'boolean') failures++;
      return result !== decides;
    });
    if (isUndecided === failed) return failed;
    if (!isUndecided) return decides;
    return failures > 0 ? failed : !decides;
  };
}

function existsOne(loop: Loop, body: Evaluate): Evaluate {
  return (activation) => {
    let count = 0;
    const isDone = over(loop, activation, () => {
      const result = body(activation);
      if (result === true) count++;
      return typeof result === 'boolean';
    });
    return isDone === true ? count === 1 : failed;
  };
}

/** Takes what a body gives for each item that is wanted: whether there is all of it, and nothing failed. */
function isGathered(loop: Loop, activation: Activation, condition: Evaluate | undefined, take: () => boolean): boolean {
  const isDone = over(loop, activation, () => {
    const isWanted = condition === undefined ? true : condition(activation);
    return typeof isWanted === 'boolean' && (!isWanted || take());
  });
  return isDone === true;
}

function collecting(loop: Loop, condition: Evaluate | undefined, result: Evaluate): Evaluate {
  return (activation) => {
    const collected: CelValue[] = [];
    const isDone = isGathered(loop, activation, condition, () => {
      const value = result(activation);
      if (value === failed) return false;
      collected.push(value);
      return true;
    });
    return isDone ? collected : failed;
  };
}

type Entry = readonly [CelValue, CelValue];
type Entries = (activation: Activation) => readonly Entry[] | typeof failed;

function atKey({ first }: Loop, body: Evaluate): Entries {
  return (activation) => {
    const value = body(activation);
    const key = activation.locals[first];
    return value === failed || key === failed || key === undefined ? failed : [[key, value]];
  };
}

function entriesOf(body: Evaluate): Entries {
  return (activation) => {
    const map = body(activation);
    if (!isMap(map) && !(map instanceof KeyedMap)) return failed;
    return keysOf(map, activation.work).map((key): Entry => [key, found(map, key) ?? null]);
  };
}

/** Makes a map of entries. One whose key is there already is a failure. */
function mapping(loop: Loop, condition: Evaluate | undefined, entriesAt: Entries): Evaluate {
  return (activation) => {
    const entries: Entry[] = [];
    const isDone = isGathered(loop, activation, condition, () => {
      const more = entriesAt(activation);
      if (more === failed) return false;
      entries.push(...more);
      return true;
    });
    return isDone ? uniqueMapOf(entries) : failed;
  };
}

function uniqueMapOf(entries: readonly Entry[]): CelResult {
  const names = new Set(entries.map(([key], index) => nameOf(key) ?? index));
  return names.size === entries.length ? mapOfEntries(entries) : failed;
}

/** Sorts a list by what a body gives for each item. */
function sorting(loop: Loop, body: Evaluate): Evaluate {
  return (activation) => {
    const range = loop.range(activation);
    if (range === failed || !isList(range)) return failed;
    const keys: CelValue[] = [];
    const isDone = isGathered({ ...loop, range: () => range }, activation, undefined, () => {
      const key = body(activation);
      if (key === failed) return false;
      keys.push(key);
      return true;
    });
    return isDone ? sortedBy(range, keys, activation.work) : failed;
  };
}

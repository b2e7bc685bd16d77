import { Bytes } from './bytes.js';
import { Hierarchy } from './hierarchy.js';
import { CelObject, type CelMap, type CelValue } from './cel-value.js';
import { equalsWithin, isMap, mapOf } from './value.js';
import { Uint } from './uint.js';
import { Unanswerable } from './unanswerable.js';
import type { Work } from './work.js';

type Entry = readonly [CelValue, CelValue];

/** A map of which not every key is text. */
export class KeyedMap extends CelObject {
  readonly type = 'map';
  private readonly entries: ReadonlyMap<KeyName, Entry>;

  constructor(entries: ReadonlyMap<KeyName, Entry>) {
    super();
    this.entries = entries;
  }

  get size(): number {
    return this.entries.size;
  }

  keys(): readonly CelValue[] {
    return Array.from(this.entries.values(), ([key]) => key);
  }

  /** What a key stands for, whichever of the numeric types it has; nothing where there is no such key. */
  find(key: CelValue): CelValue | undefined {
    const name = nameOf(key);
    return name === undefined ? undefined : this.entries.get(name)?.[1];
  }

  override equals(other: CelValue, work?: Work): boolean {
    if (!(other instanceof KeyedMap) || other.size !== this.size) return false;
    work?.spend(this.size);
    return this.keys().every((key) => {
      const [mine, theirs] = [this.find(key), other.find(key)];
      return mine !== undefined && theirs !== undefined && equalsWithin(mine, theirs, work);
    });
  }

  override toJson(): undefined {
    return undefined;
  }
}

/** What a key amounts to: two that are one key amount to the same. */
export type KeyName = string | boolean | bigint;

/** What a key amounts to; `undefined` for what is none. A text is itself: a copy would take as long as it is. */
export function nameOf(key: CelValue): KeyName | undefined {
  switch (typeof key) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return key;
    case 'number':
      return Number.isInteger(key) ? BigInt(key) : undefined;
    default:
      return key instanceof Uint ? key.value : undefined;
  }
}

function isText(entry: Entry): entry is readonly [string, CelValue] {
  return typeof entry[0] === 'string';
}

/**
 * A map with these entries, of which the last counts where a text is there twice.
 *
 * @throws Unanswerable for keys that CEL has none of, and for numbers that are the same number
 */
export function mapOfEntries(entries: readonly Entry[]): CelValue {
  if (entries.every(isText)) return mapOf(entries);
  const keyed = new Map<KeyName, Entry>();
  for (const entry of entries) {
    const [key] = entry;
    const name = typeof key === 'number' ? undefined : nameOf(key);
    if (name === undefined) throw new Unanswerable('a map has a key that is no text, integer or boolean');
    if (typeof key !== 'string' && keyed.has(name)) throw new Unanswerable('a map has a number twice among its keys');
    keyed.set(name, entry);
  }
  return new KeyedMap(keyed);
}

/**
 * What a map has at a key; nothing where it has no such key, or is no map.
 *
 * @throws Unanswerable for a key that Go panics on
 */
export function found(map: CelValue, key: CelValue): CelValue | undefined {
  if (key instanceof Bytes || key instanceof Hierarchy)
    throw new Unanswerable(`a value of type ${key.type} is looked up in a map`);
  if (map instanceof KeyedMap) return map.find(key);
  return isMap(map) && typeof key === 'string' && Object.hasOwn(map, key) ? (map[key] ?? null) : undefined;
}

/** The keys of a map. All are put together and paid for, also where only one is looked at. */
export function keysOf(map: CelMap | KeyedMap, work: Work): readonly CelValue[] {
  const keys = map instanceof KeyedMap ? map.keys() : Object.keys(map);
  work.spend(keys.length << 2);
  return keys;
}

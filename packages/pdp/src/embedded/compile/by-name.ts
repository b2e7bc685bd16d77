import { globMatcher, isPattern } from './glob.js';
import type { ByName } from './table.js';

const none: readonly never[] = [];

export function byName<T>(): ByName<T> {
  return { literal: new Map(), patterns: none };
}

/** What stands for a name or a pattern, made when it is new. */
export function entryOf<T>(index: ByName<T>, name: string, make: () => T): T {
  if (!isPattern(name)) return valueOf(index.literal, name, make);
  const found = index.patterns.find(({ pattern }) => pattern === name);
  if (found !== undefined) return found.value;
  const value = make();
  index.patterns = [...index.patterns, { pattern: name, matches: globMatcher(name), value }];
  return value;
}

/** All that stands for a name: the literal name first, then the patterns that it fits. */
export function allOf<T>({ literal, patterns }: ByName<T>, name: string): readonly T[] {
  const own = literal.get(name);
  if (patterns.length === 0) return own === undefined ? none : [own];
  const found: T[] = own === undefined ? [] : [own];
  for (const { matches, value } of patterns) if (matches(name)) found.push(value);
  return found;
}

/** Whether anything stands for a name. */
export function hasAny(index: ByName<unknown>, name: string): boolean {
  return index.literal.has(name) || index.patterns.some(({ matches }) => matches(name));
}

/** A member of a map, made when it is new. */
export function valueOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const value = make();
  map.set(key, value);
  return value;
}

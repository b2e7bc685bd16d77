import { globMatcher, isPattern } from './glob.js';
import type { ByName } from './table.js';

export function byName<T>(): ByName<T> {
  return { literal: new Map(), patterns: [] };
}

/** What stands for a name or a pattern, made when it is new. */
export function entryOf<T>(index: ByName<T>, name: string, make: () => T): T {
  if (!isPattern(name)) return valueOf(index.literal, name, make);
  const found = index.patterns.find(({ pattern }) => pattern === name);
  if (found !== undefined) return found.value;
  const value = make();
  index.patterns.push({ pattern: name, matches: globMatcher(name), value });
  return value;
}

/** Calls with all that stands for a name. */
export function eachOf<T>(index: ByName<T>, name: string, run: (value: T) => void): void {
  const literal = index.literal.get(name);
  if (literal !== undefined) run(literal);
  for (const { matches, value } of index.patterns) if (matches(name)) run(value);
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

import { globMatcher, isPattern, type NameMatcher } from './glob.js';
import { NameMap } from './name-map.js';

const none: readonly never[] = [];

/** Things by name: literal names are looked up, patterns are tried one by one. */
export class ByName<T> extends NameMap<T> {
  patterns: readonly { readonly pattern: string; readonly matches: NameMatcher; readonly value: T }[] = none;
}

/** What stands for a name or a pattern, made when it is new. */
export function entryOf<T>(index: ByName<T>, name: string, make: () => T): T {
  if (!isPattern(name)) return valueOf(index, name, make);
  const found = index.patterns.find(({ pattern }) => pattern === name);
  if (found !== undefined) return found.value;
  const value = make();
  index.patterns = [...index.patterns, { pattern: name, matches: globMatcher(name), value }];
  return value;
}

/** All that stands for a name: the literal name first, then the patterns that it fits. */
export function allOf<T>(index: ByName<T>, name: string): readonly T[] {
  const { patterns } = index;
  const own = index.get(name);
  if (patterns.length === 0) return own === undefined ? none : [own];
  const found: T[] = own === undefined ? [] : [own];
  for (const { matches, value } of patterns) if (matches(name)) found.push(value);
  return found;
}

/** Whether anything stands for a name. */
export function hasAny(index: ByName<unknown>, name: string): boolean {
  return index.has(name) || index.patterns.some(({ matches }) => matches(name));
}

/** A member of a map, made when it is new. */
export function valueOf<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const value = make();
  map.set(key, value);
  return value;
}

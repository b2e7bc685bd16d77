import type { CelMap } from '../cel/cel-value.js';

/** How deep attributes may be nested. */
const maxDepth = 64;

/** Attributes that are no JSON, or are nested too deep: the question is not answered. */
class UnreadableAttributes extends Error {
  override readonly name = 'UnreadableAttributes';
}

/**
 * Looks through attributes: there is nothing in them but JSON. A number that JSON has no text for, a date, a class of
 * somebody's own: what another engine would see of it is anybody's guess.
 *
 * They are not copied. A question is answered in one go, in which nobody can change them, and an expression reads own
 * members alone.
 *
 * @throws UnreadableAttributes
 */
export function readAttributes(attributes: unknown): CelMap {
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes))
    throw new UnreadableAttributes('not an object');
  requireMap(attributes, 0);
  return attributes as CelMap;
}

function requireJson(value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new UnreadableAttributes('half a surrogate pair');
      return;
    case 'boolean':
      return;
    case 'number':
      if (!Number.isFinite(value)) throw new UnreadableAttributes('a number that is not finite');
      return;
    case 'object':
      if (value === null) return;
      if (depth > maxDepth) throw new UnreadableAttributes('nested too deep');
      if (Array.isArray(value)) requireList(value, depth);
      else requireMap(value, depth);
      return;
    default:
      throw new UnreadableAttributes(`a ${typeof value}`);
  }
}

function requireList(list: readonly unknown[], depth: number): void {
  for (const item of list) requireJson(item, depth + 1);
}

function requireMap(map: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(map);
  if (prototype !== Object.prototype && prototype !== null) throw new UnreadableAttributes('an object of a class');
  for (const name in map) {
    // Cerbos refuses a question with an attribute of no name; further down it takes such members.
    if (depth === 0 && name === '') throw new UnreadableAttributes('an attribute without a name');
    if (!name.isWellFormed()) throw new UnreadableAttributes('a name with half a surrogate pair');
    requireJson((map as Readonly<Record<string, unknown>>)[name], depth + 1);
  }
}

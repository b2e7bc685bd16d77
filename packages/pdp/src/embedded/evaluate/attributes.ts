import type { CelMap } from '../cel/value.js';

/** How deep attributes may be nested. */
const maxDepth = 64;

/** Attributes that are no JSON, or are nested too deep: the question is not answered. */
class UnreadableAttributes extends Error {
  override readonly name = 'UnreadableAttributes';
}

/**
 * Copies attributes: into maps that inherit nothing, and with nothing in them but JSON. A number that JSON has no text
 * for, a date, a class of somebody's own: what another engine would see of it is anybody's guess.
 *
 * @throws UnreadableAttributes
 */
export function readAttributes(attributes: unknown): CelMap {
  const copy = read(attributes, 0);
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) throw new UnreadableAttributes('not an object');
  return copy as CelMap;
}

function read(value: unknown, depth: number): CelMap[string] {
  if (depth > maxDepth) throw new UnreadableAttributes('nested too deep');
  switch (typeof value) {
    case 'string':
      if (hasHalfPair(value)) throw new UnreadableAttributes('half a surrogate pair');
      return value;
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new UnreadableAttributes('a number that is not finite');
      return value;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return Array.from(value, (item: unknown) => read(item, depth + 1));
      return readMap(value, depth);
    default:
      throw new UnreadableAttributes(`a ${typeof value}`);
  }
}

/** Whether a text has half a surrogate pair in it. A loop, because this is asked of each text of each question. */
function hasHalfPair(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(index + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
    index++;
  }
  return false;
}

function readMap(value: object, depth: number): CelMap {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new UnreadableAttributes('an object of a class');
  const map = Object.create(null) as Record<string, CelMap[string]>;
  for (const name of Object.keys(value)) map[name] = read(Reflect.get(value, name), depth + 1);
  return map;
}

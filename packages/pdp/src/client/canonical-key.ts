import type { CheckRequest } from '@portcullis/core';

/** Deeper values have no key: they are asked about one by one. */
const maxDepth = 64;

/**
 * What the engine sees of a question, as one string: two requests have one key only if the engine cannot tell them
 * apart. Everything in the request goes in but its id, also members that a later version adds.
 *
 * @returns `undefined` for what has no such string (a function, a date, an instance of a class): it must not be shared
 * @see CVE-2026-33729, CVE-2026-34972, CVE-2026-46668, CVE-2026-55866: keys that two different questions shared
 */
export function questionKey({ requestId: _id, ...question }: CheckRequest): string | undefined {
  return canonicalKey(question);
}

/** What the engine sees beside the resources and actions: who asks, in which scope, of which version. */
export function principalKey({ requestId: _id, questions: _questions, ...asker }: CheckRequest): string | undefined {
  return canonicalKey(asker);
}

/**
 * A value as a string that no other value has. The order of an object's members does not count. An object with members
 * that are not enumerable, or have a symbol for a name, has none: no copy and no text would have them, and an engine may.
 */
export function canonicalKey(value: unknown): string | undefined {
  try {
    return encode(value, 0);
  } catch (error) {
    if (error === hasNoKey) return undefined;
    throw error;
  }
}

const hasNoKey = new Error('no key');

/** As JSON, where JSON tells values apart; -0, NaN and `undefined`, which JSON would change, have words of their own. */
function encode(value: unknown, depth: number): string {
  if (depth > maxDepth) throw hasNoKey;
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${String(value)}n`;
    case 'symbol':
    case 'function':
      throw hasNoKey;
    case 'object':
      return value === null ? 'null' : encodeObject(value, depth + 1);
  }
}

function encodeObject(value: object, depth: number): string {
  // `map` would skip a hole, and join would make it one with the empty list.
  if (Array.isArray(value)) return `[${Array.from(value, (item: unknown) => encode(item, depth)).join(',')}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw hasNoKey;
  const names = Object.keys(value);
  if (names.length !== Reflect.ownKeys(value).length) throw hasNoKey;
  let members = '';
  // By code units, which is how texts are compared as well.
  for (const name of names.sort()) {
    const member = encode((value as Readonly<Record<string, unknown>>)[name], depth);
    members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${member}`;
  }
  return `{${members}}`;
}

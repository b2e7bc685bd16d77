import { Util } from 'casbin';
import { LRUCache } from 'lru-cache';
import { RE2JS } from 're2js';

/** The names under which casbin asks us for attributes, and whether a list holds a value. Not for matchers as written. */
export const attributeFunction = 'attribute';
export const containsFunction = 'contains';

const compiled = new LRUCache<string, RE2JS>({ max: 10_000 });

/**
 * Those of casbin's functions that a matcher can call on a field of a line. The others hang or err on some lines; give
 * your own under `functions`.
 *
 * Regular expressions run in time that is linear in the text, by RE2. casbin’s own can be made to take for ever.
 */
export const matchFunctions: ReadonlyMap<string, (text: string, pattern: string) => boolean> = new Map([
  ['keyMatch', (text, pattern) => Util.keyMatchFunc(text, pattern)],
  ['keyMatch2', (text, pattern) => expressionOf(pathExpression(pattern)).test(text)],
  ['regexMatch', (text, pattern) => expressionOf(pattern).test(text)],
]);

/**
 * What is wrong with the pattern of a line, if anything.
 */
export function malformedPattern(name: string, pattern: string): string | undefined {
  try {
    matchFunctions.get(name)?.('', pattern);
    return undefined;
  } catch {
    return `\`${pattern}\` is not a pattern that \`${name}\` takes`;
  }
}

function expressionOf(text: string): RE2JS {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const expression = RE2JS.compile(text);
  compiled.set(text, expression);
  return expression;
}

/** `keyMatch2` of casbin: `*` after a slash is anything, `:name` one part of a path, and the rest an expression. */
function pathExpression(pattern: string): string {
  let text = pattern.replaceAll('/*', '/.*');
  while (text.includes('/:')) {
    const next = text.replace(/(.*):[^/]+(.*)/, '$1[^/]+$2');
    // Here casbin would go on for ever.
    if (next === text) throw new RangeError('a part of the path has no name');
    text = next;
  }
  return `^(?:${text === '*' ? '.*' : text})$`;
}

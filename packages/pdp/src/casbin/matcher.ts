import { isDeepStrictEqual } from 'node:util';
import { evaluate, parseAsCasbin, parseExpression, printExpression, type Expression } from './expression.js';
import { matchFunctions } from './functions.js';
import { checkMatcher, UnsoundMatcher, type MatcherNames, type MatcherReading } from './matcher-check.js';

/** A matcher that was found sound. */
export interface Matcher extends Omit<MatcherReading, 'written'> {
  /** What casbin evaluates. */
  readonly text: string;
  /**
   * The objects that a line can name to match, beside the one that is asked about, as `*`. Absent where that cannot be
   * told from the form of the matcher.
   */
  readonly otherObjects: readonly string[] | undefined;
  /**
   * Whether a line can match at all for this object in this domain: by those of the conditions that read nothing else.
   * Lines for which it is false are left out, and casbin would not have matched them.
   */
  concerns(line: Readonly<Record<string, string>>, object: string, domain: string): boolean;
}

const unsoundText: readonly (readonly [RegExp, string])[] = [
  [/[`'\\]/, 'texts in a matcher are in double quotes, without backslashes'],
  // casbin puts texts back by a replacement in which `$` means something.
  [/\$/, '`$` is not supported in a matcher'],
  [/[^\x20-\x7e]/, 'a matcher is plain ASCII on one line'],
  [/\beval\b/, '`eval` is refused: it would run what policy lines say'],
];

/**
 * Checks a matcher, and writes it anew.
 *
 * @param text - as casbin reads it from the model, in which `r.sub` has become `r_sub`
 * @returns what is wrong with it, as text
 */
export function readMatcher(text: string, names: MatcherNames): Matcher | string {
  const unsound = unsoundText.find(([form]) => form.test(text));
  if (unsound !== undefined) return unsound[1];

  const tree = parseExpression(text);
  if (typeof tree === 'string') return tree;
  try {
    const { written, ...reading } = checkMatcher(tree, names);
    const rewritten = printExpression(written);
    if (!isDeepStrictEqual(parseAsCasbin(rewritten), written)) return 'casbin reads the matcher in more than one way';
    const otherObjects = conjuncts(written)
      .map(objectsNamed)
      .find((names) => names !== undefined);
    return { ...reading, text: rewritten, otherObjects, concerns: concerning(written) };
  } catch (error) {
    if (error instanceof UnsoundMatcher) return error.message;
    throw error;
  }
}

const functionsByName = Object.fromEntries(matchFunctions);

function concerning(written: Expression): Matcher['concerns'] {
  const ofLines = conjuncts(written).filter((part) => readsOnlyLines(part));
  return (line, object, domain) => {
    const names = { ...functionsByName, ...line, r_obj: object, r_dom: domain };
    return ofLines.every((part) => evaluate(part, names) === true);
  };
}

/** The texts of `r.obj == p.obj`, or of that or `p.obj == "*"`; `undefined` for any other condition. */
function objectsNamed(part: Expression): readonly string[] | undefined {
  if (part.type === 'LogicalExpression' && part.operator === '||') {
    const [left, right] = [objectsNamed(part.left), objectsNamed(part.right)];
    return left === undefined || right === undefined ? undefined : [...left, ...right];
  }
  if (part.type !== 'BinaryExpression' || !part.operator.startsWith('==')) return undefined;
  const sides = [part.left, part.right];
  const other = sides.find((side) => side.type !== 'Identifier' || side.name !== 'p_obj');
  if (other === undefined || !sides.some((side) => side.type === 'Identifier' && side.name === 'p_obj'))
    return undefined;
  if (other.type === 'Identifier') return other.name === 'r_obj' ? [] : undefined;
  return other.type === 'Literal' && typeof other.value === 'string' ? [other.value] : undefined;
}

function conjuncts(part: Expression): readonly Expression[] {
  return part.type === 'LogicalExpression' && part.operator === '&&'
    ? [...conjuncts(part.left), ...conjuncts(part.right)]
    : [part];
}

/** Whether an expression reads nothing but the line, the object and the domain, by functions that are always the same. */
function readsOnlyLines(part: Expression): boolean {
  switch (part.type) {
    case 'Literal':
      return true;
    case 'Identifier':
      return part.name.startsWith('p_') || part.name === 'r_obj' || part.name === 'r_dom';
    case 'UnaryExpression':
      return readsOnlyLines(part.argument);
    case 'BinaryExpression':
    case 'LogicalExpression':
      return readsOnlyLines(part.left) && readsOnlyLines(part.right);
    case 'CallExpression':
      return matchFunctions.has(part.callee.name) && part.arguments.every(readsOnlyLines);
    case 'ArrayExpression':
    case 'MemberExpression':
      return false;
  }
}

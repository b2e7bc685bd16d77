import { Lexer } from 'yaml';

/** How deep a file may be nested. What a revision can be taken of is less deep; the rest is told better than here. */
const deepest = 200;

/**
 * Whether a file is nested so deep that parsing it may end the process: parsers go as deep as the text does, and where
 * the stack ends within a regular expression, there is no error to catch.
 */
export function isNestedTooDeep(text: string): boolean {
  // Each level of block style begins with a character of its own, in front of all text of a line.
  if (/^[\uFEFF \t?:-]{200}/m.test(text)) return true;
  // Most files have no more brackets than that, wherever they are.
  return depthOf(text) > deepest && depthOf(new Lexer().lex(text)) > deepest;
}

/** How many brackets are open at the same time. */
function depthOf(tokens: Iterable<string>): number {
  let depth = 0;
  let most = 0;
  for (const token of tokens) {
    if (token === '[' || token === '{') most = Math.max(most, ++depth);
    else if (token === ']' || token === '}') depth = Math.max(0, depth - 1);
  }
  return most;
}

import type { AttributeValue } from './attributes.js';

/**
 * Parses JSON that somebody else wrote, and refuses what two parsers could read differently: duplicate member names
 * (RFC 8259, section 4 leaves their meaning open, and a gateway may read the first where we read the last).
 *
 * @throws SyntaxError on text that is not JSON, or has a duplicate member name, or nests deeper than `maxDepth`
 */
export function parseStrictJson(text: string, options: { readonly maxDepth?: number } = {}): AttributeValue {
  const value = JSON.parse(text) as AttributeValue;
  refuseDuplicateNames(text, options.maxDepth ?? 64);
  return value;
}

/** Walks text that is known to be valid JSON, keeping the set of names of each open object. */
function refuseDuplicateNames(text: string, maxDepth: number): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === quote) {
      const end = endOfString(text, at);
      const names = open.at(-1);
      if (names !== undefined && nextIsColon(text, end)) {
        const name = nameAt(text, at, end);
        if (names.has(name)) throw new SyntaxError(`duplicate member name ${JSON.stringify(name.slice(0, 80))}`);
        names.add(name);
      }
      at = end - 1;
    } else if (character === openBrace || character === openBracket) {
      if (open.length >= maxDepth) throw new SyntaxError(`nested deeper than ${String(maxDepth)} levels`);
      open.push(character === openBrace ? new Set() : undefined);
    } else if (character === closeBrace || character === closeBracket) {
      open.pop();
    }
  }
}

const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;

/** Two ways to write one name are one name; most are written without an escape. */
function nameAt(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1);
  return name.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : name;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at + 1;
}

/** In valid JSON, what comes before is white space. */
function nextIsColon(text: string, from: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= space) at++;
  return text.charCodeAt(at) === colon;
}

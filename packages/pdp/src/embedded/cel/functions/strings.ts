import { method, overload, type Overload } from '../overload.js';
import { failed, type CelResult, type CelValue } from '../cel-value.js';
import type { Work } from '../work.js';

/** Functions on text. Positions count code points. */
export const stringFunctions: readonly Overload[] = [
  method('startsWith', ['string', 'string'], 'bool', (text, prefix, work) => {
    work.spendText(prefix.length);
    return text.startsWith(prefix);
  }),
  method('endsWith', ['string', 'string'], 'bool', (text, suffix, work) => {
    work.spendText(suffix.length);
    return text.endsWith(suffix);
  }),
  method('contains', ['string', 'string'], 'bool', (text, part, work) => {
    work.spendText(text.length);
    return text.includes(part);
  }),
  method('lowerAscii', ['string'], 'string', (text, work) => {
    work.spend(text.length >> 2);
    return isAscii.test(text) ? text.toLowerCase() : text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  }),
  method('upperAscii', ['string'], 'string', (text, work) => {
    work.spend(text.length >> 2);
    return isAscii.test(text) ? text.toUpperCase() : text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
  }),
  method('charAt', ['string', 'int'], 'string', (text, index, work) => {
    const characters = charactersOf(text, work);
    if (index < 0n || index > BigInt(characters.length)) return failed;
    return characters[Number(index)] ?? '';
  }),
  method('indexOf', ['string', 'string'], 'int', (text, part, work) => indexOf(text, part, 0n, work)),
  method('indexOf', ['string', 'string', 'int'], 'int', indexOf),
  method('lastIndexOf', ['string', 'string'], 'int', (text, part, work) => {
    const length = charactersOf(text, work).length;
    return part === '' ? BigInt(length) : lastIndexOf(text, part, BigInt(length - 1), work);
  }),
  method('lastIndexOf', ['string', 'string', 'int'], 'int', lastIndexOf),
  method('replace', ['string', 'string', 'string'], 'string', (text, part, other, work) =>
    replace(text, part, other, -1n, work),
  ),
  method('replace', ['string', 'string', 'string', 'int'], 'string', replace),
  method('split', ['string', 'string'], 'list', (text, separator, work) => split(text, separator, -1n, work)),
  method('split', ['string', 'string', 'int'], 'list', split),
  method('substring', ['string', 'int'], 'string', (text, start, work) => {
    const characters = charactersOf(text, work);
    return slice(characters, start, BigInt(characters.length));
  }),
  method('substring', ['string', 'int', 'int'], 'string', (text, start, end, work) =>
    slice(charactersOf(text, work), start, end),
  ),
  method('trim', ['string'], 'string', (text, work) => {
    const kept = trimmed(text);
    work.spend((text.length - kept.length) >> 2);
    work.spendText(text.length);
    return kept;
  }),
  method('reverse', ['string'], 'string', (text, work) => charactersOf(text, work).reverse().join('')),
  method('join', ['list'], 'string', (items, work) => join(items, '', work)),
  method('join', ['list', 'string'], 'string', join),
  overload('strings.quote', ['string'], 'string', (text, work) => {
    work.spend(text.length >> 2);
    return quoted(text);
  }),
];

/** With it, the functions of JavaScript know no other letters; letter by letter takes long. */
const isAscii = /^[\0-\x7f]*$/;

/** Each character becomes a text of its own. */
function charactersOf(text: string, work: Work): string[] {
  work.spend(text.length >> 2);
  return Array.from(text);
}

/** Of an empty part, the position that the search begins at, even where the text has none. */
function indexOf(text: string, part: string, from: bigint, work: Work): CelResult {
  if (part === '') return from;
  const characters = charactersOf(text, work);
  if (from < 0n || from >= BigInt(characters.length)) return outside(characters, from);
  const start = characters.slice(0, Number(from)).join('').length;
  const index = text.indexOf(part, start);
  return index < 0 ? -1n : BigInt(Array.from(text.slice(0, index)).length);
}

function lastIndexOf(text: string, part: string, from: bigint, work: Work): CelResult {
  if (part === '') return from;
  const characters = charactersOf(text, work);
  if (from < 0n || from >= BigInt(characters.length)) return outside(characters, from);
  const start = characters.slice(0, Number(from)).join('').length;
  const index = text.lastIndexOf(part, start);
  return index < 0 ? -1n : BigInt(Array.from(text.slice(0, index)).length);
}

/** A search that begins outside the text finds nothing. */
function outside(characters: readonly string[], from: bigint): CelResult {
  return from < 0n && characters.length > 0 ? failed : -1n;
}

function replace(text: string, part: string, other: string, count: bigint, work: Work): CelResult {
  work.spendText(text.length);
  if (count === 0n) return text;
  const pieces = part === '' ? ['', ...Array.from(text), ''] : text.split(part);
  const limit = count < 0n ? pieces.length : Number(count);
  work.spendText(text.length + Math.min(pieces.length, limit) * other.length);
  return pieces.map((piece, index) => (index === 0 ? piece : `${index <= limit ? other : part}${piece}`)).join('');
}

function split(text: string, separator: string, count: bigint, work: Work): CelResult {
  if (count === 0n) return [];
  work.spendText(text.length);
  const pieces = separator === '' ? Array.from(text) : text.split(separator);
  work.spend(pieces.length);
  if (count < 0n || BigInt(pieces.length) <= count) return pieces;
  const limit = Number(count);
  return [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(separator)];
}

function slice(characters: readonly string[], start: bigint, end: bigint): CelResult {
  if (start > end || start < 0n || end > BigInt(characters.length)) return failed;
  return characters.slice(Number(start), Number(end)).join('');
}

/** What Unicode has as white space. Unlike JavaScript, that has the next line and not the mark of byte order. */
function trimmed(text: string): string {
  const isSpace = (index: number): boolean =>
    /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(text.charAt(index));
  let [start, end] = [0, text.length];
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}

function join(items: readonly CelValue[], separator: string, work: Work): CelResult {
  work.spend(items.length);
  const texts: string[] = [];
  for (const item of items) {
    if (typeof item !== 'string') return failed;
    work.spendText(item.length + separator.length);
    texts.push(item);
  }
  return texts.join(separator);
}

const escapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

function quoted(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is quoted
  return `"${text.replace(/[\u0007\b\f\n\r\t\v\\"]/g, (character) => escapes[character] ?? character)}"`;
}

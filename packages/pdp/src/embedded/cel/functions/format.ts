import { Bytes, bytesOf } from '../bytes.js';
import { decimalText, exponentText } from '../double.js';
import { Duration } from '../duration.js';
import { found, KeyedMap, keysOf } from '../keyed-map.js';
import { method, type Overload } from '../overload.js';
import { Timestamp } from '../timestamp.js';
import { TypeValue } from '../type-value.js';
import { Uint } from '../uint.js';
import { Unanswerable } from '../unanswerable.js';
import { failed, type CelMap, type CelResult, type CelValue } from '../cel-value.js';
import { compareText, isList, isMap } from '../value.js';
import type { Work } from '../work.js';

/** `format`: text with the values of a list in it. */
export const formatFunctions: readonly Overload[] = [method('format', ['string', 'list'], 'string', format)];

type Text = string | typeof failed;

const clause = /%(?:\.(\d+))?([sdfebxXo%])|%/g;
const defaultPrecision = 6;
/** As many digits as JavaScript writes after the point. */
const maxDigits = 100;
/** So many that what is cut off at the end cannot matter. */
const maxPrecision = 50;
/** What it takes to round a number in decimal digits, in steps. */
const roundingSteps = 100;

function format(text: string, values: readonly CelValue[], work: Work): CelResult {
  work.spendText(text.length);
  let result = '';
  let end = 0;
  let position = 0;
  for (const match of text.matchAll(clause)) {
    const [whole, precision, letter] = match;
    if (letter === undefined) return failed;
    result += text.slice(end, match.index);
    end = match.index + whole.length;
    if (letter === '%') {
      if (precision !== undefined) return failed;
      result += '%';
      continue;
    }
    const value = values[position++];
    const said = value === undefined ? failed : written(letter, Number(precision ?? defaultPrecision), value, work);
    if (said === failed) return failed;
    work.spendText(said.length);
    result += said;
  }
  return result + text.slice(end);
}

function written(letter: string, precision: number, value: CelValue, work: Work): Text {
  switch (letter) {
    case 's':
      return textOf(value, work);
    case 'd':
      return decimal(value);
    case 'f':
    case 'e':
      work.spend(roundingSteps);
      return rounded(letter, precision, value);
    case 'b':
      return typeof value === 'boolean' ? (value ? '1' : '0') : inBase(value, 2);
    case 'o':
      return inBase(value, 8);
    case 'x':
      return hexadecimal(value, work);
    case 'X': {
      const text = hexadecimal(value, work);
      return text === failed ? failed : text.toUpperCase();
    }
    default:
      return failed;
  }
}

function inBase(value: CelValue, base: number): Text {
  if (typeof value === 'bigint') return value.toString(base);
  return value instanceof Uint ? value.value.toString(base) : failed;
}

function hexadecimal(value: CelValue, work: Work): Text {
  if (typeof value !== 'string' && !(value instanceof Bytes)) return inBase(value, 16);
  const { bytes } = typeof value === 'string' ? bytesOf(value) : value;
  work.spend(bytes.length >> 1);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function decimal(value: CelValue): Text {
  if (typeof value === 'number') return doubleOf(value);
  return inBase(value, 10);
}

function doubleOf(value: number): string {
  return infinite(value) ?? decimalText(value);
}

function infinite(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return undefined;
  return value < 0 ? '-Infinity' : 'Infinity';
}

/** With a fixed number of digits. Of integers, Cerbos makes something that nobody means. */
function rounded(letter: 'f' | 'e', precision: number, value: CelValue): Text {
  if (typeof value === 'bigint' || value instanceof Uint)
    throw new Unanswerable(`an integer is written with \`%${letter}\``);
  if (typeof value !== 'number') return failed;
  if (precision > maxPrecision) throw new Unanswerable('a number is written with more than fifty digits');
  const special = infinite(value);
  if (special !== undefined) return special;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return sign + (letter === 'f' ? fixed(Math.abs(value), precision) : scientific(Math.abs(value), precision));
}

function fixed(size: number, precision: number): string {
  if (size >= 1e21) throw new Unanswerable('a number of more than 21 digits is written with `%f`');
  const [whole = '', fraction = ''] = size.toFixed(maxDigits).split('.');
  const digits = halfToEven(whole + fraction, maxDigits - precision).padStart(precision + 1, '0');
  const point = digits.length - precision;
  return precision === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
}

function scientific(size: number, precision: number): string {
  const [mantissa = '', power = ''] = size.toExponential(maxDigits).split('e');
  const digits = halfToEven(mantissa.replace('.', ''), maxDigits - precision).padEnd(precision + 1, '0');
  const exponent = Number(power) + digits.length - precision - 1;
  const rest = digits.slice(1, precision + 1);
  return `${digits.charAt(0)}${rest === '' ? '' : '.'}${rest}e${exponentText(exponent)}`;
}

/** Leaves out the last digits. Halves go to the even neighbour, as in Go; in JavaScript they go up. */
function halfToEven(digits: string, count: number): string {
  const kept = BigInt(digits.slice(0, digits.length - count));
  const rest = BigInt(digits.slice(digits.length - count));
  const half = 5n * 10n ** BigInt(count - 1);
  const isUp = rest > half || (rest === half && kept % 2n === 1n);
  return String(isUp ? kept + 1n : kept);
}

function textOf(value: CelValue, work: Work): Text {
  work.spend(1);
  switch (typeof value) {
    case 'string':
      // It is copied into each text around it.
      work.spendText(value.length);
      return value;
    case 'number':
      return doubleOf(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return value === null ? 'null' : textOfObject(value, work);
  }
}

function textOfObject(value: Exclude<CelValue, null>, work: Work): Text {
  if (isList(value)) {
    const items = value.map((item) => textOf(item, work));
    return items.includes(failed) ? failed : `[${items.join(', ')}]`;
  }
  if (isMap(value) || value instanceof KeyedMap) return textOfMap(value, work);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Timestamp) return String(new Timestamp(value.nanos));
  if (value instanceof Duration) return String(value);
  if (value instanceof TypeValue) return value.name;
  if (!(value instanceof Bytes)) return failed;
  const text = value.toText();
  if (typeof text !== 'string') throw new Unanswerable('bytes that are no text are written with `%s`');
  return text;
}

/** In the order of the keys as text. */
function textOfMap(map: CelMap | KeyedMap, work: Work): Text {
  const entries: (readonly [string, string])[] = [];
  for (const key of keysOf(map, work)) {
    const name = textOf(key, work);
    const value = textOf(found(map, key) ?? null, work);
    if (name === failed || value === failed) return failed;
    entries.push([name, value]);
  }
  entries.sort(([one], [other]) => compareText(one, other));
  return `{${entries.map(([name, value]) => `${name}: ${value}`).join(', ')}}`;
}

import { Unanswerable } from './unanswerable.js';

/**
 * A double as text, the way CEL's `string()` writes it: the shortest digits, and an exponent from a million upwards.
 *
 * @see https://pkg.go.dev/strconv#FormatFloat with format `g` and precision -1
 */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponentText(exponent)}`;
}

/** An exponent as Go writes it: with its sign, and two digits at least. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/**
 * A finite double in decimal digits alone: the shortest that tell it from its neighbours, and no exponent.
 *
 * @see https://pkg.go.dev/strconv#FormatFloat with format `f` and precision -1
 */
export function decimalText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', power = ''] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const point = Number(power) + 1;
  const sign = value < 0 ? '-' : '';
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** What Go may read as a number, and JavaScript does not: hexadecimal digits, and underscores between digits. */
const unusual = /^[+-]?(?=.*[x_])[\da-fx][\da-fx_.p+-]*$/i;

/**
 * Reads a double as Go does, with its words for what is not finite. `undefined` for what is none, or is too large.
 *
 * @see https://pkg.go.dev/strconv#ParseFloat
 * @throws Unanswerable for hexadecimal digits, and for underscores between digits
 */
export function parseDouble(text: string): number | undefined {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  if (unusual.test(text)) throw new Unanswerable('a text with hexadecimal digits or underscores is read as a double');
  const value = decimal.test(text) ? Number(text) : undefined;
  return value === undefined || Number.isFinite(value) ? value : undefined;
}

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

/** The words for what is not finite, and digits with what Go allows between them. No part can be read in two ways. */
const infinity = /^[+-]?inf(?:inity)?$/i;
const decimal = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;
const hexadecimal =
  /^([+-]?)0x(?:_?([\da-f]+(?:_[\da-f]+)*)(?:\.([\da-f]+(?:_[\da-f]+)*)?)?|\.([\da-f]+(?:_[\da-f]+)*))p([+-]?\d+(?:_\d+)*)$/i;

/** Beyond it, Go does not look at all of an exponent. */
const maxLength = 10_000;

/**
 * Reads a double as Go does: in decimal or hexadecimal digits, with underscores between them, and with its words for
 * what is not finite. `undefined` for what is none, or is too large.
 *
 * @see https://pkg.go.dev/strconv#ParseFloat
 * @throws Unanswerable for more than 10,000 characters
 */
export function parseDouble(text: string): number | undefined {
  if (infinity.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const [, sign, whole = '', after = '', alone = '', exponent = ''] = hexadecimal.exec(text) ?? [];
  if (sign === undefined && !decimal.test(text)) return undefined;
  if (text.length > maxLength) throw new Unanswerable('a number of more than 10,000 characters is read');
  const plain = text.replaceAll('_', '');
  if (sign === undefined) return finite(Number(plain));
  const fraction = (after + alone).replaceAll('_', '');
  const digits = BigInt(`0x${whole.replaceAll('_', '')}${fraction}`);
  const size = scaled(digits, Number(exponent.replaceAll('_', '')) - 4 * fraction.length);
  return finite(sign === '-' ? -size : size);
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** The smallest double above zero is two to this power; a double has 53 bits. */
const leastPower = -1074;
const mantissaBits = 53;

/** `digits * 2 ** power` as the nearest double, of two the even one. */
function scaled(digits: bigint, power: number): number {
  if (digits === 0n) return 0;
  const bits = digits.toString(16).length * 4 - Math.clz32(parseInt(digits.toString(16).charAt(0), 16)) + 28;
  // So large, or so small, that no shift is worth the while.
  if (power + bits > 1100) return Infinity;
  if (power + bits < leastPower - 1) return 0;
  const at = Math.max(power + bits - mantissaBits, leastPower);
  if (at <= power) return Number(digits) * 2 ** power;
  const shift = BigInt(at - power);
  const kept = digits >> shift;
  const rest = digits - (kept << shift);
  const half = 1n << (shift - 1n);
  const isUp = rest > half || (rest === half && kept % 2n === 1n);
  return Number(isUp ? kept + 1n : kept) * 2 ** at;
}

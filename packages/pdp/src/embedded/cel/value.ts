/**
 * A value of the expression language: JSON as it came, and `bigint` for CEL's `int`. A JavaScript `number` is always
 * CEL's `double`, as all numbers of attributes are.
 */
export type CelValue =
  string | number | bigint | boolean | null | readonly CelValue[] | { readonly [name: string]: CelValue };

/** CEL's map with string keys. Members are looked up with `Object.hasOwn` alone: nothing is inherited. */
export type CelMap = Readonly<Record<string, CelValue>>;

/** What an expression gives that erred. It is a value, and not thrown: erring is common and has to be cheap. */
export const failed: unique symbol = Symbol('failed');

/** A value, or the failure to have one. */
export type CelResult = CelValue | typeof failed;

export function isList(value: CelResult): value is readonly CelValue[] {
  return Array.isArray(value);
}

export function isMap(value: CelResult): value is CelMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A map that inherits nothing, to be filled. */
export function emptyMap(): Record<string, CelValue> {
  return Object.create(null) as Record<string, CelValue>;
}

/** A member of a map, and of nothing else. */
export function member(value: CelResult, name: string): CelResult {
  if (!isMap(value) || !Object.hasOwn(value, name)) return failed;
  return value[name] ?? null;
}

/** CEL's `==`: values of different types are different, numbers are compared by what they amount to. */
export function equals(left: CelValue, right: CelValue): boolean {
  if (left === right) return true;
  if (typeof left === 'bigint' || typeof left === 'number') {
    // Loosely, because that compares an int and a double exactly, without rounding either.
    // eslint-disable-next-line eqeqeq
    return (typeof right === 'bigint' || typeof right === 'number') && left == right;
  }
  if (isList(left)) {
    return (
      isList(right) && left.length === right.length && left.every((item, index) => equals(item, right[index] ?? null))
    );
  }
  if (!isMap(left) || !isMap(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && equals(left[name] ?? null, right[name] ?? null))
  );
}

/** CEL's order: below zero, zero or above; what has no order fails. */
export function compare(left: CelResult, right: CelResult): number | typeof failed {
  if (typeof left === 'string') return typeof right === 'string' ? compareText(left, right) : failed;
  if (typeof left === 'boolean') return typeof right === 'boolean' ? Number(left) - Number(right) : failed;
  if (!isNumber(left) || !isNumber(right) || Number.isNaN(left) || Number.isNaN(right)) return failed;
  if (left < right) return -1;
  return left > right ? 1 : 0;
}

function isNumber(value: CelResult): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** By code points, as UTF-8 sorts. JavaScript's own order puts the astral planes before the last of the basic one. */
function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const one = left.charCodeAt(index);
    const other = right.charCodeAt(index);
    if (one !== other) return weight(one) - weight(other);
  }
  return left.length - right.length;
}

/** Where a UTF-16 unit sorts: surrogates stand for code points above all others. */
function weight(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

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
  const size = String(Math.abs(exponent)).padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
}

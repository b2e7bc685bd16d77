import type { Evaluate } from './expression.js';
import { compare, equals, failed, isList, isMap, type CelResult, type CelValue } from './value.js';

const minInt = -(2n ** 63n);
const maxInt = 2n ** 63n - 1n;

type Binary = (left: CelValue, right: CelValue) => CelResult;

/** The operators on two values. Mixed types have no sum: CEL converts nothing by itself. */
export const binaryOperators: Readonly<Record<string, Binary>> = {
  '==': equals,
  '!=': (left, right) => !equals(left, right),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  in: (left, right) => {
    if (isList(right)) return right.some((item) => equals(left, item));
    return isMap(right) ? typeof left === 'string' && Object.hasOwn(right, left) : failed;
  },
  '+': (left, right) => {
    if (typeof left === 'string' && typeof right === 'string') return left + right;
    if (isList(left) && isList(right)) return [...left, ...right];
    return numeric(
      left,
      right,
      (a, b) => a + b,
      (a, b) => a + b,
    );
  },
  '-': (left, right) =>
    numeric(
      left,
      right,
      (a, b) => a - b,
      (a, b) => a - b,
    ),
  '*': (left, right) =>
    numeric(
      left,
      right,
      (a, b) => a * b,
      (a, b) => a * b,
    ),
  '/': (left, right) =>
    right === 0n
      ? failed
      : numeric(
          left,
          right,
          (a, b) => a / b,
          (a, b) => a / b,
        ),
  '%': (left, right) =>
    typeof left === 'bigint' && typeof right === 'bigint' && right !== 0n && !(left === minInt && right === -1n)
      ? left % right
      : failed,
};

function ordered(accept: (order: number) => boolean): Binary {
  return (left, right) => {
    const order = compare(left, right);
    return order === failed ? failed : accept(order);
  };
}

function numeric(
  left: CelValue,
  right: CelValue,
  ofInts: (a: bigint, b: bigint) => bigint,
  ofDoubles: (a: number, b: number) => number,
): CelResult {
  if (typeof left === 'number' && typeof right === 'number') return ofDoubles(left, right);
  if (typeof left !== 'bigint' || typeof right !== 'bigint') return failed;
  const result = ofInts(left, right);
  return result < minInt || result > maxInt ? failed : result;
}

/** Whether a literal is within CEL's `int`. */
export function isInt(value: bigint): boolean {
  return value >= minInt && value <= maxInt;
}

export function negated(value: CelResult): CelResult {
  if (typeof value === 'number') return -value;
  return typeof value === 'bigint' && value !== minInt ? -value : failed;
}

/** `&&` and `||`: what decides wins over a failure, on either side. */
export function logical(decides: boolean, left: Evaluate, right: Evaluate): Evaluate {
  return (activation) => {
    const one = left(activation);
    if (one === decides) return decides;
    const other = right(activation);
    if (other === decides) return decides;
    return one === !decides && other === !decides ? !decides : failed;
  };
}

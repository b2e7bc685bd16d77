import { Bytes } from './bytes.js';
import { Duration, durationOf } from './duration.js';
import { Timestamp } from './timestamp.js';
import { Uint, uintOf } from './uint.js';
import { failed, type CelResult, type CelValue } from './cel-value.js';
import { isList } from './value.js';
import type { Work } from './work.js';

const minInt = -(2n ** 63n);
const maxInt = 2n ** 63n - 1n;

/** Whether an integer is within CEL's `int`. */
export function isInt(value: bigint): boolean {
  return value >= minInt && value <= maxInt;
}

function intOf(value: bigint): CelResult {
  return isInt(value) ? value : failed;
}

/** `+`. Mixed types have no sum: CEL converts nothing by itself. */
export function sum(left: CelValue, right: CelValue, work?: Work): CelResult {
  if (typeof left === 'number') return typeof right === 'number' ? left + right : failed;
  if (typeof left === 'bigint') return typeof right === 'bigint' ? intOf(left + right) : failed;
  if (typeof left === 'string') {
    if (typeof right !== 'string') return failed;
    work?.spendText(left.length + right.length);
    return left + right;
  }
  if (isList(left) && isList(right)) {
    work?.spend(left.length + right.length);
    return [...left, ...right];
  }
  return sumOfObjects(left, right, work);
}

function sumOfObjects(left: CelValue, right: CelValue, work?: Work): CelResult {
  if (left instanceof Uint && right instanceof Uint) return uintOf(left.value + right.value, failed);
  if (left instanceof Duration) {
    if (right instanceof Duration) return durationOf(left.nanos + right.nanos);
    return right instanceof Timestamp ? right.plus(left, 1n) : failed;
  }
  if (left instanceof Timestamp && right instanceof Duration) return left.plus(right, 1n);
  if (!(left instanceof Bytes) || !(right instanceof Bytes)) return failed;
  work?.spendText(left.bytes.length + right.bytes.length);
  return left.plus(right);
}

/** `-` */
export function difference(left: CelValue, right: CelValue): CelResult {
  if (typeof left === 'number') return typeof right === 'number' ? left - right : failed;
  if (typeof left === 'bigint') return typeof right === 'bigint' ? intOf(left - right) : failed;
  if (left instanceof Uint && right instanceof Uint) return uintOf(left.value - right.value, failed);
  if (left instanceof Duration && right instanceof Duration) return durationOf(left.nanos - right.nanos);
  if (!(left instanceof Timestamp)) return failed;
  if (right instanceof Timestamp) return left.since(right);
  return right instanceof Duration ? left.plus(right, -1n) : failed;
}

/** `*` */
export function product(left: CelValue, right: CelValue): CelResult {
  if (typeof left === 'number') return typeof right === 'number' ? left * right : failed;
  if (typeof left === 'bigint') return typeof right === 'bigint' ? intOf(left * right) : failed;
  return left instanceof Uint && right instanceof Uint ? uintOf(left.value * right.value, failed) : failed;
}

/** `/`, which rounds integers towards zero. */
export function quotient(left: CelValue, right: CelValue): CelResult {
  if (typeof left === 'number') return typeof right === 'number' ? left / right : failed;
  if (typeof left === 'bigint') return typeof right === 'bigint' && right !== 0n ? intOf(left / right) : failed;
  return left instanceof Uint && right instanceof Uint && right.value !== 0n
    ? new Uint(left.value / right.value)
    : failed;
}

/** `%`, of integers alone. */
export function remainder(left: CelValue, right: CelValue): CelResult {
  if (typeof left === 'bigint' && typeof right === 'bigint')
    return right === 0n || (left === minInt && right === -1n) ? failed : left % right;
  return left instanceof Uint && right instanceof Uint && right.value !== 0n
    ? new Uint(left.value % right.value)
    : failed;
}

/** `-x` */
export function negated(value: CelResult): CelResult {
  if (typeof value === 'number') return -value;
  if (typeof value === 'bigint') return intOf(-value);
  return value instanceof Duration ? durationOf(-value.nanos) : failed;
}

import { CelObject, type CelMap, type CelResult, type CelValue, failed } from './cel-value.js';
import { Uint } from './uint.js';
import { Unanswerable } from './unanswerable.js';
import type { Work } from './work.js';

export function isList(value: CelResult): value is readonly CelValue[] {
  return Array.isArray(value);
}

/** Whether a value is a map whose keys are all text. */
export function isMap(value: CelResult): value is CelMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof CelObject);
}

/** A map that inherits nothing, to be filled. */
export function emptyMap(): Record<string, CelValue> {
  return Object.create(null) as Record<string, CelValue>;
}

/** A map of these entries that inherits nothing. */
export function mapOf(entries: readonly (readonly [string, CelValue])[]): CelMap {
  const map = emptyMap();
  for (const [name, value] of entries) map[name] = value;
  return map;
}

/** A member of a map, and of nothing else. */
export function member(value: CelResult, name: string): CelResult {
  if (!isMap(value) || !Object.hasOwn(value, name)) return failed;
  return value[name] ?? null;
}

/** Up to this many characters, two texts are compared for nothing. */
export const freeText = 256;

/**
 * CEL's `==`: values of different types are different, numbers are compared by what they amount to, and an integer as
 * the double next to it where the other one is a double.
 *
 * @throws Unanswerable
 */
export function equals(left: CelValue, right: CelValue, work?: Work): boolean | typeof failed {
  switch (typeof left) {
    case 'string':
      if (left.length >= freeText && typeof right === 'string' && left.length === right.length)
        work?.spendText(left.length);
      return left === right;
    case 'boolean':
      return left === right;
    case 'number':
      if (typeof right === 'number') return left === right;
      return typeof right === 'bigint' ? left === Number(right) : right instanceof Uint && right.equals(left);
    case 'bigint':
      if (typeof right === 'bigint') return left === right;
      return typeof right === 'number' ? Number(left) === right : right instanceof Uint && right.equals(left);
    default:
      if (left === null) return right === null;
      if (left instanceof CelObject) return right !== null && left.equals(right, work);
      if (isList(left)) return isList(right) && sameItems(left, right, work);
      return isMap(right) && sameMembers(left, right, work);
  }
}

function sameItems(left: readonly CelValue[], right: readonly CelValue[], work?: Work): boolean {
  if (left.length !== right.length) return false;
  work?.spend(left.length);
  return left.every((item, index) => equalsWithin(item, right[index] ?? null, work));
}

function sameMembers(left: CelMap, right: CelMap, work?: Work): boolean {
  const names = Object.keys(left);
  const count = Object.keys(right).length;
  // The names of both are put together first, also where one has more.
  work?.spend((names.length + count) << 2);
  if (names.length !== count) return false;
  return names.every(
    (name) => Object.hasOwn(right, name) && equalsWithin(left[name] ?? null, right[name] ?? null, work),
  );
}

/**
 * Equality within lists and maps.
 *
 * @throws Unanswerable where it fails: to Cerbos, the items are equal then, and turned around they are not
 */
export function equalsWithin(left: CelValue, right: CelValue, work?: Work): boolean {
  const isEqual = equals(left, right, work);
  if (isEqual === failed) throw new Unanswerable('what cannot be compared is compared within a list or a map');
  return isEqual;
}

/** CEL's order: below zero, zero or above; what has no order fails. */
export function compare(left: CelResult, right: CelResult): number | typeof failed {
  if (left === failed || right === failed) return failed;
  if (typeof left === 'string') return typeof right === 'string' ? compareText(left, right) : failed;
  if (typeof left === 'boolean') return typeof right === 'boolean' ? Number(left) - Number(right) : failed;
  const [one, other] = [numberOf(left), numberOf(right)];
  if (one !== undefined && other !== undefined) return compareNumbers(one, other);
  return left instanceof CelObject ? (left.compare?.(right) ?? failed) : failed;
}

function numberOf(value: CelValue): number | bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Uint ? value.value : undefined;
}

function compareNumbers(left: number | bigint, right: number | bigint): number | typeof failed {
  if (typeof left === 'bigint' && typeof right === 'bigint') return left < right ? -1 : Number(left > right);
  const [one, other] = [Number(left), Number(right)];
  if (Number.isNaN(one) || Number.isNaN(other)) return failed;
  return one < other ? -1 : Number(one > other);
}

/** By code points, as UTF-8 sorts. JavaScript's own order puts the astral planes before the last of the basic one. */
export function compareText(left: string, right: string): number {
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

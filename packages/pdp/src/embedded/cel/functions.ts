import { doubleText, equals, failed, isList, isMap, type CelResult, type CelValue } from './value.js';

type CelFunction = (...args: readonly (CelValue | undefined)[]) => CelResult;

/** Functions by name and number of arguments; for a method, the receiver is the first of them. */
export const functions: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ['size/1', size],
  ['.size/1', size],
  ['string/1', text],
  ['.startsWith/2', onTexts((value, prefix) => value.startsWith(prefix))],
  ['.endsWith/2', onTexts((value, suffix) => value.endsWith(suffix))],
  ['.contains/2', onTexts((value, part) => value.includes(part))],
  ['.lowerAscii/1', onText((value) => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase()))],
  ['.upperAscii/1', onText((value) => value.replace(/[a-z]/g, (letter) => letter.toUpperCase()))],
  ...['hasIntersection/2', '.hasIntersection/2'].map(
    (name) => [name, onLists((left, right) => left.some((item) => has(right, item)))] as const,
  ),
  ...['isSubset/2', '.isSubset/2'].map(
    (name) => [name, onLists((left, right) => left.every((item) => has(right, item)))] as const,
  ),
  ...['intersect/2', '.intersect/2'].map(
    (name) => [name, onLists((left, right) => left.filter((item) => has(right, item)))] as const,
  ),
  ...['except/2', '.except/2'].map(
    (name) => [name, onLists((left, right) => left.filter((item) => !has(right, item)))] as const,
  ),
]);

function has(list: readonly CelValue[], value: CelValue): boolean {
  return list.some((item) => equals(item, value));
}

function onTexts(run: (value: string, other: string) => CelResult): CelFunction {
  return (value, other) => (typeof value === 'string' && typeof other === 'string' ? run(value, other) : failed);
}

function onText(run: (value: string) => CelResult): CelFunction {
  return (value) => (typeof value === 'string' ? run(value) : failed);
}

function onLists(run: (left: readonly CelValue[], right: readonly CelValue[]) => CelResult): CelFunction {
  return (left, right) =>
    left !== undefined && right !== undefined && isList(left) && isList(right) ? run(left, right) : failed;
}

/** Characters are code points. */
function size(value: CelValue | undefined): CelResult {
  if (typeof value === 'string') {
    let count = 0n;
    for (const _character of value) count++;
    return count;
  }
  if (value === undefined) return failed;
  if (isList(value)) return BigInt(value.length);
  return isMap(value) ? BigInt(Object.keys(value).length) : failed;
}

function text(value: CelValue | undefined): CelResult {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  return typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : failed;
}

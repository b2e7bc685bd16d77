import type { Activation, Evaluate } from './expression.js';
import { failed, isList, isMap, type CelResult, type CelValue } from './value.js';

/** A macro over a list, or over the keys of a map: what each item gives, taken together. */
export type Macro = (range: Evaluate, depth: number, body: Evaluate, result?: Evaluate) => Evaluate;

/** The macros of one variable. */
export const macros: Readonly<Record<string, Macro>> = {
  all: quantifier(false),
  exists: quantifier(true),
  exists_one: (range, depth, body) =>
    over(range, (items, activation) => {
      let count = 0;
      for (const item of items) {
        const result = at(activation, depth, item, body);
        if (typeof result !== 'boolean') return failed;
        if (result) count++;
      }
      return count === 1;
    }),
  filter: (range, depth, body) =>
    over(range, (items, activation) => collect(items, activation, depth, body, (item) => item)),
  map: (range, depth, body, result) =>
    over(range, (items, activation) =>
      result === undefined
        ? collect(items, activation, depth, undefined, (item) => at(activation, depth, item, body))
        : collect(items, activation, depth, body, (item) => at(activation, depth, item, result)),
    ),
};

/** `all` (decided by the first false) and `exists` (by the first true). What decides wins over failures. */
function quantifier(decides: boolean): Macro {
  return (range, depth, body) =>
    over(range, (items, activation) => {
      let anyFailed = false;
      for (const item of items) {
        const result = at(activation, depth, item, body);
        if (result === decides) return decides;
        if (typeof result !== 'boolean') anyFailed = true;
      }
      return anyFailed ? failed : !decides;
    });
}

function over(range: Evaluate, run: (items: readonly CelValue[], activation: Activation) => CelResult): Evaluate {
  return (activation) => {
    const items = range(activation);
    if (isList(items)) return run(items, activation);
    return isMap(items) ? run(Object.keys(items), activation) : failed;
  };
}

function at(activation: Activation, depth: number, item: CelValue, body: Evaluate): CelResult {
  activation.locals[depth] = item;
  return body(activation);
}

function collect(
  items: readonly CelValue[],
  activation: Activation,
  depth: number,
  condition: Evaluate | undefined,
  result: (item: CelValue) => CelResult,
): CelResult {
  const collected: CelValue[] = [];
  for (const item of items) {
    const wanted = condition === undefined ? true : at(activation, depth, item, condition);
    if (typeof wanted !== 'boolean') return failed;
    if (!wanted) continue;
    const value = result(item);
    if (value === failed) return failed;
    collected.push(value);
  }
  return collected;
}

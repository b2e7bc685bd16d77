import { difference, product, quotient, remainder, sum } from './arithmetic.js';
import { Bytes } from './bytes.js';
import type { Evaluate } from './expression.js';
import { found, KeyedMap } from './keyed-map.js';
import { failed, type CelResult, type CelValue } from './cel-value.js';
import { compare, equals, isList, isMap } from './value.js';
import type { Work } from './work.js';

export { negated } from './arithmetic.js';

/** An operator on two values. What it costs is paid from what the request may cost, where that is given. */
export type Binary = (left: CelValue, right: CelValue, work?: Work) => CelResult;

/** The operators on two values. */
export const binaryOperators: Readonly<Record<string, Binary>> = {
  '==': equals,
  // What cannot be compared is different, too.
  '!=': (left, right, work) => equals(left, right, work) !== true,
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  in: contains,
  '+': sum,
  '-': difference,
  '*': product,
  '/': quotient,
  '%': remainder,
};

function contains(item: CelValue, container: CelValue, work?: Work): CelResult {
  if (isList(container)) {
    work?.spend(container.length);
    return container.some((one) => equals(item, one, work) === true);
  }
  return isMap(container) || container instanceof KeyedMap ? found(container, item) !== undefined : failed;
}

function ordered(accept: (order: number) => boolean): Binary {
  return (left, right, work) => {
    if (typeof left === 'string' && typeof right === 'string') work?.spendText(Math.min(left.length, right.length));
    else if (left instanceof Bytes) work?.spendText(left.bytes.length);
    const order = compare(left, right);
    return order === failed ? failed : accept(order);
  };
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

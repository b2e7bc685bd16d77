import type { Evaluate } from './expression.js';
import type { Kind } from './kind.js';
import { binaryOperators } from './operators.js';
import { joinedItem, type Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelValue } from './cel-value.js';
import { equals, freeText, isList } from './value.js';

const numbers: ReadonlySet<Kind> = new Set<Kind>(['int', 'uint', 'double']);
const ordered: ReadonlySet<Kind> = new Set<Kind>([
  ...numbers,
  ...(['string', 'bool', 'bytes', 'timestamp', 'duration'] as const),
]);
const summed: ReadonlySet<Kind> = new Set<Kind>([...numbers, 'string', 'bytes', 'list', 'duration']);

/**
 * An operator on two parts.
 *
 * @throws Unsupported where it is known already that their types do not go together
 */
export function binary(operator: string, left: Typed, right: Typed): Typed {
  const run = binaryOperators[operator];
  const kind = kindOf(operator, left.kind, right.kind);
  if (run === undefined || kind === undefined)
    throw new Unsupported(`the operator \`${operator}\` does not take (${left.kind}, ${right.kind})`);
  const [one, other] = [left.evaluate, right.evaluate];
  if (operator === '==') return { evaluate: equality(one, other), kind };
  if (operator === 'in' && isTexts(right.constant)) return { evaluate: amongTexts(one, new Set(right.constant)), kind };
  return {
    evaluate: (activation) => {
      const first = one(activation);
      if (first === failed) return failed;
      const second = other(activation);
      return second === failed ? failed : run(first, second, activation.work);
    },
    kind,
    item: operator === '+' && isSumOfLists(left.kind, right.kind) ? joinedItem(left, right) : undefined,
  };
}

function isSumOfLists(left: Kind, right: Kind): boolean {
  return left === 'list' || right === 'list';
}

/** The most frequent of all: texts, numbers and booleans need not be looked at closely. */
function equality(left: Evaluate, right: Evaluate): Evaluate {
  return (activation) => {
    const one = left(activation);
    if (one === failed) return failed;
    const other = right(activation);
    if (other === failed) return failed;
    if (typeof one === 'boolean') return one === other;
    if (typeof one === 'string' && one.length < freeText) return one === other;
    return equals(one, other, activation.work);
  };
}

function isTexts(value: CelValue | undefined): value is readonly string[] {
  return value !== undefined && isList(value) && value.every((item) => typeof item === 'string');
}

/** Whether a value is one of the texts that an expression lists: how many they are costs nothing. */
function amongTexts(item: Evaluate, texts: ReadonlySet<CelValue>): Evaluate {
  return (activation) => {
    const value = item(activation);
    if (value === failed) return failed;
    if (typeof value === 'string' && value.length >= freeText) activation.work.spendText(value.length);
    return texts.has(value);
  };
}

/** What the operator gives for kinds that are known; nothing where Cerbos has no such form. Null may be anything. */
function kindOf(operator: string, left: Kind, right: Kind): Kind | undefined {
  const isOpen = [left, right].some((kind) => kind === 'dyn' || kind === 'null');
  switch (operator) {
    case '==':
    case '!=':
      return isOpen || left === right ? 'bool' : undefined;
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const areNumbers = numbers.has(left) && numbers.has(right);
      return isOpen || areNumbers || (left === right && ordered.has(left)) ? 'bool' : undefined;
    }
    case 'in':
      return right === 'list' || right === 'map' || right === 'dyn' || right === 'null' ? 'bool' : undefined;
    case '+':
    case '-':
      // Nothing but a list is added to a list.
      if (operator === '+' && isOpen && isSumOfLists(left, right)) return 'list';
      return isOpen ? 'dyn' : (timeOf(operator, left, right) ?? same(left, right, summed));
    default:
      return isOpen ? 'dyn' : same(left, right, numbers);
  }
}

function same(left: Kind, right: Kind, of: ReadonlySet<Kind>): Kind | undefined {
  return left === right && of.has(left) ? left : undefined;
}

function timeOf(operator: '+' | '-', left: Kind, right: Kind): Kind | undefined {
  if (left === 'timestamp' && right === 'duration') return 'timestamp';
  if (operator === '+') return left === 'duration' && right === 'timestamp' ? 'timestamp' : undefined;
  return left === 'timestamp' && right === 'timestamp' ? 'duration' : undefined;
}

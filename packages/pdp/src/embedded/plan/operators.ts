import { CelObject, failed, type CelValue } from '../cel/cel-value.js';
import { isList, isMap } from '../cel/value.js';
import { binaryOperators, negated as negatedValue } from '../cel/operators.js';
import { known, operation, wrong, type OpenType, type Part } from './part.js';
import { Unplannable } from './unplannable.js';

/**
 * Refuses a value that JSON has not: of what is in it, nothing is said here.
 *
 * @throws Unplannable
 */
export function refuseObject(value: CelValue): void {
  if (value instanceof CelObject) throw new Unplannable(`a value of the type \`${value.type}\``);
}

function run(operator: string, left: CelValue, right: CelValue): Part {
  const value = binaryOperators[operator]?.(left, right) ?? failed;
  return value === failed ? wrong : known(value);
}

/** `==` and `!=`: numbers are compared by what they amount to, so that int and double need not be told apart. */
export function equality(operator: '==' | '!=', left: Part, right: Part): Part {
  if (left.kind === 'wrong' || right.kind === 'wrong') return wrong;
  if (left.kind === 'known' && right.kind === 'known') return run(operator, left.value, right.value);
  return operation(operator === '==' ? 'eq' : 'ne', [left, right], 'boolean');
}

const orders = { '<': 'lt', '<=': 'le', '>': 'gt', '>=': 'ge' } as const;

export function compared(operator: keyof typeof orders, left: Part, right: Part): Part {
  if (left.kind === 'wrong' || right.kind === 'wrong') return wrong;
  if (left.kind === 'known' && right.kind === 'known') return run(operator, left.value, right.value);
  if (hasNoOrder(left) || hasNoOrder(right)) return wrong;
  return operation(orders[operator], [left, right], 'boolean');
}

function hasNoOrder(part: Part): boolean {
  return part.kind === 'known' && (part.value === null || isList(part.value) || isMap(part.value));
}

export function contained(left: Part, right: Part): Part {
  if (left.kind === 'wrong' || right.kind === 'wrong') return wrong;
  if (right.kind !== 'known') return operation('in', [left, right], 'boolean');
  if (left.kind === 'known') return run('in', left.value, right.value);
  if (isList(right.value)) return operation('in', [left, right], 'boolean');
  // A plan looks for a key among the keys, as Cerbos has it.
  if (isMap(right.value)) return operation('in', [left, known(Object.keys(right.value))], 'boolean');
  refuseObject(right.value);
  return wrong;
}

const calculations = { '+': 'add', '-': 'sub', '*': 'mult', '/': 'div', '%': 'mod' } as const;

/**
 * Arithmetic. There is none between an int and a double, and a plan has one kind of numbers: what errs in a check, as
 * `R.attr.n + 1` always does, has to be left out here.
 */
export function calculated(operator: keyof typeof calculations, left: Part, right: Part): Part {
  if (left.kind === 'wrong' || right.kind === 'wrong') return wrong;
  if (left.kind === 'known' && right.kind === 'known') return run(operator, left.value, right.value);
  const types = [left, right].map(typeOf);
  const hasAnInt = types.includes('int');
  if (hasAnInt ? types.some((type) => type !== 'int' && type !== 'any') : operator === '%' && !types.includes('any'))
    return wrong;
  const number = [left, right].find((part) => part.kind === 'known' && isWhole(part.value));
  if (number !== undefined && types.includes('any'))
    throw new Unplannable(`\`${operator}\` with a whole number, of which a plan does not say whether it is an int`);
  return operation(calculations[operator], [left, right], hasAnInt ? 'int' : typeOfResult(operator, types));
}

function typeOfResult(operator: string, types: readonly OpenType[]): OpenType {
  if (types.includes('any')) return 'any';
  return operator === '+' ? 'json' : 'double';
}

function isWhole(value: CelValue): boolean {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
}

/** `-x` */
export function opposite(part: Part): Part {
  if (part.kind === 'wrong') return wrong;
  if (part.kind === 'known') {
    const value = negatedValue(part.value);
    return value === failed ? wrong : known(value);
  }
  if (part.type === 'string' || part.type === 'boolean') return wrong;
  return operation('-_', [part], part.type === 'json' ? 'double' : part.type);
}

function typeOf(part: Part): OpenType {
  if (part.kind === 'open') return part.type;
  const value = part.kind === 'known' ? part.value : null;
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    case 'boolean':
      return 'boolean';
    default:
      return 'any';
  }
}

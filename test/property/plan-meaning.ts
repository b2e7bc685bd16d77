import type { Attributes, AttributeValue, PlanExpression } from '@portcullis/core';

/** A row, as a plan's condition reads it. */
export interface PlannedRow {
  readonly id: string;
  readonly attr: Attributes;
}

/** What an expression errs with. */
export const failed = Symbol('failed');
type Value = string | number | bigint | boolean | null | readonly Value[] | { readonly [name: string]: Value };
type Result = Value | typeof failed;

/** An operator that is not known here: nothing can be said. */
export class UnknownOperator extends Error {
  override readonly name = 'UnknownOperator';
}

type Locals = ReadonlyMap<string, Value>;

/**
 * What a plan's condition means for one row, in the terms of CEL: a boolean, or an error. Written apart from both engines,
 * so that it is a second opinion. A whole number of the plan is an int beside an int, and a double otherwise.
 *
 * @throws UnknownOperator
 */
export function meaningOf(condition: PlanExpression, row: PlannedRow): boolean | typeof failed {
  const result = evaluate(condition, row, new Map());
  return typeof result === 'boolean' ? result : failed;
}

function evaluate(expression: PlanExpression, row: PlannedRow, locals: Locals): Result {
  switch (expression.type) {
    case 'value':
      return expression.value;
    case 'variable':
      return variable(expression.name, row, locals);
    case 'operation':
      return operation(expression, row, locals);
  }
}

function variable(name: string, { id, attr }: PlannedRow, locals: Locals): Result {
  const [first = '', ...path] = name.split('.');
  const local = locals.get(first);
  if (local !== undefined) return follow(local, path);
  const [second, third, ...rest] = path;
  // What the principal has not, Cerbos leaves in its plans.
  if (first === 'P' || (first === 'request' && second === 'principal')) return failed;
  const parts = first === 'R' ? path : [third, ...rest];
  if (first !== 'R' && (first !== 'request' || second !== 'resource')) throw new UnknownOperator(name);
  const [field, ...members] = parts;
  if (field === 'id') return follow(id, members.map(String));
  if (field === 'attr') return follow(attr, members.map(String));
  throw new UnknownOperator(name);
}

function follow(value: Result, path: readonly string[]): Result {
  return path.reduce<Result>((of, name) => member(of, name), value);
}

function member(of: Result, name: Value): Result {
  if (of === failed || typeof of !== 'object' || of === null) return failed;
  if (Array.isArray(of)) {
    const position = typeof name === 'bigint' || typeof name === 'number' ? Number(name) : -1;
    const items = of as readonly Value[];
    return Number.isInteger(position) && position >= 0 && position < items.length ? items[position]! : failed;
  }
  return typeof name === 'string' && Object.hasOwn(of, name) ? (of as Record<string, Value>)[name]! : failed;
}

function operation(
  { operator, operands }: PlanExpression & { readonly type: 'operation' },
  row: PlannedRow,
  locals: Locals,
): Result {
  const each = (): Result[] => operands.map((operand) => evaluate(operand, row, locals));
  switch (operator) {
    case 'and':
    case 'or': {
      const decides = operator === 'or';
      const results = each();
      if (results.includes(decides)) return decides;
      return results.every((result) => result === !decides) ? !decides : failed;
    }
    case 'if': {
      const condition = evaluate(operands[0]!, row, locals);
      if (typeof condition !== 'boolean') return failed;
      return evaluate(operands[condition ? 1 : 2]!, row, locals);
    }
    case 'exists':
    case 'all':
    case 'exists_one':
    case 'filter':
    case 'map':
      return through(operator, operands, row, locals);
    case 'get-field': {
      const [of, name] = operands;
      if (name?.type !== 'variable') throw new UnknownOperator('get-field');
      return member(evaluate(of!, row, locals), name.name);
    }
    case 'struct':
      return struct(operands, row, locals);
    default: {
      const results = each();
      if (results.includes(failed)) return failed;
      return apply(operator, results as Value[]);
    }
  }
}

function struct(operands: readonly PlanExpression[], row: PlannedRow, locals: Locals): Result {
  const entries: [string, Value][] = [];
  for (const operand of operands) {
    if (operand.type !== 'operation' || operand.operator !== 'set-field') throw new UnknownOperator('struct');
    const [key, value] = operand.operands.map((part) => evaluate(part, row, locals));
    if (key === failed || value === failed || value === undefined) return failed;
    if (typeof key !== 'string') throw new UnknownOperator('struct');
    entries.push([key, value]);
  }
  return Object.fromEntries(entries);
}

function through(operator: string, [of, lambda]: readonly PlanExpression[], row: PlannedRow, locals: Locals): Result {
  const range = evaluate(of!, row, locals);
  if (lambda?.type !== 'operation' || lambda.operator !== 'lambda') throw new UnknownOperator(operator);
  const [body, name] = lambda.operands;
  if (name?.type !== 'variable' || lambda.operands.length > 2) throw new UnknownOperator(operator);
  if (range === failed || typeof range !== 'object' || range === null) return failed;
  const items: readonly Value[] = Array.isArray(range) ? (range as readonly Value[]) : Object.keys(range);
  const outcomes = items.map((item) => evaluate(body!, row, new Map([...locals, [name.name, item]])));
  if (operator === 'exists' || operator === 'all') {
    const decides = operator === 'exists';
    if (outcomes.includes(decides)) return decides;
    return outcomes.every((outcome) => outcome === !decides) ? !decides : failed;
  }
  if (outcomes.includes(failed)) return failed;
  if (operator === 'map') return outcomes as Value[];
  if (outcomes.some((outcome) => typeof outcome !== 'boolean')) return failed;
  const kept = items.filter((_item, index) => outcomes[index] === true);
  return operator === 'filter' ? kept : kept.length === 1;
}

function apply(operator: string, values: readonly Value[]): Result {
  const [one = null, other = null] = values;
  switch (operator) {
    case 'not':
      return typeof one === 'boolean' ? !one : failed;
    case 'eq':
      return equal(one, other);
    case 'ne':
      return !equal(one, other);
    case 'lt':
      return ordered(one, other, (order) => order < 0);
    case 'le':
      return ordered(one, other, (order) => order <= 0);
    case 'gt':
      return ordered(one, other, (order) => order > 0);
    case 'ge':
      return ordered(one, other, (order) => order >= 0);
    case 'in':
      if (isList(other)) return other.some((item) => equal(item, one));
      return isMap(other) ? typeof one === 'string' && Object.hasOwn(other, one) : failed;
    case 'index':
      return member(one, other);
    case 'list':
      return values;
    case '-_':
      return typeof one === 'number' || typeof one === 'bigint' ? -one : failed;
    case 'add':
    case 'sub':
    case 'mult':
    case 'div':
    case 'mod':
      return calculated(operator, one, other);
    default:
      return applied(operator, values);
  }
}

function calculated(operator: string, one: Value, other: Value): Result {
  if (operator === 'add' && typeof one === 'string' && typeof other === 'string') return one + other;
  if (operator === 'add' && isList(one) && isList(other)) return [...one, ...other];
  const [left, right] = alike(one, other);
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    if ((operator === 'div' || operator === 'mod') && right === 0n) return failed;
    return {
      add: left + right,
      sub: left - right,
      mult: left * right,
      div: left / (right || 1n),
      mod: left % (right || 1n),
    }[operator]!;
  }
  if (typeof left !== 'number' || typeof right !== 'number' || operator === 'mod') return failed;
  return { add: left + right, sub: left - right, mult: left * right, div: left / right }[operator]!;
}

function alike(one: Value, other: Value): readonly [Value, Value] {
  if (typeof one === 'bigint' && Number.isInteger(other)) return [one, BigInt(other as number)];
  if (typeof other === 'bigint' && Number.isInteger(one)) return [BigInt(one as number), other];
  return [one, other];
}

function applied(name: string, [one = null, other = null]: readonly Value[]): Result {
  switch (name) {
    case 'size':
      if (typeof one === 'string') return BigInt(Array.from(one).length);
      if (isList(one)) return BigInt(one.length);
      return isMap(one) ? BigInt(Object.keys(one).length) : failed;
    case 'startsWith':
    case 'endsWith':
      return typeof one === 'string' && typeof other === 'string' ? one[name](other) : failed;
    case 'contains':
      return typeof one === 'string' && typeof other === 'string' ? one.includes(other) : failed;
    case 'int':
      if (typeof one === 'bigint') return one;
      if (typeof one === 'number') return Math.abs(one) < 2 ** 63 ? BigInt(Math.trunc(one)) : failed;
      if (typeof one === 'string') throw new UnknownOperator('int of a text');
      return failed;
    case 'lowerAscii':
      return typeof one === 'string' ? one.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : failed;
    case 'upperAscii':
      return typeof one === 'string' ? one.replace(/[a-z]/g, (letter) => letter.toUpperCase()) : failed;
    case 'hasIntersection':
      return isList(one) && isList(other) ? one.some((item) => other.some((with_) => equal(item, with_))) : failed;
    case 'isSubset':
      return isList(one) && isList(other) ? one.every((item) => other.some((with_) => equal(item, with_))) : failed;
    case 'intersect':
      return isList(one) && isList(other) ? one.filter((item) => other.some((with_) => equal(item, with_))) : failed;
    case 'except':
      return isList(one) && isList(other) ? one.filter((item) => !other.some((with_) => equal(item, with_))) : failed;
    case 'string':
      if (typeof one === 'string') return one;
      if (typeof one === 'boolean' || typeof one === 'bigint') return String(one);
      throw new UnknownOperator('string of a double');
    default:
      throw new UnknownOperator(name);
  }
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function isMap(value: Value): value is Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function equal(one: Value, other: Value): boolean {
  if (isList(one))
    return isList(other) && one.length === other.length && one.every((item, at) => equal(item, other[at]!));
  if (isMap(one)) {
    const names = Object.keys(one);
    return (
      isMap(other) &&
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && equal(one[name]!, other[name]!))
    );
  }
  const areNumbers = [one, other].every((value) => typeof value === 'number' || typeof value === 'bigint');
  // eslint-disable-next-line eqeqeq -- loosely, an int and a double are compared by what they amount to
  return areNumbers ? one == other : one === other;
}

function ordered(one: Value, other: Value, accepts: (order: number) => boolean): Result {
  const isNumber = (value: Value) => typeof value === 'number' || typeof value === 'bigint';
  if (isNumber(one) && isNumber(other)) {
    if (Number.isNaN(one) || Number.isNaN(other)) return failed;
    return accepts((one as number) < (other as number) ? -1 : (one as number) > (other as number) ? 1 : 0);
  }
  if (typeof one === 'boolean' && typeof other === 'boolean') return accepts(Number(one) - Number(other));
  if (typeof one === 'string' && typeof other === 'string')
    return accepts(Buffer.compare(Buffer.from(one), Buffer.from(other)));
  return failed;
}

/** Attributes that the rows of a question have alike, and the others. */
export function split(attr: Attributes, shared: readonly string[]): Readonly<Record<'shared' | 'own', Attributes>> {
  const entries: readonly [string, AttributeValue][] = Object.entries(attr);
  return {
    shared: Object.fromEntries(entries.filter(([name]) => shared.includes(name))),
    own: Object.fromEntries(entries.filter(([name]) => !shared.includes(name))),
  };
}

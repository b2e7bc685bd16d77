import type { AttributeValue, PlanExpression } from '@portcullis/core';
import { Duration } from '../cel/duration.js';
import { Timestamp } from '../cel/timestamp.js';
import type { CelValue } from '../cel/cel-value.js';
import { isList, isMap } from '../cel/value.js';
import { Unplannable } from './unplannable.js';

/**
 * What is known of the type of what only the row knows. `json` is whatever an attribute may be, and so never an `int`;
 * of `any`, nothing is known.
 */
export type OpenType = 'json' | 'string' | 'boolean' | 'double' | 'int' | 'any';

/** What depends on the row. */
export interface Open {
  readonly kind: 'open';
  readonly expression: PlanExpression;
  readonly type: OpenType;
  /** How many nodes the expression has, written out. */
  readonly size: number;
}

/** What an expression comes to when all but the row is known; `wrong` where it errs, whatever the row is. */
export type Part = Known | { readonly kind: 'wrong' } | Open;

interface Known {
  readonly kind: 'known';
  readonly value: CelValue;
  /** How it was written, for a value that JSON has not. */
  readonly written?: PlanExpression;
}

/** How many nodes a plan may have: a condition that people read has some dozens. */
const maxSize = 20_000;

export const wrong: Part = { kind: 'wrong' };

export function known(value: CelValue): Part {
  return { kind: 'known', value };
}

/** Whether a part is known, and this value. */
export function isKnown(part: Part, value: CelValue): boolean {
  return part.kind === 'known' && part.value === value;
}

export function variable(name: string, type: OpenType): Open {
  return { kind: 'open', expression: { type: 'variable', name }, type, size: 1 };
}

/**
 * An operation over parts.
 *
 * @throws Unplannable where it becomes too large, or an operand is a value that a plan cannot carry
 */
export function operation(operator: string, operands: readonly Part[], type: OpenType): Open {
  let size = 1;
  for (const operand of operands) size += operand.kind === 'open' ? operand.size : 1;
  if (size > maxSize) throw new Unplannable(`it comes to more than ${String(maxSize)} operations`);
  return {
    kind: 'open',
    expression: { type: 'operation', operator, operands: operands.map(expressionOf) },
    type,
    size,
  };
}

/**
 * What errs, whatever the row is: the first element of an empty list. A plan has no word for it, and what errs must not
 * become false: its negation would be true.
 */
export const error: PlanExpression = {
  type: 'operation',
  operator: 'index',
  operands: [
    { type: 'value', value: [] },
    { type: 'value', value: 0 },
  ],
};

function expressionOf(part: Part): PlanExpression {
  switch (part.kind) {
    case 'known':
      return part.written ?? timeOf(part.value) ?? { type: 'value', value: valueOf(part.value) };
    case 'wrong':
      return error;
    case 'open':
      return part.expression;
  }
}

/** A timestamp or a duration, as a plan writes it. */
function timeOf(value: CelValue): PlanExpression | undefined {
  const call = (operator: string, text: string): PlanExpression => ({
    type: 'operation',
    operator,
    operands: [{ type: 'value', value: text }],
  });
  if (value instanceof Timestamp) return call('timestamp', value.toString());
  if (!(value instanceof Duration)) return undefined;
  const [nanos, sign] = value.nanos < 0n ? [-value.nanos, '-'] : [value.nanos, ''];
  return call('duration', `${sign}${String(nanos / second)}.${String(nanos % second).padStart(9, '0')}s`);
}

const second = 1_000_000_000n;

/**
 * A value as a plan carries it. Numbers are doubles there: an int that no double is would become another one.
 *
 * @throws Unplannable
 */
function valueOf(value: CelValue): AttributeValue {
  if (typeof value === 'bigint') {
    if (BigInt(Number(value)) !== value)
      throw new Unplannable(`the number \`${String(value)}\` is too large for a plan`);
    return Number(value);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Unplannable('a number that is not finite');
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map((item) => valueOf(item));
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, valueOf(member)]));
  throw new Unplannable('a value that a plan cannot carry');
}

/** Whether a value is an int, or has one somewhere in it: a plan does not tell it from a double. */
export function hasInt(value: CelValue): boolean {
  if (typeof value === 'bigint') return true;
  if (isList(value)) return value.some((item) => hasInt(item));
  return isMap(value) && Object.values(value).some((member) => hasInt(member));
}

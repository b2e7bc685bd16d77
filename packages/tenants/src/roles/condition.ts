import type { AttributeValue } from '@portcullis/core';

/** What a condition can compare with. */
export type Scalar = string | number | boolean | null;

/** How a condition compares. */
export type Operator = 'eq' | 'ne' | 'in' | 'lt' | 'lte' | 'gt' | 'gte';

/** One condition on one attribute of the resource. */
export interface Condition {
  readonly attribute: string;
  readonly operator: Operator;
  /** A list for `in`, a text or a number for an order, one value otherwise. */
  readonly value: Scalar | readonly Scalar[];
}

/** The most characters of one text that a condition compares with. */
const maxText = 500;
/** The most values of one `in`. */
const maxValues = 100;

// The names that CEL keeps for itself; an attribute that has one cannot be selected by it.
const celNames =
  'as break const continue else false for function if import in let loop namespace null package return true var void while';
const reserved: ReadonlySet<string> = new Set(celNames.split(' '));

/** Whether conditions can name the attribute: a letter, then up to 99 letters, digits or `_`, and no word of CEL. */
function isAttributeName(name: string): boolean {
  return /^[A-Za-z]\w{0,99}$/.test(name) && !reserved.has(name);
}

/**
 * Reads the condition that a role's permission has on one attribute: a value, or an object with one operator.
 *
 * @returns the condition, or what is wrong with it
 */
export function readCondition(attribute: string, value: unknown): Condition | string {
  if (!isAttributeName(attribute)) return 'the attribute’s name has to be letters, digits and `_`, and no word of CEL';
  if (isScalar(value)) return checked({ attribute, operator: 'eq', value });
  if (typeof value !== 'object' || Array.isArray(value))
    return 'has to be a text, a number, a boolean, null, or an object with one of eq ne in lt lte gt gte';
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0 || !isOperator(entry[0]))
    return 'has to have exactly one of eq ne in lt lte gt gte';
  const [operator, operand] = entry as [Operator, unknown];
  if (operator === 'in') {
    if (!Array.isArray(operand) || operand.length === 0 || operand.length > maxValues || !operand.every(isScalar))
      return `\`in\` takes a list of 1 to ${String(maxValues)} texts, numbers, booleans or nulls`;
    return checked({ attribute, operator, value: operand });
  }
  if (!isScalar(operand)) return `\`${operator}\` takes a text, a number, a boolean or null`;
  if (isOrder(operator) && typeof operand !== 'string' && typeof operand !== 'number')
    return `\`${operator}\` takes a text or a number`;
  return checked({ attribute, operator, value: operand });
}

/** A condition as a role keeps it: the value alone for `eq`. */
export function conditionValue({ operator, value }: Condition): AttributeValue {
  return operator === 'eq' ? value : { [operator]: value };
}

function checked(condition: Condition): Condition | string {
  const values: readonly Scalar[] = Array.isArray(condition.value) ? condition.value : [condition.value as Scalar];
  for (const value of values) {
    if (typeof value === 'number' && !Number.isFinite(value)) return 'a number has to be finite';
    if (typeof value !== 'string') continue;
    if (value.length > maxText) return `a text has to have at most ${String(maxText)} characters`;
    // Neither can be written to every store and read back.
    if (/\p{Surrogate}|\0/u.test(value)) return 'a text has to be well-formed Unicode, without NUL';
  }
  // Of the two zeros, JSON has one.
  const plain = (value: Scalar): Scalar => (Object.is(value, -0) ? 0 : value);
  return {
    ...condition,
    value: Array.isArray(condition.value) ? condition.value.map(plain) : plain(condition.value as Scalar),
  };
}

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isOperator(name: string): name is Operator {
  return ['eq', 'ne', 'in', 'lt', 'lte', 'gt', 'gte'].includes(name);
}

function isOrder(operator: Operator): boolean {
  return operator === 'lt' || operator === 'lte' || operator === 'gt' || operator === 'gte';
}

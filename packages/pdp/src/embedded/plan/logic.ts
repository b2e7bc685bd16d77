import type { PlanExpression } from '@portcullis/core';
import { error, isKnown, known, operation, wrong, type Open, type Part } from './part.js';

type Word = 'and' | 'or';

/** What decides an operation, on whichever side: false for `and`, true for `or`. */
const decisive: Readonly<Record<Word, boolean>> = { and: false, or: true };

/**
 * `&&` and `||` in an expression: what decides wins over what errs, on either side; what is no boolean errs.
 */
export function logical(word: Word, parts: readonly Part[]): Part {
  const decides = decisive[word];
  if (parts.some((part) => isKnown(part, decides))) return known(decides);
  const rest = parts.filter((part) => !isKnown(part, !decides));
  const open = rest.filter((part) => part.kind === 'open');
  if (open.length === 0) return rest.length === 0 ? known(!decides) : wrong;
  const [only] = open;
  if (rest.length === 1 && only?.type === 'boolean') return only;
  const errs = rest.length > open.length ? [wrong] : [];
  // Alone, what may be no boolean would be more than it is in company.
  const company = open.length + errs.length === 1 ? [known(!decides)] : [];
  return operation(word, [...company, ...errs, ...open], 'boolean');
}

export function negated(part: Part): Part {
  if (part.kind === 'open') return operation('not', [part], 'boolean');
  return part.kind === 'known' && typeof part.value === 'boolean' ? known(!part.value) : wrong;
}

/** Whether something is met, as far as it can be said without the row. */
export type Formula = boolean | Open;

/** Whether an expression is true: what errs, or is anything else, is not met. */
export function metBy(part: Part): Formula {
  if (part.kind === 'known') return part.value === true;
  if (part.kind === 'wrong') return false;
  const without = withoutErrors(part.expression, false);
  return typeof without === 'boolean' ? without : { ...part, expression: without };
}

/**
 * Replaces what always errs by what decides nothing: false, or true under a negation. What is left is true for the same
 * rows.
 */
function withoutErrors(expression: PlanExpression, instead: boolean): PlanExpression | boolean {
  if (expression === error) return instead;
  if (expression.type !== 'operation') return expression;
  const { operator, operands } = expression;
  if (operator === 'not') {
    const [operand] = operands;
    const rest = operand === undefined ? expression : withoutErrors(operand, !instead);
    return typeof rest === 'boolean' ? !rest : { ...expression, operands: [rest] };
  }
  if (operator !== 'and' && operator !== 'or') return expression;
  const decides = decisive[operator];
  const rest = operands.map((operand) => withoutErrors(operand, instead));
  if (rest.includes(decides)) return decides;
  const left = rest.filter((operand) => typeof operand !== 'boolean');
  if (left.length === 0) return !decides;
  const [only] = left;
  if (left.length > 1 || only === undefined) return { ...expression, operands: left };
  return isBoolean(only) ? only : { ...expression, operands: [{ type: 'value', value: !decides }, only] };
}

/** Operators that give a boolean, or err. */
const booleans: ReadonlySet<string> = new Set([
  ...['and', 'or', 'not', 'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in', 'exists', 'all', 'exists_one'],
]);

function isBoolean(expression: PlanExpression): boolean {
  return expression.type === 'operation' && booleans.has(expression.operator);
}

/** Formulas taken together, each once. */
function taken(word: Word, formulas: readonly Formula[]): Formula {
  const decides = decisive[word];
  const each = new Map<string, Open>();
  for (const formula of formulas) {
    if (formula === decides) return decides;
    if (typeof formula === 'boolean') continue;
    each.set(JSON.stringify(formula.expression), formula);
  }
  const left = [...each.values()];
  const [only] = left;
  if (only === undefined) return !decides;
  return left.length === 1 ? only : operation(word, left, 'boolean');
}

export function allOf(formulas: readonly Formula[]): Formula {
  return taken('and', formulas);
}

export function anyOf(formulas: readonly Formula[]): Formula {
  return taken('or', formulas);
}

/** What is met where a formula is not. Where that errs for a row, this does too: the row is not listed. */
export function noneOf(formulas: readonly Formula[]): Formula {
  const any = anyOf(formulas);
  return typeof any === 'boolean' ? !any : operation('not', [any], 'boolean');
}

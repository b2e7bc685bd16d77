import type { Condition, Operator, Scalar } from './condition.js';
import { readCondition } from './condition.js';
import { quoted, unquoted } from './quoted.js';

const symbols: Readonly<Record<Operator, string>> = {
  eq: '==',
  ne: '!=',
  in: 'in',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
};

/**
 * A condition in CEL, as `has(R.attr.status) && R.attr.status == "open"`.
 *
 * An attribute that is missing fails the condition. It holds no character but those of names, numbers and `quoted`
 * texts, so that no value can end its own literal.
 */
export function conditionText({ attribute, operator, value }: Condition): string {
  const literals = Array.isArray(value) ? `[${value.map(literal).join(', ')}]` : literal(value as Scalar);
  return `has(R.attr.${attribute}) && R.attr.${attribute} ${symbols[operator]} ${literals}`;
}

/** Reads what `conditionText` wrote, and nothing else. @returns `undefined` for anything else */
export function parseConditionText(text: string): Condition | undefined {
  const match = /^has\(R\.attr\.(\w+)\) && R\.attr\.(\w+) (==|!=|in|<|<=|>|>=) (.+)$/.exec(text);
  const [, attribute = '', again, symbol, literals = ''] = match ?? [];
  const operator = (Object.keys(symbols) as Operator[]).find((name) => symbols[name] === symbol);
  if (operator === undefined || attribute !== again) return undefined;
  const value = operator === 'in' ? parseList(literals) : parseLiteral(literals);
  if (value === undefined) return undefined;
  const condition = readCondition(attribute, operator === 'eq' ? value : { [operator]: value });
  // What is read has to be what is written: nothing that this reader did not understand may pass.
  return typeof condition === 'string' || conditionText(condition) !== text ? undefined : condition;
}

function literal(value: Scalar): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'number') return String(value);
  // Numbers of JSON are doubles to the engine, and a literal without a point or an exponent is not.
  const digits = String(value);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

const literalPattern = /^(?:"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null)/;

function parseLiteral(text: string): Scalar | undefined {
  if (literalPattern.exec(text)?.[0] !== text) return undefined;
  if (text.startsWith('"')) return unquoted(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text === 'null' ? null : Number(text);
}

function parseList(text: string): readonly Scalar[] | undefined {
  if (!text.startsWith('[') || !text.endsWith(']')) return undefined;
  const values: Scalar[] = [];
  for (let rest = text.slice(1, -1); ;) {
    const found = literalPattern.exec(rest)?.[0] ?? '';
    const value = parseLiteral(found);
    if (value === undefined) return undefined;
    values.push(value);
    rest = rest.slice(found.length);
    if (rest === '') return values;
    if (!rest.startsWith(', ')) return undefined;
    rest = rest.slice(2);
  }
}

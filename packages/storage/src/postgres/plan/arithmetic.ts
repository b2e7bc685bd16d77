import { parameter, sql, trusted, type Fragment } from './fragment.js';
import { asNumber, asText, describe, safeNumber, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/**
 * Adds, subtracts or multiplies doubles, or puts strings together.
 *
 * The language has no arithmetic between a double and an integer, and attributes are doubles: `R.attr.n + 1` is an
 * error in every check, `R.attr.n + 1.0` is not, and a plan says `1` for both. So a whole number has no place here.
 * PostgreSQL raises an error where a result is too large or too small: numbers that could come to that are errors.
 */
export function calculated(one: Term, operator: '+' | '-' | '*', other: Term): Term {
  if (operator === '+' && (isText(one) || isText(other)))
    return { kind: 'text', sql: sql`(${asText(one)} || ${asText(other)})`, nullable: false };
  if (operator === '+' && one.kind === 'json' && other.kind === 'json')
    throw untranslatable('two values of which only the row knows whether they are numbers');
  const left = double(one);
  const right = double(other);
  const safe = operator === '*' ? neitherLargeNorSmall : notLarge;
  return {
    kind: 'number',
    sql: sql`(CASE WHEN ${safe(left)} AND ${safe(right)} THEN ${left} ${trusted(operator)} ${right} END)`,
    nullable: false,
    type: 'double',
  };
}

/** Divides a double by a constant. By a column would be exact only without zeros: x / 0.0 is infinite, not an error. */
export function divided(one: Term, other: Term): Term {
  if (other.kind !== 'constant') throw untranslatable('`div` by what is no constant');
  const by = double(other);
  if (typeof other.value !== 'number' || Math.abs(other.value) > 1e150 || Math.abs(other.value) < 1e-150)
    throw untranslatable('`div` by a very large or small number');
  const left = double(one);
  return {
    kind: 'number',
    sql: sql`(CASE WHEN ${neitherLargeNorSmall(left)} THEN ${left} / ${by} END)`,
    nullable: false,
    type: 'double',
  };
}

/** The opposite of a double. */
export function negated(one: Term): Term {
  return { kind: 'number', sql: sql`(- ${double(one)})`, nullable: false, type: 'double' };
}

/** Functions from a double to a double, by the operator’s name. */
export function rounded(one: Term, name: 'abs' | 'ceil' | 'floor' | 'trunc'): Term {
  return { kind: 'number', sql: sql`${trusted(name)}(${double(one)})`, nullable: false, type: 'double' };
}

/** A number as an integer: cut towards zero, and an error beyond 64 bits. */
export function wholeNumber(one: Term): Term {
  if (one.kind === 'constant' || one.kind === 'text' || one.kind === 'boolean')
    throw untranslatable(`\`int\` of a ${describe(one)}`);
  const number = requireNumber(one);
  return {
    kind: 'number',
    sql: sql`(CASE WHEN abs(${number}) < 9.2e18 THEN trunc(${number}) END)`,
    nullable: false,
    type: 'int',
  };
}

/** A number as a double: itself. */
export function doubleOf(one: Term): Term {
  return { kind: 'number', sql: requireNumber(one), nullable: false, type: 'double' };
}

/** A string in JSON would be read by `int` and `double` as well. */
function requireNumber(one: Term): Fragment {
  if (one.kind !== 'number') throw untranslatable(`a number is not read from a ${describe(one)}`);
  return asNumber(one);
}

function isText(term: Term): boolean {
  return term.kind === 'text' || (term.kind === 'constant' && typeof term.value === 'string');
}

function double(term: Term): Fragment {
  if (term.kind === 'constant' && typeof term.value === 'number') {
    if (Number.isInteger(term.value))
      throw untranslatable('a plan does not say whether a whole number in arithmetic is `1` or `1.0`');
    return parameter(safeNumber(term.value), '::double precision');
  }
  if (term.kind === 'number' && term.type === 'double') return term.sql;
  if (term.kind === 'json' && (term.numbers === 'any' || term.numbers === 'whole')) return asNumber(term);
  if (term.kind === 'error') return asNumber(term);
  throw untranslatable(`a ${describe(term)} has no place in arithmetic`);
}

function notLarge(number: Fragment): Fragment {
  return sql`abs(${number}) <= 1e300`;
}

function neitherLargeNorSmall(number: Fragment): Fragment {
  return sql`(${number} = 0 OR abs(${number}) BETWEEN 1e-150 AND 1e150)`;
}

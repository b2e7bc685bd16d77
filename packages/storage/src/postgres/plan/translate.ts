import type { AttributeValue, PlanExpression } from '@portcullis/core';
import { calculated, divided, doubleOf, negated, rounded, wholeNumber } from './arithmetic.js';
import { columnTerm } from './column-term.js';
import type { Columns } from './columns.js';
import { comprehension, type Comprehension } from './comprehension.js';
import { equal } from './equality.js';
import { joined, sql, type Fragment } from './fragment.js';
import { hierarchy, related, type Relation } from './hierarchy.js';
import { except, intersects, isIn, isSubset, member, newNames, size, type NewName } from './lists.js';
import { ordered, type Ordering } from './order.js';
import { found, inCase, matched, position, type Search } from './strings.js';
import { asBoolean, asFilter, describe, errorTerm, strictly, type BooleanTerm, type Term } from './term.js';
import { compareTimes, isTime, moved, partNames, partOf, readDuration, readInstant } from './time.js';
import { conditional } from './conditional.js';
import { untranslatable } from './untranslatable.js';

/** What a translation goes by. */
export interface Scope {
  readonly columns: Columns;
  /** What `timeSince` counts to, in nanoseconds since the Unix epoch. */
  readonly nowNs: bigint;
  readonly newName: NewName;
  /** The variables of the lambdas around. */
  readonly variables: ReadonlyMap<string, Term>;
  readonly depth: number;
}

/** How deep a condition may go, and how many pieces its SQL may have: far more than a policy that people read. */
const maxDepth = 100;
const maxPieces = 20_000;

/** The outermost scope. */
export function scopeOf(columns: Columns, nowNs: bigint): Scope {
  return { columns, nowNs, newName: newNames(), variables: new Map(), depth: 0 };
}

/**
 * Translates an expression. What it cannot say exactly it refuses.
 *
 * @throws PortcullisError `plan_untranslatable`, with the operator, the attribute or the type
 */
export function translate(expression: PlanExpression, scope: Scope): Term {
  if (scope.depth > maxDepth) throw untranslatable('the condition is nested too deep');
  switch (expression.type) {
    case 'value':
      return { kind: 'constant', value: expression.value };
    case 'variable':
      return variable(expression.name, scope);
    case 'operation': {
      const term = operation(expression.operator, expression.operands, { ...scope, depth: scope.depth + 1 });
      if ('sql' in term && term.sql.length > maxPieces) throw untranslatable('the condition is too large');
      return term;
    }
  }
}

function variable(name: string, { columns, variables }: Scope): Term {
  const bound = variables.get(name);
  if (bound !== undefined) return bound;
  const [first = '', ...path] = name.split('.');
  const element = variables.get(first);
  if (element !== undefined) return follow(element, path);
  const resource = /^(?:request\.resource|R)(?:\.(.*))?$/s.exec(name);
  const [part, ...rest] = (resource?.[1] ?? '').split('.');
  if (part === 'id' && rest.length === 0 && columns.id !== undefined)
    return columnTerm({ ...columns.id, nullable: false });
  if (part === 'attr') {
    const [attribute, ...members] = rest;
    return attribute === undefined ? { kind: 'attributes' } : follow(attributeTerm(attribute, columns), members);
  }
  throw untranslatable(`\`${name}\` is in no column`);
}

function attributeTerm(name: string, { attributes }: Columns): Term {
  const column = attributes.get(name);
  if (column === undefined) throw untranslatable(`the attribute \`${name}\` is in no column`);
  return columnTerm(column);
}

function follow(term: Term, path: readonly string[]): Term {
  return path.reduce<Term>((of, name) => memberOf(of, { kind: 'constant', value: name }), term);
}

function memberOf(of: Term, key: Term, columns?: Columns): Term {
  if (of.kind === 'attributes') {
    if (columns === undefined || key.kind !== 'constant' || typeof key.value !== 'string')
      throw untranslatable('an attribute whose name only the row knows');
    return attributeTerm(key.value, columns);
  }
  if (of.kind === 'json' || of.kind === 'constant' || of.kind === 'error' || of.kind === 'array')
    return member(of, key);
  throw untranslatable(`a ${describe(of)} has no members`);
}

type Translation = (operands: readonly Term[], scope: Scope, operator: string) => Term;

const boolean = (condition: Fragment): BooleanTerm => ({ kind: 'boolean', sql: condition, nullable: false });

/** An operator with so many operands, all of them plain terms. */
function plain(count: number, run: (one: Term, other: Term, third: Term, scope: Scope) => Term): Translation {
  return (operands, scope, operator) => {
    if (operands.length !== count) throw untranslatable(`\`${operator}\` of ${String(operands.length)} operands`);
    const [one = errorTerm, other = errorTerm, third = errorTerm] = operands;
    return run(one, other, third, scope);
  };
}

const equality = (one: Term, other: Term): BooleanTerm => {
  const isNull = [one, other].some((term) => term.kind === 'constant' && term.value === null);
  return !isNull && (isTime(one) || isTime(other)) ? compareTimes(one, '=', other) : boolean(equal(one, other));
};

const ordering = (by: Ordering): Translation =>
  plain(2, (one, other) =>
    isTime(one) || isTime(other) ? compareTimes(one, by, other) : boolean(ordered(one, by, other)),
  );
const search = (by: Search): Translation => plain(2, (one, other) => boolean(found(one, by, other)));
const relation = (by: Relation): Translation => plain(2, (one, other) => boolean(related(one, by, other)));
const arithmetic = (by: '+' | '-' | '*'): Translation =>
  plain(2, (one, other) => {
    if (by !== '*' && (isTime(one) || isTime(other))) return moved(one, other, by === '+' ? 1n : -1n);
    return calculated(one, by, other);
  });
const intersection = plain(2, (one, other, _third, { newName }) => boolean(intersects(one, other, newName)));
const subset = plain(2, (one, other, _third, { newName }) => boolean(isSubset(one, other, newName)));

function combined(word: ' AND ' | ' OR '): Translation {
  return (operands, _scope, operator) => {
    if (operands.length === 0) throw untranslatable(`\`${operator}\` of nothing`);
    return { ...boolean(joined(operands.map(asBoolean), word)), whenTrue: joined(operands.map(asFilter), word) };
  };
}

/** The operators, by the names that they have in a plan. What is not here is refused. */
const operators: ReadonlyMap<string, Translation> = new Map<string, Translation>([
  ['and', combined(' AND ')],
  ['or', combined(' OR ')],
  ['not', plain(1, (one) => boolean(sql`(NOT ${asBoolean(one)})`))],
  ['if', plain(3, conditional)],
  ['eq', plain(2, equality)],
  ['ne', plain(2, (one, other) => boolean(sql`(NOT ${equality(one, other).sql})`))],
  ['lt', ordering('<')],
  ['le', ordering('<=')],
  ['gt', ordering('>')],
  ['ge', ordering('>=')],
  ['in', plain(2, (one, other, _third, scope) => boolean(membership(one, other, scope)))],
  ['add', arithmetic('+')],
  ['sub', arithmetic('-')],
  ['mult', arithmetic('*')],
  ['div', plain(2, divided)],
  ['-_', plain(1, negated)],
  ['math.abs', plain(1, (one) => rounded(one, 'abs'))],
  ['math.ceil', plain(1, (one) => rounded(one, 'ceil'))],
  ['math.floor', plain(1, (one) => rounded(one, 'floor'))],
  ['math.trunc', plain(1, (one) => rounded(one, 'trunc'))],
  ['int', plain(1, wholeNumber)],
  ['double', plain(1, doubleOf)],
  ['string', plain(1, (one) => requireKind(one, 'text', 'string'))],
  ['bool', plain(1, (one) => requireKind(one, 'boolean', 'bool'))],
  ['dyn', plain(1, (one) => one)],
  ['index', plain(2, (one, other, _third, { columns }) => memberOf(one, other, columns))],
  ['list', list],
  ['size', plain(1, size)],
  ['contains', search('contains')],
  ['startsWith', search('startsWith')],
  ['endsWith', search('endsWith')],
  ['matches', plain(2, (one, other) => boolean(matched(one, other)))],
  ['lowerAscii', plain(1, (one) => inCase(one, 'lower'))],
  ['upperAscii', plain(1, (one) => inCase(one, 'upper'))],
  ['indexOf', plain(2, position)],
  ['hasIntersection', intersection],
  ['has_intersection', intersection],
  ['isSubset', subset],
  ['is_subset', subset],
  ['except', plain(2, (one, other, _third, { newName }) => except(one, other, newName))],
  ['timestamp', plain(1, timestamp)],
  ['duration', plain(1, (one) => ({ kind: 'duration', ns: readDuration(constantText(one, 'duration')) }))],
  ['timeSince', plain(1, since)],
  ...partNames.map((name) => [name, plain(1, (one) => timestampPart(one, name))] as const),
  [
    'hierarchy',
    (operands, _scope, operator) => {
      const [text, delimiter, ...more] = operands;
      if (text === undefined || more.length > 0) throw untranslatable(`\`${operator}\` of so many operands`);
      return hierarchy(text, delimiter);
    },
  ],
  ['ancestorOf', relation('ancestorOf')],
  ['descendentOf', relation('descendentOf')],
  ['immediateParentOf', relation('immediateParentOf')],
  ['immediateChildOf', relation('immediateChildOf')],
  ['overlaps', relation('overlaps')],
]);

const comprehensions: ReadonlySet<string> = new Set<Comprehension>(['exists', 'all', 'exists_one', 'filter', 'map']);

function isComprehension(operator: string): operator is Comprehension {
  return comprehensions.has(operator);
}

function operation(operator: string, operands: readonly PlanExpression[], scope: Scope): Term {
  if (isComprehension(operator)) return throughList(operator, operands, scope);
  if (operator === 'struct') return struct(operands, scope);
  if (operator === 'get-field') return field(operands, scope);
  const translation = operators.get(operator);
  if (translation === undefined) throw untranslatable(`the operator \`${operator}\``);
  try {
    return translation(
      operands.map((operand) => translate(operand, scope)),
      scope,
      operator,
    );
  } catch (error) {
    throw within(error, operator);
  }
}

/** Names the operator in which something was refused, once. */
function within(error: unknown, operator: string): unknown {
  if (!(error instanceof Error) || !('detail' in error) || typeof error.detail !== 'string') return error;
  return error.detail.includes(' in `') || error.detail.startsWith('the operator') || error.detail.includes('no column')
    ? error
    : untranslatable(`${error.detail}, in \`${operator}\``);
}

function throughList(operator: Comprehension, operands: readonly PlanExpression[], scope: Scope): Term {
  const [range, lambda, ...more] = operands;
  if (range === undefined || lambda?.type !== 'operation' || lambda.operator !== 'lambda' || more.length > 0)
    throw untranslatable(`\`${operator}\` of anything but a list and a lambda`);
  const [body, name, ...others] = lambda.operands;
  if (body === undefined || name?.type !== 'variable' || others.length > 0)
    throw untranslatable(`\`${operator}\` with more than one variable`);
  // The planner writes `R` out as `request.resource` in the body, also where a lambda’s variable hides it.
  if (!/^[A-Za-z_]\w*$/.test(name.name) || ['request', 'R', 'P', 'V', 'C', 'G'].includes(name.name))
    throw untranslatable(`\`${operator}\` with a variable named \`${name.name}\``);
  const within = (element: Term): Term =>
    translate(body, { ...scope, variables: new Map([...scope.variables, [name.name, element]]) });
  const list = translate(range, scope);
  if (list.kind === 'items' && (operator === 'exists' || operator === 'all')) {
    const each = list.items.map((item) => asBoolean(within(item)));
    const outcome =
      each.length === 0
        ? operator === 'all'
          ? sql`TRUE`
          : sql`FALSE`
        : joined(each, operator === 'all' ? ' AND ' : ' OR ');
    // A list with an error in it is an error, whatever its other elements are.
    return boolean(sql`(CASE WHEN ${strictly('TRUE', [list])} THEN ${outcome} END)`);
  }
  return comprehension(operator, list, within, scope.newName);
}

/** A list that is written out: a constant, when all of it is. */
function list(operands: readonly Term[]): Term {
  const values = operands.flatMap((operand) => (operand.kind === 'constant' ? [operand.value] : []));
  return values.length === operands.length ? { kind: 'constant', value: values } : { kind: 'items', items: operands };
}

/** A map of constants. */
function struct(operands: readonly PlanExpression[], scope: Scope): Term {
  const entries = operands.map((operand): readonly [string, AttributeValue] => {
    if (operand.type !== 'operation' || operand.operator !== 'set-field' || operand.operands.length !== 2)
      throw untranslatable('`struct` of anything but `set-field`');
    const [name, value] = operand.operands.map((part) => translate(part, scope));
    if (name?.kind !== 'constant' || typeof name.value !== 'string' || value?.kind !== 'constant')
      throw untranslatable('`struct` with values of the row');
    return [name.value, value.value];
  });
  return { kind: 'constant', value: Object.fromEntries(entries) };
}

function field(operands: readonly PlanExpression[], scope: Scope): Term {
  const [of, name, ...more] = operands;
  if (of === undefined || name?.type !== 'variable' || more.length > 0)
    throw untranslatable('`get-field` of anything but a map and a name');
  return memberOf(translate(of, scope), { kind: 'constant', value: name.name }, scope.columns);
}

function membership(one: Term, all: Term, { columns, newName }: Scope): Fragment {
  if (all.kind !== 'attributes') return isIn(one, all, newName);
  if (one.kind !== 'constant' || typeof one.value !== 'string')
    throw untranslatable('an attribute whose name only the row knows');
  attributeTerm(one.value, columns);
  // Rows that lack an attribute are left out by the whole condition.
  return sql`TRUE`;
}

function requireKind(term: Term, kind: 'text' | 'boolean', name: string): Term {
  if (term.kind === 'error') return term;
  if (term.kind !== kind) throw untranslatable(`\`${name}\` of a ${describe(term)}`);
  return { ...term, nullable: false };
}

function constantText(term: Term, name: string): string {
  if (term.kind !== 'constant' || typeof term.value !== 'string')
    throw untranslatable(`\`${name}\` of a ${describe(term)}`);
  return term.value;
}

/** The time that has passed since a timestamp. However long, it is no error: it is as long as can be. */
function since(term: Term, _other: Term, _third: Term, { nowNs }: Scope): Term {
  if (term.kind !== 'timestamp') throw untranslatable(`\`timeSince\` of a ${describe(term)}`);
  return { kind: 'span', timestamp: term, instantNs: nowNs, sign: -1, limited: false };
}

function timestamp(term: Term): Term {
  if (term.kind === 'stamp') return { kind: 'timestamp', column: term.column, movedNs: 0n };
  return { kind: 'instant', ns: readInstant(constantText(term, 'timestamp')) };
}

function timestampPart(term: Term, name: string): Term {
  if (term.kind !== 'timestamp') throw untranslatable(`\`${name}\` of a ${describe(term)}`);
  return partOf(term, name);
}

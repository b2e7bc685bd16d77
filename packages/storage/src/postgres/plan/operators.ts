import { calculated, divided, doubleOf, negated, rounded, wholeNumber } from './arithmetic.js';
import { conditional } from './conditional.js';
import { equal } from './equality.js';
import { joined, sql, type Fragment } from './fragment.js';
import { hierarchy, related, type Relation } from './hierarchy.js';
import { except, intersects, isSubset, size } from './lists.js';
import { ordered, type Ordering } from './order.js';
import type { Scope } from './scope.js';
import { found, inCase, matched, position, type Search } from './strings.js';
import { asBoolean, asFilter, describe, errorTerm, type BooleanTerm, type Term } from './term.js';
import { compareTimes, isTime, moved, partNames, partOf, readDuration, readInstant } from './time.js';
import { untranslatable } from './untranslatable.js';
import { memberOf, membership } from './variable.js';

/** Makes a term of the operands of an operator. */
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
export const operators: ReadonlyMap<string, Translation> = new Map<string, Translation>([
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

/** A list that is written out: a constant, when all of it is. */
function list(operands: readonly Term[]): Term {
  const values = operands.flatMap((operand) => (operand.kind === 'constant' ? [operand.value] : []));
  return values.length === operands.length ? { kind: 'constant', value: values } : { kind: 'items', items: operands };
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

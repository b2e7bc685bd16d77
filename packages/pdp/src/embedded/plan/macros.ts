import type { ASTNode } from '@marcbachmann/cel-js';
import type { CelValue } from '../cel/cel-value.js';
import { isList, isMap } from '../cel/value.js';
import { logical } from './logic.js';
import { refuseObject } from './operators.js';
import { hasInt, known, operation, variable, wrong, type OpenType, type Part } from './part.js';
import { Unplannable } from './unplannable.js';
import type { View } from './view.js';

type Evaluate = (node: ASTNode, view: View) => Part;

/** What it takes to write a macro out for one element, in steps. */
const elementSteps = 50;

const results: Readonly<Record<string, OpenType>> = {
  all: 'boolean',
  exists: 'boolean',
  exists_one: 'boolean',
  filter: 'any',
  map: 'any',
};

/** Whether a method is a macro. */
export function isMacro(name: string, args: readonly ASTNode[]): boolean {
  return Object.hasOwn(results, name) && args.length >= 2;
}

/**
 * A macro that depends on the row: over what is known it is written out, element by element; over a list of the row it
 * becomes an operation with a lambda.
 *
 * @throws Unanswerable when the request has cost too much
 */
export function macro(name: string, range: Part, args: readonly ASTNode[], view: View, evaluate: Evaluate): Part {
  const [iterated, body, result, ...more] = args;
  // With a condition, it is the map of what is left over.
  if (name === 'map' && result !== undefined && iterated !== undefined && body !== undefined) {
    const kept = macro('filter', range, [iterated, body], view, evaluate);
    return macro('map', kept, [iterated, result, ...more], view, evaluate);
  }
  if (iterated?.op !== 'id' || body === undefined || result !== undefined)
    throw new Unplannable(`\`${name}\` in this form`);
  const outcomeFor = (part: Part): Part =>
    evaluate(body, { ...view, locals: [...view.locals, { name: iterated.args, part }] });
  if (range.kind === 'wrong') return wrong;
  if (range.kind === 'known') {
    const items = itemsOf(range.value);
    if (items === undefined) return wrong;
    view.question.work.spend(items.length * elementSteps);
    const outcomes = (): readonly Part[] => items.map((item) => outcomeFor(known(item)));
    if (name === 'all' || name === 'exists') return logical(name === 'all' ? 'and' : 'or', outcomes());
    const listed = written(name, items, outcomes());
    if (listed !== undefined) return listed;
  }
  // What was bound to a name is written where it is read: a variable of the same name would catch what is in it.
  if (view.locals.some((local) => local.name === iterated.args))
    throw new Unplannable(`\`${name}\` with a variable \`${iterated.args}\` that hides another`);
  const element = variable(iterated.args, typeOfElement(range));
  const lambda = operation('lambda', [outcomeFor(element), variable(iterated.args, 'any')], 'any');
  const list = range.kind === 'known' ? known(itemsOf(range.value) ?? []) : range;
  return operation(
    name,
    [list, lambda],
    name === 'filter' && range.kind === 'open' ? range.type : (results[name] ?? 'any'),
  );
}

/** The elements of a list, or the keys of a map. */
function itemsOf(value: CelValue): readonly CelValue[] | undefined {
  if (isList(value)) return value;
  refuseObject(value);
  return isMap(value) ? Object.keys(value) : undefined;
}

function typeOfElement(range: Part): OpenType {
  if (range.kind === 'known') return hasInt(range.value) ? 'any' : 'json';
  return range.kind === 'open' && range.type === 'json' ? 'json' : 'any';
}

/** A macro over elements that are known, where it can be written out without a lambda. */
function written(name: string, items: readonly CelValue[], outcomes: readonly Part[]): Part | undefined {
  if (outcomes.some(({ kind }) => kind === 'wrong')) return wrong;
  const values = outcomes.flatMap((outcome) => (outcome.kind === 'known' ? [outcome.value] : []));
  if (name === 'map') return values.length === items.length ? known(values) : operation('list', outcomes, 'any');
  if (values.some((value) => typeof value !== 'boolean')) return wrong;
  if (values.length < items.length) return undefined;
  const kept = items.filter((_item, index) => values[index] === true);
  return name === 'exists_one' ? known(kept.length === 1) : known(kept);
}

import { compileExpression, mapOf, type Names } from '../cel/compile.js';
import type { Expression } from '../cel/expression.js';
import { Unsupported } from '../cel/unsupported.js';
import type { CelMap, CelValue } from '../cel/cel-value.js';
import type { Constants, Match, Variables } from '../load/document.js';
import { refusal, type Place } from '../load/place.js';
import type { Condition, Parameters } from './table.js';

type Path = readonly PropertyKey[];

/** Definitions that policies import by name. */
export interface Exports {
  readonly variables: ReadonlyMap<
    string,
    { readonly definitions: Readonly<Record<string, string>>; readonly place: Place }
  >;
  readonly constants: ReadonlyMap<string, CelMap>;
}

/** How many variables may need one another in a chain: each is compiled within the one before. */
const longestChain = 64;

/** Those of a policy that has none. */
export const noParameters: Parameters = { variables: [], constants: mapOf([]), isEmpty: true };

/** What the expressions of one policy may name, and what they see when they are evaluated. */
export interface PolicyNames {
  readonly place: Place;
  readonly names: Names;
  readonly parameters: Parameters;
}

/**
 * Compiles the variables and constants of a policy.
 *
 * @param path - the way to the policy in its document
 * @param onRuntime - hears that an expression reads `runtime`; without, none may
 * @throws PortcullisError `policies_invalid`
 */
export function policyNames(
  place: Place,
  path: Path,
  exports: Exports,
  declared: { readonly variables?: Variables; readonly constants?: Constants },
  onRuntime?: () => void,
): PolicyNames {
  const constants = constantsOf(place, path, exports, declared.constants);
  const definitions = variablesOf(place, path, exports, declared.variables);
  const constantNames = new Set(Object.keys(constants));
  const variableNames = new Set(definitions.keys());
  const ordered: { readonly name: string; readonly expression: Expression }[] = [];
  const done = new Set<string>();
  const inWork = new Set<string>();

  const compile = (name: string): void => {
    const definition = definitions.get(name);
    if (definition === undefined || done.has(name)) return;
    if (inWork.has(name)) throw refusal(definition.place, definition.path, 'the variable needs itself');
    if (inWork.size === longestChain)
      throw refusal(definition.place, definition.path, 'the variable is needed through too many others');
    inWork.add(name);
    const names = { variables: variableNames, constants: constantNames, onVariable: compile, onRuntime };
    const expression = expressionAt(definition.place, definition.path, definition.text, names);
    inWork.delete(name);
    done.add(name);
    ordered.push({ name, expression });
  };
  for (const name of definitions.keys()) compile(name);
  return {
    place,
    names: { variables: variableNames, constants: constantNames, onVariable: () => undefined, onRuntime },
    parameters:
      ordered.length === 0 && constantNames.size === 0
        ? noParameters
        : { variables: ordered, constants, isEmpty: false },
  };
}

function constantsOf(place: Place, path: Path, exports: Exports, declared: Constants): CelMap {
  const entries: [string, CelValue][] = Object.entries(declared?.local ?? {});
  for (const [position, name] of (declared?.import ?? []).entries()) {
    const imported = exports.constants.get(name);
    if (imported === undefined)
      throw refusal(place, [...path, 'constants', 'import', position], `there are no constants \`${name}\``);
    entries.push(...Object.entries(imported));
  }
  refuseTwice(place, [...path, 'constants'], entries);
  return mapOf(entries);
}

interface Definition {
  readonly text: string;
  readonly place: Place;
  readonly path: Path;
}

function variablesOf(place: Place, path: Path, exports: Exports, declared: Variables): ReadonlyMap<string, Definition> {
  const entries = Object.entries(declared?.local ?? {}).map(([name, text]): [string, Definition] => [
    name,
    { text, place, path: [...path, 'variables', 'local', name] },
  ]);
  for (const [position, name] of (declared?.import ?? []).entries()) {
    const imported = exports.variables.get(name);
    if (imported === undefined)
      throw refusal(place, [...path, 'variables', 'import', position], `there are no variables \`${name}\``);
    for (const [variable, text] of Object.entries(imported.definitions))
      entries.push([variable, { text, place: imported.place, path: ['exportVariables', 'definitions', variable] }]);
  }
  refuseTwice(place, [...path, 'variables'], entries);
  return new Map(entries);
}

function refuseTwice(place: Place, path: Path, entries: readonly (readonly [string, unknown])[]): void {
  const names = new Set<string>();
  for (const [name] of entries) {
    if (names.has(name)) throw refusal(place, path, `\`${name}\` is defined twice`);
    names.add(name);
  }
}

/** @throws PortcullisError `policies_invalid` with the place of the expression */
export function expressionAt(place: Place, path: Path, text: string, names: Names): Expression {
  try {
    return compileExpression(text, names);
  } catch (error) {
    if (error instanceof Unsupported) throw refusal(place, path, error.message);
    throw error;
  }
}

/** Compiles a condition; there is none for a rule without. */
export function conditionAt(
  { place, names }: PolicyNames,
  path: Path,
  condition: { readonly match: Match } | undefined,
): Condition | undefined {
  return condition === undefined ? undefined : matchAt(place, [...path, 'condition', 'match'], condition.match, names);
}

function matchAt(place: Place, path: Path, match: Match, names: Names): Condition {
  if ('expr' in match) return conditionOf(expressionAt(place, [...path, 'expr'], match.expr, names));
  const [operator, { of }] = operatorOf(match);
  const conditions = of.map((part, position) => matchAt(place, [...path, operator, 'of', position], part, names));
  return { isMet: taken(operator, conditions), tree: { op: operator, of: conditions.map(({ tree }) => tree) } };
}

/** Apart, so that the function holds no more than the expression: what is around it would hold the whole file. */
function conditionOf(expression: Expression): Condition {
  const { evaluate } = expression;
  return { isMet: (activation) => evaluate(activation) === true, tree: { op: 'expr', expression } };
}

/** Conditions taken together. */
function taken(operator: 'all' | 'any' | 'none', conditions: readonly Condition[]): Condition['isMet'] {
  switch (operator) {
    case 'all':
      return (activation) => conditions.every(({ isMet }) => isMet(activation));
    case 'any':
      return (activation) => conditions.some(({ isMet }) => isMet(activation));
    case 'none':
      return (activation) => !conditions.some(({ isMet }) => isMet(activation));
  }
}

/** A condition that is met where another is not. */
export function negation({ isMet, tree }: Condition): Condition {
  return { isMet: (activation) => !isMet(activation), tree: { op: 'none', of: [tree] } };
}

function operatorOf(
  match: Exclude<Match, { readonly expr: string }>,
): readonly ['all' | 'any' | 'none', { readonly of: readonly Match[] }] {
  if ('all' in match) return ['all', match.all];
  return 'any' in match ? ['any', match.any] : ['none', match.none];
}

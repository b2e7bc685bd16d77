import type { AttributeValue, PlanExpression } from '@portcullis/core';
import { comprehension, type Comprehension } from './comprehension.js';
import { joined, sql } from './fragment.js';
import { operators } from './operators.js';
import type { Scope } from './scope.js';
import { asBoolean, strictly, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';
import { memberOf, variable } from './variable.js';

/** How deep a condition may go, and how many pieces its SQL may have: far more than a policy that people read. */
const maxDepth = 100;
const maxPieces = 20_000;

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
  const all = operator === 'and' || operator === 'or' ? flattened(operator, operands) : operands;
  try {
    return translation(
      all.map((operand) => translate(operand, scope)),
      scope,
      operator,
    );
  } catch (error) {
    throw within(error, operator);
  }
}

/** The planner nests a chain of `&&` or `||`, and the elements of a list it goes through, one in the other. */
function flattened(operator: string, operands: readonly PlanExpression[]): readonly PlanExpression[] {
  const flat: PlanExpression[] = [];
  const rest = [...operands].reverse();
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (next.type === 'operation' && next.operator === operator) rest.push(...[...next.operands].reverse());
    else flat.push(next);
  }
  return flat;
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
  const outcomeFor = (element: Term): Term =>
    translate(body, { ...scope, variables: new Map([...scope.variables, [name.name, element]]) });
  const list = translate(range, scope);
  if (list.kind === 'items' && (operator === 'exists' || operator === 'all')) {
    const each = list.items.map((item) => asBoolean(outcomeFor(item)));
    const outcome =
      each.length === 0
        ? operator === 'all'
          ? sql`TRUE`
          : sql`FALSE`
        : joined(each, operator === 'all' ? ' AND ' : ' OR ');
    // A list with an error in it is an error, whatever its other elements are.
    return {
      kind: 'boolean',
      sql: sql`(CASE WHEN ${strictly('TRUE', [list])} THEN ${outcome} END)`,
      nullable: false,
    };
  }
  return comprehension(operator, list, outcomeFor, scope.newName);
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

import type { ASTNode } from '@marcbachmann/cel-js';
import { compileNode, mapOf, type Names } from '../cel/compile.js';
import type { Evaluate } from '../cel/expression.js';
import { failed, type CelValue } from '../cel/cel-value.js';
import type { Parameters } from '../compile/table.js';
import type { Question } from '../evaluate/question.js';
import { Unsupported } from '../cel/unsupported.js';
import { Unplannable } from './unplannable.js';
import { isRow, partsOf } from './row.js';
import { known, wrong, type Part } from './part.js';

/** An iteration variable in sight: an element that is known, or one that stands for those of the row. */
export interface Local {
  readonly name: string;
  readonly part: Part;
}

/** What the expressions of one policy see when the row is not known. */
export interface View {
  /** The principal, and the attributes that all rows share. */
  readonly question: Question;
  readonly parameters: Parameters;
  readonly locals: readonly Local[];
  /** What a variable of the policy comes to. */
  readonly variable: (name: string) => Part;
  /** The variables that were looked at. */
  readonly seen: ReadonlyMap<string, Part>;
}

/** A view of a policy, in which each variable is looked at once. */
export function viewOf(
  question: Question,
  parameters: Parameters,
  evaluate: (node: ASTNode, view: View) => Part,
): View {
  const seen = new Map<string, Part>();
  const view: View = {
    question,
    parameters,
    locals: [],
    seen,
    variable: (name) => {
      const found = seen.get(name);
      if (found !== undefined) return found;
      const definition = parameters.variables.find((one) => one.name === name);
      if (definition === undefined) throw new TypeError(`there is no variable ${name}`);
      const part = evaluate(definition.expression.ast, view);
      // One that errs is null, as in a check. Where only the row says whether it errs, it errs in the plan.
      const settled = part.kind === 'wrong' ? known(null) : part;
      seen.set(name, settled);
      return settled;
    },
  };
  return view;
}

/** Whether only the row knows what a part of an expression is; what errs whatever the row is counts with it. */
export function dependsOnRow(node: ASTNode, view: View): boolean {
  if (isRow(node, view.question.resource.attr)) return true;
  if (node.op === 'id') return (localOf(node.args, view)?.part.kind ?? 'known') !== 'known';
  const name = variableOf(node, view);
  if (name !== undefined) return view.variable(name).kind === 'open';
  return partsOf(node, view.question.resource.attr).some((part) => dependsOnRow(part, view));
}

export function localOf(name: string, { locals }: View): Local | undefined {
  return locals.findLast((local) => local.name === name);
}

/** The name of the policy's variable that a node reads. */
export function variableOf(node: ASTNode, view: View): string | undefined {
  if (node.op !== '.') return undefined;
  const [root, name] = node.args;
  if (root.op !== 'id' || (root.args !== 'V' && root.args !== 'variables')) return undefined;
  return localOf(root.args, view) === undefined ? name : undefined;
}

/** Parts of policies that were compiled by themselves; those in macros see elements, and are compiled each time. */
const compiled = new WeakMap<ASTNode, Evaluate>();

/** Evaluates a part of an expression that needs nothing of the row. */
export function evaluateKnown(node: ASTNode, view: View): Part {
  const locals = view.locals.flatMap(({ name, part }) => (part.kind === 'known' ? [{ name, value: part.value }] : []));
  const evaluate = compiledOf(node, view, locals);
  const { principal, resource, scope, policyVersion, globals, runtime, work } = view.question;
  const value = evaluate({
    ...{ principal, resource, scope, policyVersion, globals, runtime, work },
    variables: mapOf(knownVariables(view)),
    constants: view.parameters.constants,
    locals: locals.map((local) => local.value),
  });
  return value === failed ? wrong : known(value);
}

function compiledOf(
  node: ASTNode,
  { parameters }: View,
  locals: readonly { readonly name: string; readonly value: CelValue }[],
): Evaluate {
  const before = locals.length === 0 ? compiled.get(node) : undefined;
  if (before !== undefined) return before;
  const names: Names = {
    variables: new Set(parameters.variables.map(({ name }) => name)),
    constants: new Set(Object.keys(parameters.constants)),
    onVariable: () => undefined,
  };
  const evaluate = compiledNode(
    node,
    names,
    locals.map(({ name }) => name),
  );
  if (locals.length === 0) compiled.set(node, evaluate);
  return evaluate;
}

/** A part may make sense in its place only, such as the name of a namespace: that is refused. */
function compiledNode(node: ASTNode, names: Names, locals: readonly string[]): Evaluate {
  try {
    return compileNode(node, names, locals);
  } catch (error) {
    if (error instanceof Unsupported) throw new Unplannable(error.message, { cause: error });
    throw error;
  }
}

/** The variables that are known. Those that are read were looked at, to find out whether they depend on the row. */
function knownVariables({ seen }: View): readonly (readonly [string, CelValue])[] {
  return [...seen].flatMap(([name, part]) => (part.kind === 'known' ? [[name, part.value] as const] : []));
}

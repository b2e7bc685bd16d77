import { Environment, type ASTNode } from '@marcbachmann/cel-js';
import { Unsupported } from './unsupported.js';

/** How deep an expression may be nested: it is compiled and evaluated by recursion. */
const maxDepth = 60;

/** The parser, and its check of types, which refuses what could never be evaluated. */
const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  limits: { maxDepth, maxAstNodes: 5000 },
});

const notEvaluatedHere = (): never => {
  throw new Unsupported('expressions are not evaluated by their parser');
};
for (const signature of [
  'hasIntersection(list<dyn>, list<dyn>): bool',
  'intersect(list<dyn>, list<dyn>): list<dyn>',
  'isSubset(list<dyn>, list<dyn>): bool',
  'except(list<dyn>, list<dyn>): list<dyn>',
  'list<dyn>.hasIntersection(list<dyn>): bool',
  'list<dyn>.intersect(list<dyn>): list<dyn>',
  'list<dyn>.isSubset(list<dyn>): bool',
  'list<dyn>.except(list<dyn>): list<dyn>',
])
  environment.registerFunction(signature, notEvaluatedHere);

/**
 * Parses an expression.
 *
 * @throws Unsupported for what does not parse, or cannot be typed
 */
export function parseExpression(text: string): ASTNode {
  const parsed = parsedOf(text);
  const { valid, error } = parsed.check();
  if (!valid) throw new Unsupported(`the expression is not valid: ${firstLine(error)}`);
  return parsed.ast;
}

function parsedOf(text: string): ReturnType<Environment['parse']> {
  try {
    return environment.parse(text);
  } catch (error) {
    throw new Unsupported(`the expression does not parse: ${firstLine(error)}`);
  }
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'for an unknown reason';
}

import { Environment, type ASTNode } from '@marcbachmann/cel-js';
import { Unsupported } from './unsupported.js';

/** How deep an expression may be nested: it is compiled and evaluated by recursion. */
const maxDepth = 60;

/** The parser. Types are looked at where the expression is compiled. */
const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  limits: { maxDepth, maxAstNodes: 5000 },
});

/**
 * Parses an expression.
 *
 * @throws Unsupported for what does not parse
 */
export function parseExpression(text: string): ASTNode {
  try {
    return environment.parse(text).ast;
  } catch (error) {
    throw new Unsupported(`the expression does not parse: ${firstLine(error)}`);
  }
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'for an unknown reason';
}

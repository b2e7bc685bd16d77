import { createRequire } from 'node:module';
import { Util } from 'casbin';
import { z } from 'zod';

/** A part of a matcher, as casbin's own parser reads it. Parts that are not listed here cannot be in a matcher. */
export type Expression =
  | { readonly type: 'Identifier'; readonly name: string }
  | { readonly type: 'Literal'; readonly value: string | number | boolean }
  | { readonly type: 'ArrayExpression'; readonly elements: readonly Expression[] }
  | {
      readonly type: 'BinaryExpression' | 'LogicalExpression';
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: 'UnaryExpression'; readonly operator: string; readonly argument: Expression }
  | {
      readonly type: 'CallExpression';
      readonly callee: { readonly type: 'Identifier'; readonly name: string };
      readonly arguments: readonly Expression[];
    }
  | { readonly type: 'MemberExpression'; readonly object: Expression; readonly property: string };

const identifier = z.object({ type: z.literal('Identifier'), name: z.string() });
const expression: z.ZodType<Expression> = z.lazy(() =>
  z.discriminatedUnion('type', [
    identifier,
    z.object({ type: z.literal('Literal'), value: z.union([z.string(), z.number(), z.boolean()]) }),
    z.object({ type: z.literal('ArrayExpression'), elements: z.array(expression) }),
    z.object({ type: z.literal('BinaryExpression'), operator: z.string(), left: expression, right: expression }),
    z.object({ type: z.literal('LogicalExpression'), operator: z.string(), left: expression, right: expression }),
    z.object({ type: z.literal('UnaryExpression'), operator: z.string(), argument: expression }),
    z.object({ type: z.literal('CallExpression'), callee: identifier, arguments: z.array(expression) }),
    z.object({
      type: z.literal('MemberExpression'),
      computed: z.literal(false),
      object: expression,
      property: identifier.transform(({ name }) => name),
    }),
  ]),
);

/** What casbin evaluates matchers with. It is casbin's dependency and not ours, so it is found from there. */
const evaluator = z
  .object({
    parse: z.custom<(text: string) => unknown>((value) => typeof value === 'function'),
    eval: z.custom<(tree: unknown, names: object) => unknown>((value) => typeof value === 'function'),
    addBinaryOp: z.custom<(operator: string, precedence: number, run: typeof Util.customIn) => void>(
      (value) => typeof value === 'function',
    ),
  })
  .parse(createRequire(createRequire(import.meta.url).resolve('casbin'))('@casbin/expression-eval'));

/**
 * Reads the text of a matcher.
 *
 * @returns the tree, or what is wrong with the text
 */
export function parseExpression(text: string): Expression | string {
  const read = parse(text);
  // casbin's own form of a list, in round brackets. Where the text can be read without, casbin would spoil others.
  return typeof read === 'string' ? parseAsCasbin(text) : read;
}

/** Reads a text as casbin does, which turns some round brackets into square ones. */
export function parseAsCasbin(text: string): Expression | string {
  return parse(Util.bracketCompatible(text));
}

function parse(text: string): Expression | string {
  // As casbin does before each expression; without it the parser does not know `in`.
  evaluator.addBinaryOp('in', 1, Util.customIn);
  let tree: unknown;
  try {
    tree = evaluator.parse(text);
  } catch (error) {
    return `the matcher cannot be read: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''}`;
  }
  const parsed = expression.safeParse(tree);
  return parsed.success
    ? parsed.data
    : 'has a part that is not supported: a matcher is made of comparisons, `&&`, `||`, `!`, `in` and calls of functions';
}

/**
 * Writes an expression for casbin, with every part in parentheses, so that nothing is left to the precedences of the
 * parser, and without the blanks around which casbin turns parentheses into lists.
 */
export function printExpression(tree: Expression): string {
  switch (tree.type) {
    case 'Identifier':
      return tree.name;
    case 'Literal':
      return typeof tree.value === 'string' ? `"${tree.value}"` : String(tree.value);
    case 'ArrayExpression':
      return `[${tree.elements.map(printExpression).join(',')}]`;
    case 'UnaryExpression':
      return `${tree.operator}(${printExpression(tree.argument)})`;
    case 'CallExpression':
      return `${tree.callee.name}(${tree.arguments.map(printExpression).join(',')})`;
    case 'MemberExpression':
      return `${printExpression(tree.object)}.${tree.property}`;
    case 'BinaryExpression':
    case 'LogicalExpression':
      return `(${printExpression(tree.left)})${tree.operator}(${printExpression(tree.right)})`;
  }
}

/** Evaluates an expression as casbin does. */
export function evaluate(tree: Expression, names: Readonly<Record<string, unknown>>): unknown {
  return evaluator.eval(tree, names);
}

import { PortcullisError, type AttributeValue } from '@portcullis/core';
import { Environment, Optional, type ASTNode, type ParseResult } from '@marcbachmann/cel-js';
import { isObject } from '../message.js';

/** What an expression may read: the JSON-RPC `params`, and all claims of the validated token. */
export interface ExpressionInput {
  readonly params: unknown;
  readonly token: Readonly<Record<string, AttributeValue>>;
}

/** A compiled value of a mapping: a literal, or a CEL expression. */
export interface Expression {
  /** What it reads of `params`, as dotted paths; `params` itself when it reads all of it. */
  readonly paramsPaths: readonly string[];
  /** `undefined` is an absent optional: the member is left out. */
  evaluate(input: ExpressionInput): AttributeValue | undefined;
}

const environment = new Environment({
  enableOptionalTypes: true,
  homogeneousAggregateLiterals: false,
  unlistedVariablesAreDyn: false,
  limits: { maxAstNodes: 2000, maxDepth: 32 },
})
  .registerVariable('params', 'dyn')
  .registerVariable('token', 'dyn');

/**
 * Compiles one string of a mapping. A leading `$` makes it a CEL expression, `$$` escapes a literal `$`, and anything
 * else is a literal.
 *
 * @param text - the string as declared
 * @param field - where it stands, for errors
 * @throws PortcullisError `mapping_error` when the expression does not parse
 * @see COAZ-MCP, "Expression syntax"
 */
export function compileExpression(text: string, field: string): Expression {
  if (text.startsWith('$$')) return literal(text.slice(1));
  if (!text.startsWith('$')) return literal(text);
  let program: ParseResult;
  try {
    program = environment.parse(text.slice(1));
  } catch (cause) {
    throw new PortcullisError('mapping_error', `${field}: the expression does not parse`, {
      data: { field },
      detail: text,
      cause,
    });
  }
  return {
    paramsPaths: pathsOf(program.ast),
    evaluate(input) {
      try {
        return toAttribute(program(input), field);
      } catch (cause) {
        if (cause instanceof PortcullisError) throw cause;
        throw new PortcullisError('mapping_error', `${field}: the expression failed`, {
          data: { field },
          detail: cause instanceof Error ? (cause.message.split('\n')[0] ?? text) : text,
          cause,
        });
      }
    },
  };
}

/** A value that needs no evaluation. */
export function literal(value: AttributeValue): Expression {
  return { paramsPaths: [], evaluate: () => value };
}

/** CEL values become JSON values; what JSON cannot say is an error and not a guess. */
function toAttribute(value: unknown, field: string): AttributeValue | undefined {
  if (value instanceof Optional) return value.hasValue() ? toAttribute(value.value(), field) : undefined;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'bigint' && value >= -maxSafe && value <= maxSafe) return Number(value);
  if (Array.isArray(value)) return value.map((item) => toAttribute(item, field) ?? null);
  if (value instanceof Map) return fromEntries([...value.entries()], field);
  if (isObject(value) && isPlain(value)) return fromEntries(Object.entries(value), field);
  throw new PortcullisError('mapping_error', `${field}: the expression gives no JSON value`, { data: { field } });
}

const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);

function fromEntries(entries: readonly (readonly [unknown, unknown])[], field: string): AttributeValue {
  const members: [string, AttributeValue][] = [];
  for (const [name, member] of entries) {
    const converted = toAttribute(member, field);
    if (typeof name === 'string' && converted !== undefined) members.push([name, converted]);
  }
  return Object.fromEntries(members);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The paths under `params` that an expression reads. */
function pathsOf(root: ASTNode): readonly string[] {
  const paths = new Set<string>();
  visit(root);
  return [...paths];

  function visit(node: ASTNode): void {
    const path = pathOf(node);
    if (path !== undefined) {
      if (path === 'params' || path.startsWith('params.')) paths.add(path);
      return;
    }
    for (const child of childrenOf(node.args)) visit(child);
  }
}

function pathOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return node.args;
  if (node.op === '.' || node.op === '.?') {
    const base = pathOf(node.args[0]);
    return base === undefined ? undefined : `${base}.${node.args[1]}`;
  }
  if (node.op === '[]' || node.op === '[?]') {
    const [base, index] = node.args;
    const path = pathOf(base);
    return path !== undefined && index.op === 'value' && typeof index.args === 'string'
      ? `${path}.${index.args}`
      : undefined;
  }
  return undefined;
}

export function childrenOf(args: unknown): readonly ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return isNode(args) ? [args] : [];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

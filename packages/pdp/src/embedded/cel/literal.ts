import type { ASTNode } from '@marcbachmann/cel-js';
import { isInt } from './arithmetic.js';
import { Bytes } from './bytes.js';
import type { Kind } from './kind.js';
import type { Typed } from './typed.js';
import { Uint } from './uint.js';
import { Unsupported } from './unsupported.js';
import type { CelValue } from './cel-value.js';

type Literal = Extract<ASTNode, { readonly op: 'value' }>;

/**
 * A literal.
 *
 * @throws Unsupported for a number that is too large, and for what the parser reads otherwise than Cerbos does
 */
export function literal(node: Literal): Typed {
  const source = node.input.slice(node.start, node.end);
  // The parser has a backslash hide the quote after it, which in a raw literal it does not.
  if (/^[rR]/.test(source) && /\\["']/.test(source))
    throw new Unsupported('a raw literal has a backslash before a quote');
  return valueOf(node.args, source);
}

/** A literal with a minus before it: the smallest int has no other form. */
export function negativeInt(node: ASTNode): Typed | undefined {
  if (node.op !== 'value' || typeof node.args !== 'bigint' || !isInt(-node.args)) return undefined;
  return constant(-node.args, 'int');
}

function valueOf(value: Literal['args'], source: string): Typed {
  switch (typeof value) {
    case 'string':
      return constant(value, 'string');
    case 'boolean':
      return constant(value, 'bool');
    case 'number':
      return constant(value, 'double');
    case 'bigint':
      if (!isInt(value)) throw new Unsupported(`the number \`${String(value)}\` is too large`);
      return constant(value, 'int');
    default:
      if (value === null) return constant(null, 'null');
      return value instanceof Uint8Array ? bytes(value, source) : constant(new Uint(value.value), 'uint');
  }
}

/** The parser takes characters beyond ASCII for bytes, of which UTF-8 has several. */
function bytes(value: Uint8Array, source: string): Typed {
  if (!/^[\t\n\r -~]*$/.test(source)) throw new Unsupported('a literal of bytes has characters beyond ASCII');
  return constant(new Bytes(value), 'bytes');
}

export function constant(value: CelValue, kind: Kind): Typed {
  return { evaluate: () => value, kind, constant: value };
}

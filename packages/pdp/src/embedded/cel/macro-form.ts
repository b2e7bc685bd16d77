import type { ASTNode } from '@marcbachmann/cel-js';
import type { Kind } from './kind.js';
import { macros } from './macros.js';
import type { Typed } from './typed.js';
import { Unsupported } from './unsupported.js';

/** The names of a macro's variables; nothing where it is none. */
export function macroVariables(name: string, args: readonly ASTNode[]): readonly string[] | undefined {
  const isMacro = [...macros.keys()].some((key) => key.startsWith(`${name}/`));
  if (!isMacro) return undefined;
  const count = oneVariable.has(name) || (quantifiers.has(name) && args.length === 2) ? 1 : 2;
  return args.slice(0, count).map((arg) => {
    if (arg.op !== 'id') throw new Unsupported(`the macro \`${name}\` begins with a name`);
    return arg.args;
  });
}

const oneVariable = new Set(['map', 'filter', 'sortBy']);
const quantifiers = new Set(['all', 'exists', 'exists_one', 'existsOne']);

/** What is known of a macro's variables: of a list, they are an item, or an index and an item. */
export function variableKinds({ kind, item = 'dyn' }: Typed, count: number): readonly Kind[] {
  if (kind !== 'list') return [];
  return count === 1 ? [item] : ['int', item];
}

/** What a macro gives. */
export function macroKind(name: string): Kind {
  if (quantifiers.has(name)) return 'bool';
  return name === 'transformMap' || name === 'transformMapEntry' ? 'map' : 'list';
}

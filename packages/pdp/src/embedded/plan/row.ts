import type { ASTNode } from '@marcbachmann/cel-js';
import type { CelMap } from '../cel/cel-value.js';

/** What of a resource is known before the row is. */
const knownFields: ReadonlySet<string> = new Set(['kind', 'scope', 'policyVersion']);

/** Whether a node is the resource as such. */
export function isResource(node: ASTNode): boolean {
  if (node.op === 'id') return node.args === 'R';
  return node.op === '.' && node.args[1] === 'resource' && isId(node.args[0], 'request');
}

/** Whether a node is the map of the resource's attributes. */
export function isAttributes(node: ASTNode): boolean {
  return node.op === '.' && node.args[1] === 'attr' && isResource(node.args[0]);
}

/** The name of the attribute that a node reads, where it is written out. */
export function attributeOf(node: ASTNode): string | undefined {
  if (node.op === '.') return isAttributes(node.args[0]) ? node.args[1] : undefined;
  if (node.op !== '[]' || !isAttributes(node.args[0])) return undefined;
  const [, key] = node.args;
  return key.op === 'value' && typeof key.args === 'string' ? key.args : undefined;
}

/**
 * Whether a node reads the row: its id, its attributes, and whatever else is not known for certain. `R` can be no
 * iteration variable: a macro that hides it is refused when the policies are loaded.
 *
 * @param shared - the attributes that all rows have alike
 */
export function isRow(node: ASTNode, shared: CelMap): boolean {
  if (isResource(node) || isAttributes(node)) return true;
  const name = attributeOf(node);
  if (name !== undefined) return !Object.hasOwn(shared, name);
  if (node.op === '.' && isResource(node.args[0])) return !knownFields.has(node.args[1]);
  return isId(node, 'request') || isId(node, 'runtime');
}

function isId(node: ASTNode, name: string): boolean {
  return node.op === 'id' && node.args === name;
}

/** The nodes that a node is made of, but for those that are known by their own names. */
export function partsOf(node: ASTNode, shared: CelMap): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
      return isKnownByName(node, shared) ? [] : [node.args[0]];
    case '.?':
      return [node.args[0]];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'list':
      return node.args;
    case 'map':
      return node.args.flat();
    case '?:':
      return node.args;
    case '!_':
    case '-_':
      return [node.args];
    case '[]':
      return isKnownByName(node, shared) ? [] : node.args;
    default:
      return node.args;
  }
}

/** `R.kind`, `request.principal`, and the attributes that all rows share. */
function isKnownByName(node: ASTNode, shared: CelMap): boolean {
  const name = attributeOf(node);
  if (name !== undefined) return Object.hasOwn(shared, name);
  if (node.op !== '.') return false;
  const [of, field] = node.args;
  if (isResource(of)) return knownFields.has(field);
  return isId(of, 'request') && field !== 'resource';
}

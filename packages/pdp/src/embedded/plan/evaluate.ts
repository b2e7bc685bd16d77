import type { ASTNode } from '@marcbachmann/cel-js';
import { Duration } from '../cel/duration.js';
import { CelObject } from '../cel/cel-value.js';
import { Timestamp } from '../cel/timestamp.js';
import { calculated, compared, contained, equality, opposite } from './operators.js';
import { logical, negated } from './logic.js';
import { isMacro, macro } from './macros.js';
import { elementOf, isPresent, memberOf } from './members.js';
import { hasInt, known, operation, variable, wrong, type OpenType, type Part } from './part.js';
import { attributeOf, isAttributes, isResource } from './row.js';
import { Unplannable } from './unplannable.js';
import { dependsOnRow, evaluateKnown, localOf, variableOf, type View } from './view.js';

/**
 * Evaluates an expression as far as it goes without the row; what is left is in the operators of query plans.
 *
 * What is left errs for a row where the expression does, and is otherwise what the expression is. Only a variable of the
 * policy that errs is null in a check and errs in a plan: nothing becomes true by it.
 *
 * @see internal/ruletable/planner of https://github.com/cerbos/cerbos, whose operators these are
 * @throws Unplannable
 */
export function evaluate(node: ASTNode, view: View): Part {
  if (!dependsOnRow(node, view)) return settled(node, view);
  const part = (of: ASTNode): Part => evaluate(of, view);
  switch (node.op) {
    case 'id':
      return localOf(node.args, view)?.part ?? refused(node);
    case '.':
      return select(node, view);
    case '[]': {
      const [of, key] = node.args;
      return attribute(node) ?? elementOf(isAttributes(of) ? attributes : part(of), part(key));
    }
    case 'call':
      return call(node.args[0], node.args[1], view);
    case 'rcall': {
      const [name, of, args] = node.args;
      const namespace = of.op === 'id' && localOf(of.args, view) === undefined ? of.args : undefined;
      if (namespace === 'cel' && name === 'bind') return bound(args, view);
      if (namespace !== undefined && namespaces.has(namespace))
        return applied(`${namespace}.${name}`, args.map(part), node);
      if (isMacro(name, args)) return macro(name, part(of), args, view, evaluate);
      return applied(name, [of, ...args].map(part), node);
    }
    case 'list':
      return list(node.args.map(part));
    case 'map':
      return struct(node.args.map(([key, value]) => [part(key), part(value)]));
    case '?:': {
      const [condition, yes, no] = node.args;
      return choice(
        part(condition),
        () => part(yes),
        () => part(no),
      );
    }
    case '||':
    case '&&':
      return logical(node.op === '||' ? 'or' : 'and', node.args.map(part));
    case '!_':
      return negated(part(node.args));
    case '-_':
      return opposite(part(node.args));
    case '==':
    case '!=':
      return equality(node.op, part(node.args[0]), part(node.args[1]));
    case '<':
    case '<=':
    case '>':
    case '>=':
      return compared(node.op, part(node.args[0]), part(node.args[1]));
    case 'in': {
      const [of, all] = node.args;
      return isAttributes(all) ? attributeNamed(part(of), view) : contained(part(of), part(all));
    }
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return calculated(node.op, part(node.args[0]), part(node.args[1]));
    default:
      return refused(node);
  }
}

const attributes = variable('request.resource.attr', 'json');

const namespaces: ReadonlySet<string> = new Set(['math', 'lists', 'strings', 'base64']);

/** What needs nothing of the row. A value that JSON has not is written as the policy has it. */
function settled(node: ASTNode, view: View): Part {
  const part = evaluateKnown(node, view);
  if (part.kind !== 'known' || !(part.value instanceof CelObject) || node.op !== 'call') return part;
  if (part.value instanceof Timestamp || part.value instanceof Duration) return part;
  const [name, args] = node.args;
  const { expression } = operation(
    name,
    args.map((arg) => evaluate(arg, view)),
    'any',
  );
  return { ...part, written: expression };
}

/** `cel.bind(name, value, body)`: the value is put where it is read, and errs only there. */
function bound([name, value, body, ...more]: readonly ASTNode[], view: View): Part {
  if (name?.op !== 'id' || value === undefined || body === undefined || more.length > 0)
    throw new Unplannable('`cel.bind` in this form');
  const locals = [...view.locals, { name: name.args, part: evaluate(value, view) }];
  return evaluate(body, { ...view, locals });
}

/** Whether the row has an attribute. Those that all rows share are there. */
function attributeNamed(name: Part, { question }: View): Part {
  const isShared =
    name.kind === 'known' && typeof name.value === 'string' && Object.hasOwn(question.resource.attr, name.value);
  return isShared ? known(true) : contained(name, attributes);
}

function refused(node: ASTNode): never {
  throw new Unplannable(`\`${textOf(node)}\` depends on the row, and no plan can say how`);
}

function textOf({ input, start, end }: ASTNode): string {
  return input.slice(start, end);
}

function select(node: ASTNode & { readonly op: '.' }, view: View): Part {
  const name = variableOf(node, view);
  if (name !== undefined) return view.variable(name);
  const [of, field] = node.args;
  if (isAttributes(node)) return attributes;
  if (isResource(of)) return field === 'id' ? variable('request.resource.id', 'string') : refused(node);
  return attribute(node) ?? memberOf(evaluate(of, view), field);
}

/** An attribute of the row. A name that is no word is given as a key: the variable's name is a path. */
function attribute(node: ASTNode): Part | undefined {
  const name = attributeOf(node);
  if (name === undefined) return undefined;
  return /^[A-Za-z_]\w*$/.test(name)
    ? variable(`request.resource.attr.${name}`, 'json')
    : operation('index', [attributes, known(name)], 'json');
}

function call(name: string, args: readonly ASTNode[], view: View): Part {
  const [only] = args;
  if (name !== 'has')
    return applied(
      name,
      args.map((arg) => evaluate(arg, view)),
      only,
    );
  if (only?.op !== '.') throw new Unplannable('`has` of anything but a field');
  const [of, field] = only.args;
  if (isAttributes(of)) return attributeNamed(known(field), view);
  return isPresent(evaluate(of, view), field);
}

/** What functions give, for those of which a plan has to know. Of others, nothing is taken for granted. */
const results: Readonly<Record<string, OpenType>> = {
  size: 'int',
  int: 'int',
  indexOf: 'int',
  double: 'double',
  string: 'string',
  lowerAscii: 'string',
  upperAscii: 'string',
  bool: 'boolean',
  startsWith: 'boolean',
  endsWith: 'boolean',
  contains: 'boolean',
  matches: 'boolean',
  hasIntersection: 'boolean',
  has_intersection: 'boolean',
  isSubset: 'boolean',
  is_subset: 'boolean',
};

/** Functions that take numbers for what they amount to. */
const numeric = 'math.';

/** A function of the row. A plan has the function's own name for it; whoever does not know the name refuses the plan. */
function applied(name: string, args: readonly Part[], node: ASTNode | undefined): Part {
  if (args.some(({ kind }) => kind === 'wrong')) return wrong;
  for (const arg of args)
    if (arg.kind === 'known' && isWholeDouble(arg.value) && !name.startsWith(numeric))
      throw new Unplannable(`\`${name}\` is given a double that a plan does not tell from an int`);
  if (!/^[A-Za-z_][\w.]*$/.test(name)) return node === undefined ? wrong : refused(node);
  return operation(name, args, Object.hasOwn(results, name) ? (results[name] ?? 'any') : 'any');
}

function isWholeDouble(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value);
}

/** A list that is written out: one that errs in an element errs as a whole. */
function list(items: readonly Part[]): Part {
  if (items.some(({ kind }) => kind === 'wrong')) return wrong;
  const values = items.flatMap((item) => (item.kind === 'known' ? [item.value] : []));
  return values.length === items.length ? known(values) : operation('list', items, typeOfAll(items));
}

function struct(entries: readonly (readonly [Part, Part])[]): Part {
  if (entries.flat().some(({ kind }) => kind === 'wrong')) return wrong;
  const fields = entries.map(([key, value]) => {
    if (key.kind !== 'known' || typeof key.value !== 'string') throw new Unplannable('a key that is no text');
    return operation('set-field', [key, value], 'any');
  });
  return operation('struct', fields, typeOfAll(entries.map(([, value]) => value)));
}

/** Of parts of which none is or has an int, neither has what is made of them. */
function typeOfAll(parts: readonly Part[]): OpenType {
  const isFree = (part: Part): boolean => {
    if (part.kind === 'known') return !hasInt(part.value);
    return part.kind === 'open' && part.type !== 'any' && part.type !== 'int';
  };
  return parts.every(isFree) ? 'json' : 'any';
}

function choice(condition: Part, yes: () => Part, no: () => Part): Part {
  if (condition.kind === 'wrong') return wrong;
  if (condition.kind === 'known') {
    if (typeof condition.value !== 'boolean') return wrong;
    return condition.value ? yes() : no();
  }
  const [one, other] = [yes(), no()];
  if (one.kind === 'wrong' && other.kind === 'wrong') return wrong;
  return operation('if', [condition, one, other], typeOfChoice(one, other));
}

function typeOfChoice(one: Part, other: Part): OpenType {
  const types = new Set([one, other].map(typeOf).filter((type) => type !== undefined));
  const [only = 'any', ...more] = types;
  if (more.length === 0) return only;
  return types.has('any') || types.has('int') ? 'any' : 'json';
}

function typeOf(part: Part): OpenType | undefined {
  if (part.kind === 'open') return part.type;
  if (part.kind === 'wrong') return undefined;
  switch (typeof part.value) {
    case 'boolean':
      return 'boolean';
    case 'string':
      return 'string';
    case 'number':
      return 'double';
    case 'bigint':
      return 'int';
    default:
      return 'any';
  }
}

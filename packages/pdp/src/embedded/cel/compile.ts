import type { ASTNode } from '@marcbachmann/cel-js';
import type { Evaluate, Expression } from './expression.js';
import { functions } from './functions.js';
import { macros } from './macros.js';
import { binaryOperators, isInt, logical, negated } from './operators.js';
import { parseExpression } from './parse.js';
import { Unsupported } from './unsupported.js';
import { failed, isList, isMap, member, type CelMap, type CelValue } from './value.js';

/** What an expression may name, and what it did name. */
export interface Names {
  readonly variables: ReadonlySet<string>;
  readonly constants: ReadonlySet<string>;
  /** Hears of each variable that is read. */
  readonly onVariable: (name: string) => void;
}

/**
 * Compiles an expression into a function. The parser is a library's; what is evaluated, and how, is said here node by
 * node, so that a construct that was not thought of is refused and not guessed at.
 *
 * @throws Unsupported
 */
export function compileExpression(text: string, names: Names): Expression {
  const ast = parseExpression(text);
  return { text, ast, evaluate: new Compiler(names).node(ast) };
}

/**
 * Compiles a part of an expression that was compiled before, for what evaluates in parts.
 *
 * @param locals - the iteration variables around the part, outermost first: the first of the activation's `locals`
 * @throws Unsupported
 */
export function compileNode(node: ASTNode, names: Names, locals: readonly string[]): Evaluate {
  return new Compiler(names, locals).node(node);
}

const roots = new Set(['request', 'R', 'P', 'V', 'C', 'G', 'variables', 'constants', 'globals', 'runtime']);

/** The fields of the principal and the resource, by the names that policies give them. */
const fields: Readonly<Record<'P' | 'R', Readonly<Record<string, Evaluate>>>> = {
  P: {
    id: ({ principal }) => principal.id,
    roles: ({ principal }) => principal.roles,
    attr: ({ principal }) => principal.attr,
    scope: ({ scope }) => scope,
    policyVersion: ({ policyVersion }) => policyVersion,
  },
  R: {
    id: ({ resource }) => resource.id,
    kind: ({ resource }) => resource.kind,
    attr: ({ resource }) => resource.attr,
    scope: ({ scope }) => scope,
    policyVersion: ({ policyVersion }) => policyVersion,
  },
};

class Compiler {
  readonly #names: Names;
  /** The iteration variables in sight, innermost last. */
  readonly #locals: string[];

  constructor(names: Names, locals: readonly string[] = []) {
    this.#names = names;
    this.#locals = [...locals];
  }

  node(node: ASTNode): Evaluate {
    switch (node.op) {
      case 'value':
        return literal(node.args);
      case 'id':
        return this.#identifier(node.args);
      case '.':
        return this.#select(node.args[0], node.args[1]);
      case '[]':
        return index(this.node(node.args[0]), this.node(node.args[1]));
      case 'call':
        return this.#call(node.args[0], node.args[1]);
      case 'rcall':
        return this.#method(node.args[0], node.args[1], node.args[2]);
      case 'list':
        return list(node.args.map((item) => this.node(item)));
      case 'map':
        return map(node.args.map(([key, value]) => [keyOf(key), this.node(value)] as const));
      case '?:':
        return ternary(this.node(node.args[0]), this.node(node.args[1]), this.node(node.args[2]));
      case '||':
      case '&&':
        return logical(node.op === '||', this.node(node.args[0]), this.node(node.args[1]));
      case '!_':
        return not(this.node(node.args));
      case '-_':
        return minus(this.node(node.args));
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
      case 'in':
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return binary(node.op, this.node(node.args[0]), this.node(node.args[1]));
      case '.?':
      case '[?]':
        throw new Unsupported(`the operator \`${node.op}\` is not supported`);
    }
  }

  #identifier(name: string): Evaluate {
    const depth = this.#locals.lastIndexOf(name);
    if (depth >= 0) return ({ locals }) => locals[depth] ?? null;
    throw new Unsupported(
      roots.has(name) ? `\`${name}\` is only supported with a field after it` : `the identifier \`${name}\` is unknown`,
    );
  }

  #select(operand: ASTNode, name: string): Evaluate {
    const known = this.#field(operand, name);
    if (known !== undefined) return known;
    const value = this.node(operand);
    return (activation) => member(value(activation), name);
  }

  /** A field of what the request, the policy or its constants are: these are known when the policies are loaded. */
  #field(operand: ASTNode, name: string): Evaluate | undefined {
    const message = this.#message(operand);
    if (message !== undefined) {
      const field = Object.hasOwn(fields[message], name) ? fields[message][name] : undefined;
      if (field === undefined) throw new Unsupported(`the field \`${name}\` of \`${message}\` is not supported`);
      return field;
    }
    const root = this.#root(operand);
    if (root === 'V' || root === 'variables') {
      if (!this.#names.variables.has(name)) throw new Unsupported(`the variable \`${name}\` is not defined`);
      this.#names.onVariable(name);
      return ({ variables }) => member(variables, name);
    }
    if (root === 'C' || root === 'constants') {
      if (!this.#names.constants.has(name)) throw new Unsupported(`the constant \`${name}\` is not defined`);
      return ({ constants }) => member(constants, name);
    }
    if (root !== undefined) throw new Unsupported(`\`${root}.${name}\` is not supported`);
    return undefined;
  }

  /** Whether a node is the principal or the resource as such. */
  #message(node: ASTNode): 'P' | 'R' | undefined {
    const root = this.#root(node);
    if (root === 'P' || root === 'R') return root;
    if (node.op !== '.' || this.#root(node.args[0]) !== 'request') return undefined;
    if (node.args[1] === 'principal') return 'P';
    return node.args[1] === 'resource' ? 'R' : undefined;
  }

  #root(node: ASTNode): string | undefined {
    return node.op === 'id' && roots.has(node.args) && !this.#locals.includes(node.args) ? node.args : undefined;
  }

  #call(name: string, args: readonly ASTNode[]): Evaluate {
    if (name === 'has') return this.#has(args);
    return this.#apply(`${name}/${String(args.length)}`, args);
  }

  #method(name: string, receiver: ASTNode, args: readonly ASTNode[]): Evaluate {
    if (Object.hasOwn(macros, name) && args.length >= 2) return this.#macro(name, receiver, args);
    return this.#apply(`.${name}/${String(args.length + 1)}`, [receiver, ...args]);
  }

  #apply(key: string, args: readonly ASTNode[]): Evaluate {
    const run = functions.get(key);
    if (run === undefined)
      throw new Unsupported(`the function \`${key.replace(/^\.|\/\d+$/g, '')}\` is not supported in this form`);
    const values = args.map((arg) => this.node(arg));
    return (activation) => {
      const given: CelValue[] = [];
      for (const value of values) {
        const result = value(activation);
        if (result === failed) return failed;
        given.push(result);
      }
      return run(...given);
    };
  }

  #has([node, ...more]: readonly ASTNode[]): Evaluate {
    if (node?.op !== '.' || more.length > 0) throw new Unsupported('`has` is only supported on a field');
    const [operand, name] = node.args;
    if (this.#message(operand) !== undefined || this.#root(operand) !== undefined || !isPath(operand))
      throw new Unsupported('`has` is only supported on attributes');
    const value = this.node(operand);
    return (activation) => {
      const result = value(activation);
      if (result === failed || isList(result)) return failed;
      // A scalar has no member: that is no failure, as reading it would be.
      return isMap(result) && Object.hasOwn(result, name);
    };
  }

  #macro(name: string, receiver: ASTNode, [variable, ...bodies]: readonly ASTNode[]): Evaluate {
    const macro = macros[name];
    const bodiesAllowed = name === 'map' ? 2 : 1;
    if (macro === undefined || variable?.op !== 'id' || bodies.length > bodiesAllowed)
      throw new Unsupported(`the macro \`${name}\` is not supported in this form`);
    const iterated = variable.args;
    if (roots.has(iterated) || this.#locals.includes(iterated))
      throw new Unsupported(`the variable \`${iterated}\` of \`${name}\` hides another`);
    const range = this.node(receiver);
    const depth = this.#locals.push(iterated) - 1;
    const [body, result] = bodies.map((node) => this.node(node));
    this.#locals.pop();
    if (body === undefined) throw new Unsupported(`the macro \`${name}\` is not supported in this form`);
    return macro(range, depth, body, result);
  }
}

/** A name, with fields and indexes after it. */
function isPath(node: ASTNode): boolean {
  return node.op === 'id' || ((node.op === '.' || node.op === '[]') && isPath(node.args[0]));
}

function literal(value: unknown): Evaluate {
  if (typeof value === 'bigint' && !isInt(value)) throw new Unsupported(`the number \`${String(value)}\` is too large`);
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
    case 'number':
      return () => value;
    default:
      if (value === null) return () => null;
      throw new Unsupported('literals of unsigned integers and of bytes are not supported');
  }
}

function keyOf(key: ASTNode): string {
  if (key.op === 'value' && typeof key.args === 'string') return key.args;
  throw new Unsupported('keys of map literals are only supported as string literals');
}

function index(value: Evaluate, key: Evaluate): Evaluate {
  return (activation) => {
    const container = value(activation);
    const at = key(activation);
    if (typeof at === 'string') return member(container, at);
    if (!isList(container)) return failed;
    // A double without a fraction is an index too: all numbers of attributes are doubles.
    if (typeof at !== 'bigint' && !(typeof at === 'number' && Number.isInteger(at))) return failed;
    const position = Number(at);
    return position >= 0 && position < container.length ? (container[position] ?? null) : failed;
  };
}

function list(items: readonly Evaluate[]): Evaluate {
  return (activation) => {
    const values: CelValue[] = [];
    for (const item of items) {
      const value = item(activation);
      if (value === failed) return failed;
      values.push(value);
    }
    return values;
  };
}

function map(entries: readonly (readonly [string, Evaluate])[]): Evaluate {
  if (new Set(entries.map(([key]) => key)).size !== entries.length)
    throw new Unsupported('a map literal has a key twice');
  return (activation) => {
    const values: [string, CelValue][] = [];
    for (const [key, expression] of entries) {
      const value = expression(activation);
      if (value === failed) return failed;
      values.push([key, value]);
    }
    return mapOf(values);
  };
}

/** A map that inherits nothing. */
export function mapOf(entries: readonly (readonly [string, CelValue])[]): CelMap {
  const map = Object.create(null) as Record<string, CelValue>;
  for (const [key, value] of entries) map[key] = value;
  return map;
}

function ternary(condition: Evaluate, whenTrue: Evaluate, whenFalse: Evaluate): Evaluate {
  return (activation) => {
    const chosen = condition(activation);
    if (typeof chosen !== 'boolean') return failed;
    return chosen ? whenTrue(activation) : whenFalse(activation);
  };
}

function not(value: Evaluate): Evaluate {
  return (activation) => {
    const result = value(activation);
    return typeof result === 'boolean' ? !result : failed;
  };
}

function minus(value: Evaluate): Evaluate {
  return (activation) => negated(value(activation));
}

function binary(operator: string, left: Evaluate, right: Evaluate): Evaluate {
  const run = binaryOperators[operator];
  if (run === undefined) throw new Unsupported(`the operator \`${operator}\` is not supported`);
  return (activation) => {
    const one = left(activation);
    if (one === failed) return failed;
    const other = right(activation);
    return other === failed ? failed : run(one, other);
  };
}

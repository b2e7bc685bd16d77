import type { ASTNode } from '@marcbachmann/cel-js';
import { index, presence, select } from './access.js';
import { aggregate } from './aggregate.js';
import { binary } from './binary.js';
import { callOf } from './call.js';
import { minus, not, ternary } from './control.js';
import type { Evaluate, Expression } from './expression.js';
import { functions } from './functions.js';
import { clockFunctions, timeSince } from './functions/times.js';
import { constant, literal, negativeInt } from './literal.js';
import { macroKind, macroVariables, variableKinds } from './macro-form.js';
import { macros } from './macros.js';
import { matching } from './matching.js';
import { logical } from './operators.js';
import { parseExpression } from './parse.js';
import { attributeOf, fieldOf, type Message } from './request-fields.js';
import { timestampOfMs } from './timestamp.js';
import { typeNames } from './type-value.js';
import { freeWithin, type Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { member } from './value.js';

export { mapOf } from './value.js';

/** What an expression may name, and what it did name. */
export interface Names {
  readonly variables: ReadonlySet<string>;
  readonly constants: ReadonlySet<string>;
  /** Hears of each variable that is read. */
  readonly onVariable: (name: string) => void;
  /** Hears that `runtime` is read; without, it may not be. */
  readonly onRuntime?: (() => void) | undefined;
}

/**
 * Compiles an expression into a function. The parser is a library's; what is evaluated, and how, is said here node by
 * node, so that a construct that was not thought of is refused and not guessed at.
 *
 * @throws Unsupported
 */
export function compileExpression(text: string, names: Names): Expression {
  const ast = parseExpression(text);
  return { text, ast, evaluate: new Compiler(names).node(ast).evaluate };
}

/**
 * Compiles a part of an expression that was compiled before, for what evaluates in parts.
 *
 * @param locals - the iteration variables around the part, outermost first: the first of the activation's `locals`
 * @throws Unsupported
 */
export function compileNode(node: ASTNode, names: Names, locals: readonly string[]): Evaluate {
  return new Compiler(
    names,
    locals.map((name): Local => ({ name, kind: 'dyn' })),
  ).node(node).evaluate;
}

/** A variable of a macro, and what is known of it. */
interface Local extends Pick<Typed, 'kind' | 'item' | 'isUnknown' | 'free'> {
  readonly name: string;
}

const roots = new Set(['request', 'R', 'P', 'V', 'C', 'G', 'variables', 'constants', 'globals', 'runtime']);
const namespaces = new Set(['math', 'lists', 'strings', 'base64', 'cel', 'google']);

class Compiler {
  readonly #names: Names;
  /** The variables of macros in sight, innermost last. */
  readonly #locals: Local[];
  /** How many nodes were compiled. */
  #nodes = 0;

  constructor(names: Names, locals: readonly Local[] = []) {
    this.#names = names;
    this.#locals = [...locals];
  }

  node(node: ASTNode): Typed {
    this.#nodes++;
    switch (node.op) {
      case 'value':
        return literal(node);
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
        return aggregate.list(node.args.map((item) => this.node(item)));
      case 'map':
        return aggregate.map(node.args.map(([key, value]) => [this.node(key), this.node(value)] as const));
      case '?:':
        return ternary(this.#bool(node.args[0]), this.node(node.args[1]), this.node(node.args[2]));
      case '||':
      case '&&':
        return {
          evaluate: logical(node.op === '||', this.#bool(node.args[0]), this.#bool(node.args[1])),
          kind: 'bool',
        };
      case '!_':
        return { evaluate: not(this.#bool(node.args)), kind: 'bool' };
      case '-_':
        return negativeInt(node.args) ?? minus(this.node(node.args));
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
        return this.#binary(node.op, this.node(node.args[0]), this.node(node.args[1]));
      case '.?':
      case '[?]':
        throw new Unsupported(`the operator \`${node.op}\` is not supported`);
    }
  }

  #binary(operator: Parameters<typeof binary>[0], left: Typed, right: Typed): Typed {
    const result = binary(operator, left, right);
    return result.kind === 'bool' ? result : { ...result, free: freeWithin([left, right]) };
  }

  /** A part that has to be a boolean. */
  #bool(node: ASTNode): Evaluate {
    const { evaluate, kind } = this.node(node);
    if (kind !== 'bool' && kind !== 'dyn' && kind !== 'null')
      throw new Unsupported(`a value of type ${kind} is no boolean`);
    return evaluate;
  }

  #identifier(name: string): Typed {
    const depth = this.#locals.findLastIndex((local) => local.name === name);
    const local = this.#locals[depth];
    if (local !== undefined) {
      const { kind, item, isUnknown, free } = local;
      return { evaluate: ({ locals }) => locals[depth] ?? null, kind, item, isUnknown, free };
    }
    const type = typeNames.get(name);
    if (type !== undefined) return constant(type, 'type');
    throw new Unsupported(
      roots.has(name) ? `\`${name}\` is only supported with a field after it` : `the identifier \`${name}\` is unknown`,
    );
  }

  #select(operand: ASTNode, name: string): Typed {
    const type = typeNames.get(`${this.#path(operand) ?? ''}.${name}`);
    if (type !== undefined) return constant(type, 'type');
    return this.#field(operand, name) ?? this.#attribute(operand, name) ?? select(this.node(operand), name);
  }

  #attribute(operand: ASTNode, name: string): Typed | undefined {
    const message = operand.op === '.' && operand.args[1] === 'attr' ? this.#message(operand.args[0]) : undefined;
    const evaluate = message === undefined ? undefined : attributeOf(message, name);
    return evaluate === undefined ? undefined : { evaluate, kind: 'dyn', isUnknown: true };
  }

  /** The names that a node is of, with dots, where the first is no variable. */
  #path(node: ASTNode): string | undefined {
    if (node.op === 'id') return this.#isLocal(node.args) ? undefined : node.args;
    if (node.op !== '.') return undefined;
    const path = this.#path(node.args[0]);
    return path === undefined ? undefined : `${path}.${node.args[1]}`;
  }

  #isLocal(name: string): boolean {
    return this.#locals.some((local) => local.name === name);
  }

  /** A field of what the request, the policy or its constants are: these are known when the policies are loaded. */
  #field(operand: ASTNode, name: string): Typed | undefined {
    const message = this.#message(operand);
    if (message !== undefined) {
      const field = fieldOf(message, name);
      if (field === undefined) throw new Unsupported(`the field \`${name}\` of \`${message}\` is not supported`);
      if (typeof field === 'string') throw new Unsupported(`\`${name}\` is only supported with a field after it`);
      return name === 'attr' ? { ...field, isUnknown: true } : field;
    }
    switch (this.#root(operand)) {
      case 'V':
      case 'variables':
        if (!this.#names.variables.has(name)) throw new Unsupported(`the variable \`${name}\` is not defined`);
        this.#names.onVariable(name);
        return { evaluate: ({ variables }) => member(variables, name), kind: 'dyn', isUnknown: true };
      case 'C':
      case 'constants':
        if (!this.#names.constants.has(name)) throw new Unsupported(`the constant \`${name}\` is not defined`);
        return { evaluate: ({ constants }) => member(constants, name), kind: 'dyn', isUnknown: true };
      case 'G':
      case 'globals':
        // A global that nobody set is null.
        return {
          evaluate: ({ globals }) => (Object.hasOwn(globals, name) ? (globals[name] ?? null) : null),
          kind: 'dyn',
          isUnknown: true,
        };
      default:
        return undefined;
    }
  }

  /** The part of the request that a node is as such. */
  #message(node: ASTNode): Message | undefined {
    const root = this.#root(node);
    if (root === 'runtime') this.#requireRuntime();
    if (root === 'P' || root === 'R' || root === 'request' || root === 'runtime') return root;
    if (node.op !== '.') return undefined;
    const message = this.#message(node.args[0]);
    const field = message === undefined ? undefined : fieldOf(message, node.args[1]);
    return typeof field === 'string' ? field : undefined;
  }

  /** In which order Cerbos fills it is anybody's guess where policies of several scopes read it. */
  #requireRuntime(): void {
    if (this.#names.onRuntime === undefined)
      throw new Unsupported('`runtime` is only supported in resource policies without a scope');
    this.#names.onRuntime();
  }

  #root(node: ASTNode): string | undefined {
    return node.op === 'id' && roots.has(node.args) && !this.#isLocal(node.args) ? node.args : undefined;
  }

  #call(name: string, args: readonly ASTNode[]): Typed {
    if (name === 'has') return { evaluate: this.#has(args), kind: 'bool' };
    return this.#apply(name, `${name}/${String(args.length)}`, args);
  }

  #method(name: string, receiver: ASTNode, args: readonly ASTNode[]): Typed {
    if (receiver.op === 'id' && namespaces.has(receiver.args) && !this.#isLocal(receiver.args)) {
      const qualified = `${receiver.args}.${name}`;
      if (qualified === 'cel.bind') return this.#bind(args);
      return this.#apply(qualified, `${qualified}/${String(args.length)}`, args);
    }
    return (
      this.#macro(name, receiver, args) ?? this.#apply(name, `.${name}/${String(args.length + 1)}`, [receiver, ...args])
    );
  }

  #apply(name: string, key: string, args: readonly ASTNode[]): Typed {
    const values = args.map((arg) => this.node(arg));
    const clock = clockFunctions.get(key);
    if (clock !== undefined) {
      const now: Typed = { evaluate: ({ runtime }) => timestampOfMs(runtime.nowMs), kind: 'timestamp' };
      return clock === 'timestamp' ? now : callOf(name, [timeSince], [...values, now]);
    }
    if (key === 'matches/2' || key === '.matches/2') return matching(values, args[1]);
    const overloads = functions.get(key);
    if (overloads === undefined) throw new Unsupported(`the function \`${name}\` is not supported in this form`);
    return callOf(name, overloads, values);
  }

  #has([node, ...more]: readonly ASTNode[]): Evaluate {
    if (node?.op !== '.' || more.length > 0) throw new Unsupported('`has` is only supported on a field');
    const [operand, name] = node.args;
    const message = this.#message(operand);
    if (message !== undefined) {
      const field = fieldOf(message, name);
      if (field === undefined) throw new Unsupported(`the field \`${name}\` of \`${message}\` is not supported`);
      return typeof field === 'string' ? () => field !== 'aux_data' : field.isPresent;
    }
    const root = this.#root(operand);
    if (root === 'G' || root === 'globals') return ({ globals }) => Object.hasOwn(globals, name);
    if ((root === 'C' || root === 'constants') && this.#names.constants.has(name)) return () => true;
    if (root !== undefined) throw new Unsupported(`\`has\` is not supported on \`${root}\``);
    return presence(this.node(operand), name);
  }

  #bind([variable, value, body, ...more]: readonly ASTNode[]): Typed {
    if (variable?.op !== 'id' || value === undefined || body === undefined || more.length > 0)
      throw new Unsupported('`cel.bind` takes a name, a value and an expression');
    const bound = this.node(value);
    const { evaluate } = bound;
    const depth = this.#declare('cel.bind', variable.args, {
      kind: bound.kind,
      item: bound.item,
      isUnknown: bound.isUnknown,
      free: freeWithin([bound]),
    });
    const result = this.node(body);
    this.#locals.pop();
    return {
      evaluate: (activation) => {
        // What failed is only a failure where it is read.
        activation.locals[depth] = evaluate(activation);
        return result.evaluate(activation);
      },
      kind: result.kind,
      item: result.item,
      free: freeWithin([result]),
    };
  }

  #declare(macro: string, name: string, known: Omit<Local, 'name'>): number {
    if (roots.has(name) || namespaces.has(name) || typeNames.has(name))
      throw new Unsupported(`the variable \`${name}\` of \`${macro}\` hides another`);
    return this.#locals.push({ ...known, name }) - 1;
  }

  #macro(name: string, receiver: ASTNode, args: readonly ASTNode[]): Typed | undefined {
    const variables = macroVariables(name, args);
    if (variables === undefined) return undefined;
    const bodies = args.slice(variables.length);
    const macro = macros.get(`${name}/${String(variables.length)}/${String(bodies.length)}`);
    if (macro === undefined || new Set(variables).size !== variables.length)
      throw new Unsupported(`the macro \`${name}\` is not supported in this form`);
    const range = this.node(receiver);
    if (!['dyn', 'null', 'list', 'map'].includes(range.kind))
      throw new Unsupported(`the macro \`${name}\` does not go over a value of type ${range.kind}`);
    const kindsOfVariables = variableKinds(range, variables.length);
    // Of a member itself, Cerbos takes the items for what they are.
    const itemsFree = range.free === 'within' ? range.free : undefined;
    const [first = 0, second] = variables.map((variable, position) =>
      this.#declare(name, variable, {
        kind: kindsOfVariables[position] ?? 'dyn',
        isUnknown: range.kind === 'dyn' && range.isUnknown,
        free: itemsFree,
      }),
    );
    const before = this.#nodes;
    const [body, result] = bodies.map((node) => this.node(node));
    this.#locals.length -= variables.length;
    if (body === undefined) throw new Unsupported(`the macro \`${name}\` is not supported in this form`);
    const loop = { range: range.evaluate, first, second, cost: this.#nodes - before };
    return {
      evaluate: macro(loop, body.evaluate, result?.evaluate),
      kind: macroKind(name),
      item: name === 'filter' || name === 'sortBy' ? range.item : (result ?? body).kind,
      free: itemsFree ?? freeWithin([result ?? body]),
    };
  }
}

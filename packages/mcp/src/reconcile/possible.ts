import { parse, type ASTNode } from '@marcbachmann/cel-js';
import type { PolicyDocument, PolicyRule } from '@portcullis/core';
import { childrenOf } from '../mapping/expression.js';
import { isObject } from '../message.js';

/** What a tool asks, as far as it is known before a call. */
export interface KnownQuestion {
  /** `undefined`: computed in the call. */
  readonly kind: string | undefined;
  readonly action: string | undefined;
  /** The resource's id, where it is the same in every call. */
  readonly id: string | undefined;
}

/**
 * Whether any policy could permit a question: `false` only if it is certain that none does. What depends on the
 * caller, on attributes or on variables counts as possible.
 */
export function couldAllow(policies: readonly PolicyDocument[], question: KnownQuestion): boolean {
  const rules = policies.flatMap((policy) => policy.rules.map((rule) => ({ policy, rule })));
  const about = rules.filter(({ rule }) => matches(rule, question));
  const allows = about.filter(
    ({ policy, rule }) =>
      rule.effect === 'allow' && !policy.requiresParentalConsent && truth(rule, question.id) !== false,
  );
  // A principal policy overrides resource policies, so that a blanket denial does not bind it.
  if (allows.some(({ policy }) => policy.kind === 'principal')) return true;
  const deniedToAll = about.some(
    ({ policy, rule }) =>
      policy.kind === 'resource' &&
      policy.scope === '' &&
      rule.effect === 'deny' &&
      rule.roles.includes('*') &&
      truth(rule, question.id) === true,
  );
  return allows.length > 0 && !deniedToAll;
}

/** Whether a rule is about a question; what is not known may be anything. */
function matches(rule: PolicyRule, { kind, action }: KnownQuestion): boolean {
  return (
    (kind === undefined || matchesGlob(rule.resource, kind)) &&
    (action === undefined || rule.actions.some((pattern) => matchesGlob(pattern, action)))
  );
}

/** The ids that a rule's condition compares `R.id` with. */
export function idsOf(rule: PolicyRule): readonly string[] {
  const ids = new Set<string>();
  for (const text of expressionsOf(conditionOf(rule))) {
    const ast = parsed(text);
    if (ast !== undefined) collectIds(ast, ids);
  }
  return [...ids];
}

/** @see Cerbos, "Wildcards": `*` alone is everything, inside a pattern it stays between colons. */
export function matchesGlob(pattern: string, value: string): boolean {
  if (pattern === '*' || pattern === value) return true;
  // Classes and alternatives are not taken apart: they count as a match.
  if (/[?[\]{}\\]/.test(pattern)) return true;
  if (!pattern.includes('*')) return false;
  const source = pattern
    .split(/(\*+)/)
    .map((part) =>
      part.startsWith('*') ? (part === '*' ? '[^:]*' : '.*') : part.replace(/[.+^$()|/-]/g, String.raw`\$&`),
    )
    .join('');
  return new RegExp(`^${source}$`).test(value);
}

/** `undefined` is: not known before the call. */
type Truth = boolean | undefined;

function truth(rule: PolicyRule, id: string | undefined): Truth {
  return rule.condition === '' ? true : truthOf(conditionOf(rule), id);
}

function conditionOf(rule: PolicyRule): unknown {
  const condition: unknown = rule.condition === '' ? undefined : JSON.parse(rule.condition);
  return isObject(condition) ? condition['match'] : undefined;
}

function truthOf(match: unknown, id: string | undefined): Truth {
  if (!isObject(match)) return undefined;
  if (typeof match['expr'] === 'string') {
    const ast = parsed(match['expr']);
    const value = ast === undefined ? unknown : valueOf(ast, id);
    return typeof value === 'boolean' ? value : undefined;
  }
  const each = (list: unknown): readonly Truth[] =>
    isObject(list) && Array.isArray(list['of']) ? list['of'].map((member) => truthOf(member, id)) : [undefined];
  if ('all' in match) return every(each(match['all']));
  if ('any' in match) return not(every(each(match['any']).map(not)));
  if ('none' in match) return every(each(match['none']).map(not));
  return undefined;
}

function every(values: readonly Truth[]): Truth {
  if (values.includes(false)) return false;
  return values.includes(undefined) ? undefined : true;
}

function not(value: Truth): Truth {
  return value === undefined ? undefined : !value;
}

/** The expressions inside a condition. */
function expressionsOf(match: unknown): readonly string[] {
  if (!isObject(match)) return [];
  if (typeof match['expr'] === 'string') return [match['expr']];
  return ['all', 'any', 'none'].flatMap((name) => {
    const list = match[name];
    return isObject(list) && Array.isArray(list['of']) ? list['of'].flatMap(expressionsOf) : [];
  });
}

function parsed(text: string): ASTNode | undefined {
  try {
    return parse(text).ast;
  } catch {
    // Cerbos has functions and syntax that this parser may not know; then nothing is known of the expression.
    return undefined;
  }
}

const unknown = Symbol('not known before the call');
type Value = string | boolean | readonly Value[] | typeof unknown;

/** Evaluates what depends on nothing but the resource's id. */
function valueOf(node: ASTNode, id: string | undefined): Value {
  const again = (child: ASTNode): Value => valueOf(child, id);
  if (isResourceId(node)) return id ?? unknown;
  switch (node.op) {
    case 'value':
      return typeof node.args === 'string' || typeof node.args === 'boolean' ? node.args : unknown;
    case 'list':
      return node.args.map(again);
    case '==':
    case '!=': {
      const [left, right] = node.args.map(again);
      if (typeof left !== 'string' || typeof right !== 'string') return unknown;
      return (left === right) === (node.op === '==');
    }
    case 'in': {
      const [left, right] = node.args.map(again);
      if (typeof left !== 'string' || !Array.isArray(right)) return unknown;
      if (right.includes(left)) return true;
      return right.every((item) => typeof item === 'string') ? false : unknown;
    }
    case '&&':
      return fromTruth(every(node.args.map((child) => toTruth(again(child)))));
    case '||':
      return fromTruth(not(every(node.args.map((child) => not(toTruth(again(child)))))));
    case '!_':
      return fromTruth(not(toTruth(again(node.args))));
    case 'rcall': {
      const [name, receiver, args] = node.args;
      const subject = again(receiver);
      const first = args[0] === undefined ? unknown : again(args[0]);
      if (typeof subject !== 'string' || typeof first !== 'string' || args.length !== 1) return unknown;
      if (name === 'startsWith') return subject.startsWith(first);
      if (name === 'endsWith') return subject.endsWith(first);
      return name === 'contains' ? subject.includes(first) : unknown;
    }
    default:
      return unknown;
  }
}

function toTruth(value: Value): Truth {
  return typeof value === 'boolean' ? value : undefined;
}

function fromTruth(value: Truth): Value {
  return value ?? unknown;
}

/** `R.id`, `request.resource.id`. */
function isResourceId(node: ASTNode): boolean {
  if (node.op !== '.' || node.args[1] !== 'id') return false;
  const [base] = node.args;
  if (base.op === 'id') return base.args === 'R';
  return base.op === '.' && base.args[1] === 'resource' && base.args[0].op === 'id' && base.args[0].args === 'request';
}

function collectIds(node: ASTNode, ids: Set<string>): void {
  if (node.op === '==' || node.op === 'in') {
    const [left, right] = node.args;
    const other = isResourceId(left) ? right : isResourceId(right) ? left : undefined;
    const literals = other?.op === 'list' ? other.args : other === undefined ? [] : [other];
    for (const literal of literals)
      if (literal.op === 'value' && typeof literal.args === 'string') ids.add(literal.args);
  }
  for (const child of childrenOf(node.args)) collectIds(child, ids);
}

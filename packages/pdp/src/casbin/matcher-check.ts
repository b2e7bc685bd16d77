import { printExpression, type Expression } from './expression.js';
import { attributeFunction, containsFunction, matchFunctions } from './functions.js';

/** What a matcher may name. */
export interface MatcherNames {
  /** The fields of a request, as `sub`. */
  readonly request: readonly string[];
  /** The fields of a policy line. */
  readonly policy: readonly string[];
  /** The role definitions: `g`, `g2` … */
  readonly roles: readonly string[];
  /** The functions that were given beside casbin's own. */
  readonly functions: readonly string[];
  /** Whether the subject is one text: the principal's id. Otherwise it stands for several, which only roles can tell. */
  readonly subjectIsText: boolean;
}

/** A matcher as casbin is to see it, and what it reads. */
export interface MatcherReading {
  readonly written: Expression;
  /** Whether it reads a resource's attributes or id. */
  readonly readsResource: boolean;
  /** Whether it reads the object only by `r.obj == p.obj`: objects that no line names are then all alike. */
  readonly comparesObjectsOnly: boolean;
  /** The functions that take fields of lines for patterns, and which. */
  readonly patterns: readonly (readonly [name: string, field: string])[];
}

/** What is wrong with a matcher. */
export class UnsoundMatcher extends Error {}

/** What a part of a matcher is. `flag` is `true` or `false` as it is written. */
type Kind = 'boolean' | 'text' | 'value' | 'number' | 'flag' | 'list';
type Checked = readonly [Kind, Expression];
type Of<T extends Expression['type']> = Expression & { readonly type: T };

interface Reading {
  readonly names: MatcherNames;
  readonly fields: Set<string>;
  readonly patterns: (readonly [string, string])[];
  /** By role definition: which field of the request it is asked of. */
  readonly asked: Map<string, string>;
  readsResource: boolean;
  /** How often the object is read, and how often of those by `r.obj == p.obj`. */
  objectReads: number;
  objectComparisons: number;
}

/**
 * Checks a matcher: only what is known to be harmless may be in it, and it has to be true or false by its form.
 *
 * Attributes and `in` become calls of functions of ours: casbin's own way reads what an object inherits, and takes two
 * attributes that are missing for equal.
 *
 * @throws UnsoundMatcher
 */
export function checkMatcher(tree: Expression, names: MatcherNames): MatcherReading {
  const reading: Reading = {
    names,
    fields: new Set(),
    patterns: [],
    asked: new Map(),
    readsResource: false,
    objectReads: 0,
    objectComparisons: 0,
  };
  const written = condition(tree, reading);
  for (const name of names.policy)
    if (!['dom', 'eft', 'priority'].includes(name) && !reading.fields.has(`p_${name}`))
      throw new UnsoundMatcher(`\`p.${name}\` is never read: a line would hold whatever it says there`);
  for (const name of ['sub', 'obj', 'act'])
    if (!reading.fields.has(`r_${name}`))
      throw new UnsoundMatcher(`\`r.${name}\` is never read: a line would hold for all of them`);
  const { readsResource, patterns, objectReads, objectComparisons } = reading;
  return { written, readsResource, patterns, comparesObjectsOnly: objectReads === objectComparisons };
}

function check(part: Expression, reading: Reading): Checked {
  switch (part.type) {
    case 'Literal':
      if (typeof part.value === 'string') return ['text', part];
      return [typeof part.value === 'number' ? 'number' : 'flag', part];
    case 'Identifier':
      return ['text', field(part, reading)];
    case 'MemberExpression':
      return ['value', attribute(part, reading)];
    case 'ArrayExpression':
      if (part.elements.some(({ type }) => type !== 'Literal'))
        throw new UnsoundMatcher('a list holds texts, numbers and booleans');
      return ['list', part];
    case 'UnaryExpression':
      if (part.operator !== '!') throw new UnsoundMatcher(`\`${part.operator}\` is not supported`);
      return ['boolean', { ...part, argument: condition(part.argument, reading) }];
    case 'LogicalExpression':
      return ['boolean', { ...part, left: condition(part.left, reading), right: condition(part.right, reading) }];
    case 'BinaryExpression':
      return ['boolean', part.operator === 'in' ? within(part, reading) : comparison(part, reading)];
    case 'CallExpression':
      return ['boolean', call(part, reading)];
  }
}

function condition(part: Expression, reading: Reading): Expression {
  const [kind, written] = check(part, reading);
  if (kind !== 'boolean')
    throw new UnsoundMatcher(
      `\`${printExpression(part)}\` is not true or false: casbin would take any text for an allow`,
    );
  return written;
}

function field(part: Of<'Identifier'>, reading: Reading): Expression {
  const { names, fields } = reading;
  if (part.name === 'r_obj') reading.objectReads++;
  const [side, name] = [part.name.slice(0, 2), part.name.slice(2)];
  const known = side === 'r_' ? names.request : side === 'p_' ? names.policy : [];
  if (!known.includes(name)) throw new UnsoundMatcher(`\`${part.name.replace('_', '.')}\` is not known`);
  if (part.name === 'r_sub' && !names.subjectIsText)
    throw new UnsoundMatcher('`r.sub` stands for all roles of a principal: compare it by `g(r.sub, p.sub, r.dom)`');
  if (part.name === 'r_principal' || part.name === 'r_resource')
    throw new UnsoundMatcher(`\`${part.name.replace('_', '.')}\` is read by its members, as \`.id\` or \`.attr.team\``);
  fields.add(part.name);
  return part;
}

function attribute(part: Of<'MemberExpression'>, reading: Reading): Expression {
  const [root = '', ...members] = pathOf(part);
  const [first = '', ...others] = members;
  const said = [root.replace('_', '.'), ...members].join('.');
  if ((root !== 'r_principal' && root !== 'r_resource') || !reading.names.request.includes(root.slice(2)))
    throw new UnsoundMatcher(`\`${said}\`: only \`r.principal\` and \`r.resource\` have members`);
  const own = root === 'r_principal' ? ['id'] : ['kind', 'id', 'tenant'];
  if (first === 'attr' ? others.length === 0 : others.length > 0 || !own.includes(first))
    throw new UnsoundMatcher(`\`${said}\` is not known`);
  reading.readsResource ||= root === 'r_resource' && first !== 'kind' && first !== 'tenant';
  return called(attributeFunction, [{ type: 'Literal', value: [root.slice(2), ...members].join('.') }]);
}

function pathOf(part: Expression): readonly string[] {
  if (part.type === 'MemberExpression') return [...pathOf(part.object), part.property];
  if (part.type === 'Identifier') return [part.name];
  throw new UnsoundMatcher('only `r.principal` and `r.resource` have members');
}

function comparison(part: Of<'BinaryExpression' | 'LogicalExpression'>, reading: Reading): Expression {
  const { operator } = part;
  if (!['==', '!=', '===', '!=='].includes(operator))
    throw new UnsoundMatcher(`\`${operator}\` is not supported: null and "" would count as 0; give a function for it`);
  const [leftKind, left] = check(part.left, reading);
  const [rightKind, right] = check(part.right, reading);
  if ([leftKind, rightKind].some((kind) => kind === 'boolean' || kind === 'list'))
    throw new UnsoundMatcher(`\`${operator}\` compares texts, attributes, numbers and booleans`);
  if ((leftKind !== 'text' || rightKind !== 'text') && operator.length === 2)
    throw new UnsoundMatcher(
      `\`${operator}\` takes 0 for "" and ["a"] for "a": compare attributes by \`${operator}=\``,
    );
  const sides = [left, right].map((side) => (side.type === 'Identifier' ? side.name : ''));
  if (operator.startsWith('==') && sides.includes('r_obj') && sides.includes('p_obj')) reading.objectComparisons++;
  return { ...part, left, right };
}

function within(part: Of<'BinaryExpression' | 'LogicalExpression'>, reading: Reading): Expression {
  const [one, many] = [part.left, part.right];
  const [leftKind, left] = one.type === 'LogicalExpression' ? (['boolean', one] as const) : check(one, reading);
  const [rightKind, right] = many.type === 'LogicalExpression' ? (['boolean', many] as const) : check(many, reading);
  if (leftKind === 'boolean' || leftKind === 'list' || (rightKind !== 'list' && rightKind !== 'value'))
    throw new UnsoundMatcher('`in` binds as loosely as `||`: put it in parentheses, as `(r.act in ["read", "list"])`');
  return called(containsFunction, [right, left]);
}

function call(part: Of<'CallExpression'>, reading: Reading): Expression {
  const { name } = part.callee;
  if (reading.names.roles.includes(name)) return inRole(name, part, reading);
  if (matchFunctions.has(name)) return matching(name, part, reading);
  if (!reading.names.functions.includes(name)) throw new UnsoundMatcher(`the function \`${name}\` is not known`);
  return called(
    name,
    part.arguments.map((argument) => check(argument, reading)[1]),
  );
}

function matching(name: string, part: Of<'CallExpression'>, reading: Reading): Expression {
  const [value, pattern, ...others] = part.arguments;
  if (value === undefined || pattern?.type !== 'Identifier' || !pattern.name.startsWith('p_') || others.length > 0)
    throw new UnsoundMatcher(`\`${name}\` takes a text and a field of the line`);
  if (pattern.name === 'p_dom')
    throw new UnsoundMatcher('a pattern for tenants is refused: it would reach across them');
  const [[kind, written], [, ofLine]] = [check(value, reading), check(pattern, reading)];
  if (kind !== 'text') throw new UnsoundMatcher(`\`${name}\` takes a text and a field of the line`);
  reading.patterns.push([name, pattern.name.slice(2)]);
  return called(name, [written, ofLine]);
}

/**
 * `g(r.sub, p.sub, r.dom)`. For one definition it is always asked of the same field: casbin remembers answers by the
 * texts put together, in which `a,b` and `c` is the same as `a` and `b,c`.
 */
function inRole(name: string, part: Of<'CallExpression'>, reading: Reading): Expression {
  const { names, fields, asked } = reading;
  const [who = '', what = '', where, ...others] = part.arguments.map((argument) =>
    argument.type === 'Identifier' ? argument.name : '',
  );
  const isSound =
    ['r_sub', 'r_obj', 'r_act'].includes(who) &&
    what.startsWith('p_') &&
    what !== 'p_dom' &&
    names.policy.includes(what.slice(2)) &&
    where === 'r_dom' &&
    others.length === 0 &&
    (asked.get(name) ?? who) === who;
  if (!isSound)
    throw new UnsoundMatcher(
      `\`${name}\` is asked as \`${name}(r.sub, p.sub, r.dom)\`, always of the same field: roles are roles in one tenant`,
    );
  asked.set(name, who);
  if (who === 'r_obj') reading.objectReads++;
  for (const read of [who, what, where]) fields.add(read);
  return called(name, part.arguments);
}

function called(name: string, parts: readonly Expression[]): Expression {
  return { type: 'CallExpression', callee: { type: 'Identifier', name }, arguments: parts };
}

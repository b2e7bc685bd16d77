import fc from 'fast-check';
import type { Attributes, AttributeValue } from '@portcullis/core';

/** What an expression starts from: attributes that are there or not, of the right type or not, and literals. */
const leaves = [
  ...['R.attr.n', 'R.attr.i', 'R.attr.s', 'R.attr.t', 'R.attr.b', 'R.attr.l', 'R.attr.k', 'R.attr.m', 'R.attr.z'],
  ...['R.attr.missing', 'R.attr.m.x', 'R.attr.m.y', 'R.attr.m.x.y', 'R.attr.l[0]', 'R.attr.l[1]', 'R.attr.l[-1]'],
  ...['R.attr["n"]', 'R.attr.m["x"]', 'R.attr.m[R.attr.s]', 'R.attr.l[R.attr.i]', 'R.attr.m[R.attr.n]', 'R.attr'],
  ...['R.attr.constructor', 'R.attr["__proto__"]', 'R.attr.m.toString', 'R.attr.s.length', 'R.attr.l.length'],
  ...['P.id', 'P.roles', 'P.attr', 'P.attr.n', 'P.attr.l', 'R.kind', 'R.id', 'R.attr.tenant', 'P.scope', 'R.scope'],
  ...['request.resource.attr.n', 'request.principal.attr.n', 'request.principal.id', 'R.policyVersion', 'P.roles[0]'],
  ...['0', '1', '2', '-1', '9223372036854775807', '1.0', '1.5', '0.0', '-2.5', '1e6', '1e21', '1e-5', '3.0'],
  ...['"a"', '"B"', '""', '"1"', '"\u{1f600}"', '"\\u00e9"', "r'a\\d'", '"x"', '"ab"'],
  ...['true', 'false', 'null', '[]', '["a", "b"]', '[1, "a", 2.0, null]', '[1.0, 2.0]', '{}', '{"a": 1, "x": "b"}'],
];
const fields = [
  ...['R.attr.n', 'R.attr.missing', 'R.attr.m.x', 'R.attr.m.y', 'R.attr.missing.x', 'R.attr.s.x', 'R.attr.z.x'],
  ...['R.attr.l.x', 'R.attr.n.x', 'R.attr.b.x', 'R.attr.constructor', 'R.attr.__proto__', 'R.attr.m.x.y', 'P.attr.n'],
  ...['R.attr.m.toString', 'R.attr.k.x.y'],
];
/** Ranges that are lists for certain. */
const lists = fc.constantFrom('P.roles', '[R.attr.n, R.attr.s, 1, "a", null]', '[1, 2.0]', '[R.attr.i, R.attr.b]');
const operators = ['==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%', '&&', '||', '==', '&&', '||', 'in'];
const unaryFunctions = ['size', 'string'];
const binaryFunctions = ['hasIntersection', 'isSubset', 'intersect', 'except'];
const methods = ['startsWith', 'endsWith', 'contains', 'hasIntersection', 'isSubset', 'intersect', 'except'];

/** Expressions of the supported language, most of which are well typed. */
export const expression: fc.Arbitrary<string> = fc.letrec<{ node: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...leaves) },
    { weight: 1, arbitrary: fc.constantFrom(...fields).map((field) => `has(${field})`) },
  ),
  node: fc.oneof(
    { depthSize: 'medium', maxDepth: 4 },
    tie('leaf'),
    fc
      .tuple(tie('node'), fc.constantFrom(...operators), tie('node'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc
      .tuple(tie('leaf'), fc.constantFrom(...operators), tie('leaf'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    tie('node').map((value) => `!(${value})`),
    tie('leaf').map((value) => `-(${value})`),
    fc.tuple(tie('node'), tie('node'), tie('node')).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
    fc.tuple(fc.constantFrom(...unaryFunctions), tie('node')).map(([name, value]) => `${name}(${value})`),
    fc
      .tuple(fc.constantFrom(...binaryFunctions), tie('leaf'), tie('leaf'))
      .map(([name, left, right]) => `${name}(${left}, ${right})`),
    fc
      .tuple(fc.constantFrom(...methods), tie('leaf'), tie('leaf'))
      .map(([name, left, right]) => `(${left}).${name}(${right})`),
    fc
      .tuple(fc.constantFrom('lowerAscii', 'upperAscii', 'size'), tie('leaf'))
      .map(([name, value]) => `(${value}).${name}()`),
    fc
      .tuple(tie('leaf'), fc.constantFrom('all', 'exists', 'exists_one'), tie('node'), tie('leaf'))
      .map(([range, macro, body, other]) => `(${range}).${macro}(v, ${withVariable(body, other)})`),
    // Over a map, Cerbos goes in another order each time: there, only how many there are is compared.
    fc
      .tuple(tie('leaf'), fc.constantFrom('filter', 'map'), tie('node'), tie('leaf'))
      .map(([range, macro, body, other]) => `size((${range}).${macro}(v, ${withVariable(body, other)}))`),
    fc
      .tuple(lists, fc.constantFrom('filter', 'map'), tie('node'), tie('leaf'))
      .map(([range, macro, body, other]) => `(${range}).${macro}(v, ${withVariable(body, other)})`),
    fc
      .tuple(lists, tie('leaf'), fc.constantFrom('==', '>', 'in', '<'))
      .map(([range, other, operator]) => `(${range}).map(v, v ${operator} ${other}, [v, ${other}])`),
    fc.array(tie('leaf'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc.tuple(tie('leaf'), tie('leaf')).map(([one, other]) => `{"k": ${one}, "__proto__": ${other}}`),
  ),
})).node;

/** A body in which the iteration variable is read. */
function withVariable(body: string, other: string): string {
  return body.includes('R.attr.s') ? body.replace('R.attr.s', 'v') : `(v == ${other} || ${body})`;
}

const scalar = fc.oneof(
  fc.constantFrom<AttributeValue[]>(0, 1, 2, -1, 1.5, -0, 1e6, 123456789, 1e21, 1e-7, 9007199254740992, 0.1),
  fc.constantFrom<AttributeValue[]>('a', 'b', 'B', '', '1', 'x', 'ab', '\u{1f600}', '\uffee', 'é', 'constructor'),
  fc.constantFrom<AttributeValue[]>(true, false, null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const list = fc.array(scalar, { maxLength: 4 });
const map = fc.dictionary(fc.constantFrom('x', 'y', 'a', '__proto__', 'toString', '1'), scalar, {
  noNullPrototype: false,
});
const anything: fc.Arbitrary<AttributeValue> = fc.oneof(
  scalar,
  list,
  map,
  fc.array(list, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('x', 'y'), fc.oneof(list, map), { noNullPrototype: false }),
);
const mostly = (arbitrary: fc.Arbitrary<AttributeValue>) =>
  fc.oneof({ weight: 5, arbitrary }, { weight: 1, arbitrary: anything });

/** Attributes that are mostly of the types that expressions expect. */
export const attributes: fc.Arbitrary<Attributes> = fc.record(
  {
    n: mostly(fc.oneof(fc.constantFrom(0, 1, 1.5, -2.5, 1e6), fc.double({ noNaN: true, noDefaultInfinity: true }))),
    i: mostly(fc.constantFrom(0, 1, 2, -1)),
    s: mostly(fc.constantFrom('a', 'b', 'x', 'ab', '', 'y')),
    t: mostly(fc.string({ maxLength: 3 })),
    b: mostly(fc.boolean()),
    l: mostly(
      fc.array(fc.oneof(fc.constantFrom<AttributeValue[]>('a', 'b', 1, 2, 1.5, null, true), scalar), { maxLength: 4 }),
    ),
    k: mostly(list),
    m: mostly(map),
    z: mostly(fc.constant(null)),
    constructor: anything,
  },
  { requiredKeys: ['i', 's'] },
);

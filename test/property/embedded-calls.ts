import fc from 'fast-check';
import type { Attributes, AttributeValue } from '@portcullis/core';

/** What a part of an expression is meant to be. */
const kinds = ['s', 'i', 'u', 'd', 'b', 'y', 'l', 'm', 't', 'r', 'h', 'p', 'q', 'k', 'z', 'x', 'a', 'c', 'e'] as const;
type Kind = (typeof kinds)[number];

/** Parts to begin with: literals, and attributes that are mostly of the kind. */
const leaves: Readonly<Record<Kind, readonly string[]>> = {
  s: [
    ...['R.attr.s', 'R.attr.t', 'P.id', '""', '"a"', '"abcabc"', '"a.b.c"', '"\u{1f600}é"', '" x\\t"', '"a,b"', '"12"'],
    ...['"true"', '"1.5"', '"-7"', '"NaN"', '"0x1p3"', '"1e5"', 'R.attr.text', 'R.attr.num'],
  ],
  i: ['0', '1', '2', '-1', '3', '64', '63', '9223372036854775807', '-9223372036854775808', 'size(R.attr.l)', '255'],
  u: ['0u', '1u', '7u', '18446744073709551615u', 'uint(size(R.attr.l))'],
  d: ['R.attr.n', 'R.attr.i', '0.0', '1.5', '-2.5', '-0.0', '0.5', '1e21', '1e-7', '9007199254740993.0', '1e300'],
  b: ['true', 'false', 'R.attr.b'],
  y: ['b"a"', 'b""', 'b"\\xff"', 'bytes(R.attr.s)', 'b"hello"', "b'\\303\\251'"],
  l: [
    ...[
      'R.attr.l',
      'R.attr.k',
      '[]',
      '["a", "b"]',
      '[1, 2, 3]',
      '[3.0, 1.0, 2.0]',
      '[1u, 1, 1.0]',
      'P.roles',
      '[[1], [2, [3]]]',
    ],
    ...[
      '[1, 2, 3, 4, 5]',
      '["a", "b", "c", "d"]',
      '[1.0, 2.0, 3.0, 4.0]',
      '[R.attr.n, R.attr.s, null]',
      'R.attr.texts',
    ],
    ...['[timestamp(5), timestamp(1)]', '[b"b", b"a"]', '[duration("2s"), duration("1s")]', '[true, false]'],
  ],
  m: ['R.attr.m', '{}', '{"a": 1, "x": "b"}', '{1: "a", 2u: "b"}', '{true: 1, "k": 2}', '{"m": R.attr.m}'],
  t: [
    ...[
      'timestamp("2024-02-29T23:59:59.999Z")',
      'timestamp("2021-03-04T05:06:07+05:30")',
      'timestamp(0)',
      'timestamp(R.attr.time)',
    ],
    ...[
      'timestamp("0001-01-01T00:00:00Z")',
      'timestamp("9999-12-31T23:59:59Z")',
      'timestamp("1969-12-31T23:59:59.5Z")',
    ],
    ...['timestamp("1883-11-18T12:00:00Z")', 'timestamp("2024-07-01T00:00:00-03:30")'],
  ],
  r: [
    'duration("1h30m")',
    'duration("-1.5s")',
    'duration("0")',
    'duration(R.attr.span)',
    'duration("2562047h")',
    'duration("1ns")',
  ],
  h: [
    'hierarchy("a.b.c")',
    'hierarchy("a.b")',
    'hierarchy(R.attr.path)',
    'hierarchy("a:b", ":")',
    'hierarchy(R.attr.texts)',
  ],
  p: ['spiffeID("spiffe://td.example/a/b")', 'spiffeID(R.attr.spiffe)', 'spiffeID("spiffe://td.example")'],
  q: ['spiffeTrustDomain("td.example")', 'spiffeTrustDomain(R.attr.domain)'],
  k: ['spiffeMatchAny()', 'spiffeMatchExact(R.attr.spiffe)', 'spiffeMatchTrustDomain("td.example")'],
  // A time zone, an address or a range, a pattern.
  z: ['"UTC"', '"America/New_York"', '"Asia/Kolkata"', '"+05:30"', '"-02:45"', '"Nowhere/Here"', '""', 'R.attr.zone'],
  x: ['"10.0.0.1"', '"::1"', '"::ffff:10.1.2.3"', '"010.0.0.1"', 'R.attr.ip', '"fe80::1"', '"1.2.3"'],
  c: ['"10.0.0.0/8"', '"::/0"', '"10.0.0.0/33"', 'R.attr.range', '"::ffff:10.0.0.0/104"', '"10.0.0.1"', '"fe80::/10"'],
  e: [
    '"^a.*c$"',
    '"[a-c]+"',
    '"(?i)A|b"',
    '"\\\\d{1,3}"',
    '"^\\\\pL+$"',
    '"\\\\bx"',
    '"."',
    'R.attr.pattern',
    '"a{2,}|^$"',
  ],
  a: ['null', 'R.attr.missing', 'R.attr.z', 'R.attr.n', 'R.attr.m.x', 'type(1)', '[null]', 'R.attr["__proto__"]'],
};

/** Calls, but for `cel.bind`: with that in a condition, Cerbos 0.51 does not start. The letters in braces are parts of that kind, and what is before the colon is the kind of the whole. */
const forms: readonly string[] = [
  ...[
    's:{s}.charAt({i})',
    'i:{s}.indexOf({s})',
    'i:{s}.indexOf({s}, {i})',
    'i:{s}.lastIndexOf({s})',
    'i:{s}.lastIndexOf({s}, {i})',
  ],
  ...[
    's:{l}.join()',
    's:{l}.join({s})',
    'l:{s}.split({s})',
    'l:{s}.split({s}, {i})',
    's:{s}.replace({s}, {s})',
    's:{s}.replace({s}, {s}, {i})',
  ],
  ...[
    's:{s}.substring({i})',
    's:{s}.substring({i}, {i})',
    's:{s}.trim()',
    's:{s}.reverse()',
    's:strings.quote({s})',
    's:{s}.lowerAscii()',
  ],
  ...[
    'b:{s}.startsWith({s})',
    'b:{s}.contains({s})',
    'b:{s}.matches({e})',
    'b:matches({s}, {e})',
    's:{s} + {s}',
    'i:size({s})',
    'i:size({y})',
  ],
  ...[
    's:"%s".format([{a}])',
    's:"%s|%s".format([{l}, {m}])',
    's:"%d".format([{i}])',
    's:"%x".format([{s}])',
    's:"%X".format([{i}])',
  ],
  ...[
    's:"%f".format([{d}])',
    's:"%.2e".format([{d}])',
    's:"%.3f".format([{d}])',
    's:"%b".format([{i}])',
    's:"%o".format([{u}])',
    's:"%s".format([{t}])',
  ],
  ...[
    'i:int({d})',
    'i:int({s})',
    'i:int({u})',
    'i:int({t})',
    'i:int({r})',
    'u:uint({i})',
    'u:uint({d})',
    'u:uint({s})',
    'd:double({s})',
    'd:double({i})',
  ],
  ...[
    'b:bool({s})',
    's:string({d})',
    's:string({i})',
    's:string({y})',
    's:string({t})',
    's:string({r})',
    'y:bytes({s})',
    'b:type({a}) == type({a})',
  ],
  ...[
    'b:type({a}) in [int, string, double, bool, list, map, null_type]',
    'a:dyn({a})',
    'a:id({a})',
    'a:dyn({l})',
    'a:dyn({s})',
    'a:dyn({t})',
  ],
  ...[
    'i:{t}.getFullYear()',
    'i:{t}.getMonth({z})',
    'i:{t}.getDayOfYear({z})',
    'i:{t}.getDate()',
    'i:{t}.getDayOfMonth({z})',
    'i:{t}.getDayOfWeek({z})',
  ],
  ...[
    'i:{t}.getHours({z})',
    'i:{t}.getMinutes({z})',
    'i:{t}.getSeconds({z})',
    'i:{t}.getMilliseconds()',
    'i:{r}.getHours()',
    'i:{r}.getMinutes()',
  ],
  ...[
    'i:{r}.getSeconds()',
    'i:{r}.getMilliseconds()',
    't:{t} + {r}',
    't:{t} - {r}',
    'r:{t} - {t}',
    'r:{r} + {r}',
    'r:{r} - {r}',
    't:{r} + {t}',
  ],
  ...[
    'b:{t} < {t}',
    'b:{t} == {t}',
    'b:{r} >= {r}',
    'b:{t} < now()',
    'b:timeSince({t}) > {r}',
    'b:{t}.timeSince() > {r}',
    'a:-dyn({r})',
    'b:now() == now()',
  ],
  ...[
    'l:{l}.distinct()',
    'l:{l}.reverse()',
    'l:{l}.slice({i}, {i})',
    'l:{l}.flatten()',
    'l:{l}.flatten({i})',
    'l:{l}.sort()',
    'l:lists.range({i} % 9)',
  ],
  ...[
    'l:{l}.sortBy(v, v)',
    'l:{l}.sortBy(v, size(string(v)))',
    'l:{l} + {l}',
    'b:{a} in {l}',
    'a:{l}[{i}]',
    'b:hasIntersection({l}, {l})',
    'b:{l}.isSubset({l})',
  ],
  ...[
    'l:intersect({l}, {l})',
    'l:except({l}, {l})',
    'b:has_intersection({l}, {l})',
    'b:is_subset({l}, {l})',
    'b:{l} == {l}',
  ],
  ...[
    'b:{l}.all(i, v, {a} == v)',
    'b:{l}.exists(i, v, i == {i})',
    'b:{l}.existsOne(i, v, v == {a})',
    'b:{l}.exists_one(i, v, i > {i})',
  ],
  ...[
    'l:{l}.transformList(i, v, [i, v])',
    'l:{l}.transformList(i, v, i > 0, v)',
    'i:size({m}.transformList(k, v, v))',
    'm:{m}.transformMap(k, v, [v])',
  ],
  ...[
    'm:{l}.transformMap(i, v, v)',
    'm:{m}.transformMap(k, v, k == {a}, v)',
    'm:{l}.transformMapEntry(i, v, {string(v): i})',
    'b:{m}.all(k, v, k != {a})',
  ],
  ...['i:size({m}.transformMapEntry(k, v, {"k": v}))', 'i:size({m}.transformMapEntry(k, v, v != {a}, {"k": v}))'],
  ...[
    'a:{m}[{s}]',
    'a:{m}[{i}]',
    'b:{i} in {m}',
    'b:{u} in {m}',
    'b:{d} in {m}',
    'i:size({m})',
    'b:{m} == {m}',
    'm:{{s}: {a}}',
    'm:{{i}: {a}, "s": 1}',
  ],
  ...[
    'b:has({m}.x)',
    'b:has({a}.x)',
    'a:{m}.x',
    'b:has(R.id) || has(P.scope) || has(request.aux_data)',
    'a:request.auxData.jwt',
    'a:G.missing',
  ],
  ...[
    'a:math.greatest({d}, {i})',
    'a:math.least({i}, {u}, {d})',
    'a:math.greatest({l})',
    'd:math.ceil({d})',
    'd:math.floor({d})',
    'd:math.round({d})',
  ],
  ...[
    'd:math.trunc({d})',
    'd:math.sqrt({d})',
    'd:math.sqrt({i})',
    'a:math.abs({i})',
    'd:math.abs({d})',
    'a:math.sign({d})',
    'b:math.isNaN({d})',
    'b:math.isInf({d})',
  ],
  ...[
    'b:math.isFinite({d})',
    'i:math.bitAnd({i}, {i})',
    'u:math.bitOr({u}, {u})',
    'i:math.bitXor({i}, {i})',
    'i:math.bitNot({i})',
    'u:math.bitNot({u})',
  ],
  ...[
    'i:math.bitShiftLeft({i}, {i})',
    'i:math.bitShiftRight({i}, {i})',
    'u:math.bitShiftLeft({u}, {i})',
    'u:math.bitShiftRight({u}, {i})',
  ],
  ...[
    'i:{i} + {i}',
    'i:{i} * {i}',
    'i:{i} / {i}',
    'i:{i} % {i}',
    'u:{u} - {u}',
    'u:{u} * {u}',
    'u:{u} / {u}',
    'u:{u} % {u}',
    'd:{d} / {d}',
    'd:{d} * {d}',
  ],
  ...[
    'b:{i} < {d}',
    'b:{u} >= {i}',
    'b:{d} <= {u}',
    'b:dyn({u}) == dyn({i})',
    'b:dyn({d}) == dyn({i})',
    'b:dyn({u}) == dyn({d})',
    'b:{y} < {y}',
    'y:{y} + {y}',
  ],
  ...[
    'b:{h}.ancestorOf({h})',
    'b:{h}.descendentOf({h})',
    'b:{h}.immediateChildOf({h})',
    'b:{h}.immediateParentOf({h})',
    'b:{h}.overlaps({h})',
    'b:{h}.siblingOf({h})',
  ],
  ...[
    'h:{h}.commonAncestors({h})',
    'i:{h}.size()',
    's:{h}[{i}]',
    'b:{h} == {h}',
    'h:hierarchy({l})',
    'h:hierarchy({s}, {s})',
    'b:dyn({h}) == {a}',
    'b:{a} == dyn({h})',
  ],
  ...[
    's:{p}.path()',
    'q:{p}.trustDomain()',
    's:{q}.name()',
    'b:{p}.isMemberOf({q})',
    'b:{k}.matchesID({p})',
    'b:{k}.matchesID({s})',
    'b:{p} == {p}',
    'b:{q} == {q}',
  ],
  ...[
    'k:spiffeMatchOneOf({l})',
    'k:spiffeMatchExact({p})',
    'b:{p} == dyn({s})',
    'b:{x}.inIPAddrRange({c})',
    's:base64.encode({y})',
    'y:base64.decode({s})',
  ],
  ...[
    'a:{b} ? {s} : {s}',
    'b:{a} == {a}',
    'b:{a} != {a}',
    'b:!{b}',
    'b:{b} && {b}',
    'b:{b} || {b}',
    'l:[{a}, {s}, {i}]',
    'b:{a} == null',
    'a:{"o": {a}, "l": {l}}',
  ],
];

const byKind = new Map<string, readonly string[]>(
  kinds.map((kind) => [kind, forms.filter((form) => form.startsWith(`${kind}:`)).map((form) => form.slice(2))]),
);
const fallback: readonly Kind[] = ['s', 'i', 'd', 'l', 'm', 't', 'r', 'b', 'u', 'y', 'h'];

/** A part of a kind; now and then of another one that the types do not know. */
function part(kind: Kind, depth: number): fc.Arbitrary<string> {
  const leaf = fc.constantFrom(...leaves[kind]);
  if (depth <= 0) return leaf;
  const calls = byKind.get(kind) ?? [];
  const call = calls.length === 0 ? leaf : fc.constantFrom(...calls).chain((form) => filled(form, depth - 1));
  // Over a map, Cerbos goes in another order each time: where a list is meant, there is none.
  const others = fallback.filter((one) => kind !== 'l' || one !== 'm');
  const other = fc
    .constantFrom(...others)
    .chain((one) => part(one, depth - 1))
    .map((text) => `dyn(${text})`);
  return fc.oneof({ weight: 5, arbitrary: leaf }, { weight: 4, arbitrary: call }, { weight: 1, arbitrary: other });
}

function filled(form: string, depth: number): fc.Arbitrary<string> {
  const pieces = form.split(/\{([a-z])\}/);
  return fc
    .tuple(...pieces.map((piece, index) => (index % 2 === 0 ? fc.constant(piece) : part(piece as Kind, depth))))
    .map((texts) => texts.map((text, index) => (index % 2 === 0 ? text : `(${text})`)).join(''));
}

/** A call of each form, of literals and attributes: a form that is never called is never compared. */
export const eachForm: readonly fc.Arbitrary<string>[] = forms.map((form) => filled(form.slice(2), 0));

/** Calls of each function that the engine has, around one another. */
export const call: fc.Arbitrary<string> = fc
  .constantFrom(...forms)
  .chain((form) => filled(form.slice(2), 2))
  // With a macro that makes entries of values that are types, in a condition, Cerbos 0.51 does not start.
  .filter((text) => text.length < 900 && !(text.includes('type(') && text.includes('transformMapEntry')));

const hostile = fc.oneof(
  fc.constantFrom<AttributeValue[]>(
    null,
    true,
    0,
    -0,
    -1,
    1.5,
    1e21,
    '',
    'a',
    '1',
    '__proto__',
    'NaN',
    '\u{10ffff}',
    '\uffee',
  ),
  fc.constantFrom<AttributeValue[]>([], {}, [null], ['a', 1], { x: 1 }, [[['a']]], 'a'.repeat(300)),
);
const some = (...values: readonly AttributeValue[]) =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: hostile });

/** Attributes for calls. */
export const callAttributes: fc.Arbitrary<Attributes> = fc.record(
  {
    s: some('a', 'abc', '', 'a.b', '\u{1f600}', 'x,y', '1', ' a '),
    t: fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), some('b', 'ab')),
    text: some('abcabc', 'true', '12', '1_0', '0x10', 'inf', 'é', 'a\nb'),
    num: some('1', '-1', '+5', '007', '9223372036854775808', '1e3', '.5', 'Infinity', '１'),
    n: some(0, 1, 1.5, -2.5, 1e6, 9007199254740992, -9223372036854775808, 18446744073709551616, 0.1),
    i: some(0, 1, 2, -1),
    b: some(true, false),
    l: some(['a', 'b', 1], [3, 1, 2], [], [1, 1, 2, 2, 3], ['b', 'a', 'b'], [true, null], [[1], [2]], [1, 2, 3, 4, 5]),
    k: fc.oneof(fc.array(fc.constantFrom<AttributeValue[]>(1, 2, 'a', null, true, 1.5), { maxLength: 20 }), hostile),
    m: some({ x: 1, y: 'a' }, {}, { x: null }, { a: { x: 2 } }, { __proto__: null, '1': 2 }),
    z: some(null),
    texts: some(['a', 'b'], ['spiffe://td.example/a/b'], [], ['a', 'b', 'c', 'd'], ['a.b']),
    time: some(
      ...[
        '2024-01-31T12:00:00Z',
        '2024-03-31T02:30:00+01:00',
        '2024-13-01T00:00:00Z',
        '2024-01-01',
        '1:00',
        '2024-01-01T1:02:03,5Z',
      ],
      ...[
        '2024-01-01T00:00:00.123456789012Z',
        '0000-12-31T23:59:59-00:30',
        '2024-02-30T00:00:00Z',
        '2024-01-01T00:00:00+24:60',
      ],
    ),
    span: some(
      '1h',
      '-1m30s',
      '1.5h',
      '1d',
      '0.1ns',
      '1e3s',
      '9223372036s',
      '.5s',
      '-',
      '3m2',
      '1us2µs',
      '99999999999999999999h',
    ),
    path: some('a.b', 'a', '', '.', 'a..b', 'a.b.c.d'),
    spiffe: some(
      'spiffe://td.example/a/b',
      'spiffe://other/a',
      'spiffe://TD/a',
      'spiffe://td/a/',
      'http://td/a',
      'spiffe://td/a//b',
    ),
    domain: some('td.example', 'TD', 'spiffe://td.example/x', 'a b', ''),
    zone: some(
      'Europe/Berlin',
      'europe/berlin',
      'US/Pacific',
      '01:00',
      '+1:5',
      '+25:00',
      'x:y',
      'GMT+1',
      'Etc/GMT+1',
      '-00:30',
    ),
    ip: some(
      '10.1.2.3',
      '1.2.3.4.5',
      '::',
      '1::2::3',
      '::ffff:1.2.3.4',
      '10.0.0.1/8',
      'fe80::1%eth0',
      '0.0.0.0',
      '256.1.1.1',
      '00.0.0.0',
    ),
    range: some(
      '10.0.0.0/8',
      '10.0.0.0/0',
      '::/128',
      '10.1.2.3/16',
      '1.2.3.4/032',
      '/8',
      '10.0.0.0/8/8',
      'fe80::/64',
      '::ffff:0:0/96',
    ),
    pattern: some(
      'a',
      '(',
      'a|b',
      '^$',
      '[^a]',
      'a{1001}',
      '\\C',
      '(?<n>a)',
      '(?=a)',
      '\\p{Greek}',
      '[[:alpha:]]',
      'x*',
      '(?s).',
      '\\z',
      '\\Z',
    ),
  },
  { requiredKeys: ['s', 'l'] },
);

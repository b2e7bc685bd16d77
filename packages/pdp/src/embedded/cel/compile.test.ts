import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile.js';
import { outputOf } from './json.js';
import { testActivation, testNames } from './test-activation.js';
import { Unanswerable } from './unanswerable.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelValue, type Json } from './cel-value.js';
import { Work } from './work.js';

/** What an expression comes to, as an output would show it. */
function of(text: string, attr: Readonly<Record<string, CelValue>> = {}, work = new Work()): Json | undefined {
  const value = compileExpression(text, testNames).evaluate(testActivation(attr, work));
  return value === failed ? undefined : outputOf(value, work);
}

/** Each was asked of Cerbos 0.51. */
const asInCerbos: readonly (readonly [string, Json | undefined])[] = [
  // Times.
  ['timestamp("2020-01-01T10:00:00+01:00")', '2020-01-01T10:00:00+01:00'],
  ['timestamp("2020-01-01T10:00:00+01:00").getHours()', 9],
  ['timestamp("2020-01-01T10:00:00Z").getHours("America/New_York")', 5],
  ['timestamp("2020-01-01T10:00:00Z").getHours("us/central")', undefined],
  ['timestamp("2020-01-01T10:00:00Z").getMinutes("-05:30")', 30],
  ['timestamp("1800-01-01T10:00:00Z").getSeconds("Europe/Berlin")', 28],
  ['timestamp("2020-06-01T10:00:00,5Z")', '2020-06-01T10:00:00.5Z'],
  ['timestamp("2020-06-01T10:00:00+24:00")', '2020-06-01T10:00:00+24:00'],
  ['timestamp("2020-02-30T10:00:00Z")', undefined],
  ['timestamp("0001-01-01T00:00:00Z") - duration("1ns")', undefined],
  ['timestamp("9999-12-31T23:59:59.999999999Z")', '9999-12-31T23:59:59.999999999Z'],
  ['timestamp("9999-12-31T23:59:59Z") - timestamp("0001-01-01T00:00:00Z")', undefined],
  ['timestamp(5) - timestamp(1)', '4s'],
  ['now() - timestamp("2023-12-31T23:59:59Z")', '1s'],
  ['timeSince(timestamp("2023-12-31T00:00:00Z"))', '86400s'],
  ['timestamp("0001-01-01T00:00:00Z").timeSince()', '9223372036.854776s'],
  ['duration("-1.5s").getMilliseconds()', -1500],
  ['duration("2562047h47m16.854775807s")', '9223372036.854776s'],
  ['duration("2562047h47m16.854775808s")', undefined],
  ['duration("1d")', undefined],
  ['string(duration("1ns"))', '0.000000001s'],
  // Conversions.
  ['int(9223372036854774784.0)', '9223372036854774784'],
  ['int(-9223372036854775808.0)', undefined],
  ['int("+12")', 12],
  ['uint("+12")', undefined],
  ['uint(-0.9)', undefined],
  ['double("1e400")', undefined],
  ['double("0x1")', undefined],
  ['double("0x1p3")', 8],
  ['double("-0X_1.8P-1_0")', -0.00146484375],
  ['double("0x1.00000000000008p0") == 1.0', true],
  ['double("0x1.00000000000018p0") == 1.0000000000000004', true],
  ['double("0x1p-1075") == 0.0', true],
  ['double("0x3p-1075") == double("0x1p-1073")', true],
  ['double("0x1p1024")', undefined],
  ['double("1_0.5_0e1_0")', 105000000000],
  ['double("1__0")', undefined],
  ['double("1_.0")', undefined],
  ['double("5.")', 5],
  ['double(".")', undefined],
  [`int("${'0'.repeat(500)}1")`, 1],
  [`uint("${'9'.repeat(500)}")`, undefined],
  [`duration("${'0'.repeat(300)}1s")`, '1s'],
  [`duration("${'9'.repeat(300)}s")`, undefined],
  ['"::10.0.0.1".inIPAddrRange("::10.0.0.0/104")', true],
  ['"64:ff9b::10.0.0.1".inIPAddrRange("64:ff9b::/96")', true],
  ['"1:2:3:4:5:6:7:1.2.3.4".inIPAddrRange("::/0")', undefined],
  ['"::10.0.0.01".inIPAddrRange("::/0")', undefined],
  ['string(double("-infinity"))', '-Inf'],
  ['bool("True")', true],
  ['bool("tRUE")', undefined],
  ['string(b"\\xff")', undefined],
  ['bytes("é")', 'w6k='],
  ['type(R.attr.missing) == int', undefined],
  ['type(now()) == google.protobuf.Timestamp', true],
  ['type(1)', '<failed to convert evaluation to protobuf value>'],
  // Numbers.
  ['18446744073709551615u + 1u', undefined],
  ['18446744073709551615u', '18446744073709551615'],
  ['9007199254740993 > 9007199254740992.0', false],
  ['dyn(1u) == 1.0', true],
  ['-9223372036854775808', '-9223372036854775808'],
  ['math.greatest(1, 1.0)', 1],
  ['math.bitShiftRight(-1024, 3)', '2305843009213693824'],
  ['math.round(0.49999999999999994)', 0],
  ['math.abs(-9223372036854775808)', undefined],
  // Text.
  ['"a\u{1f600}b".indexOf("b")', 2],
  ['"abc".indexOf("c", 3)', -1],
  ['"abc".indexOf("", -10)', -10],
  ['"a\u{1f600}c".replace("", "-", 10)', '-a-\u{1f600}-c-'],
  ['"".split("")', []],
  ['"abc".substring(2, 1)', undefined],
  ['"\\u00a0\\u0085x\\ufeff".trim()', 'x\ufeff'],
  [
    '"%.0f %e %s".format([2.5, 0.0, [1e21, {"b": 1, "a": null}]])',
    '2 0.000000e+00 [1000000000000000000000, {a: null, b: 1}]',
  ],
  ['"K".matches("(?i)k")', true],
  // Lists and maps.
  ['[3.0, 1.0].sort()', [1, 3]],
  ['dyn([1, 2.0]).sort()', undefined],
  ['[1, 1.0, 1u, "a", null].distinct()', [1, 'a', null]],
  ['[1, [2, [3]]].flatten()', [1, 2, [3]]],
  ['lists.range(-1)', []],
  ['[3, 1, 2].sortBy(v, -v)', [3, 2, 1]],
  ['hasIntersection(dyn([1.0]), dyn([1, 2, 3]))', true],
  ['hasIntersection(dyn([1.0]), dyn([1, 2, 3, 4]))', false],
  ['intersect([1, 2, 3], [2, 1])', [2, 1]],
  ['except(R.attr.missing2, ["a"]).map(v, string(v))', undefined],
  ['[5, 6].transformMapEntry(i, v, {string(v): i})', { '5': 0, '6': 1 }],
  ['[5, 5].transformMapEntry(i, v, {v: i})', undefined],
  ['[5, 6].exists(i, v, i == 1 && v == 6)', true],
  ['{1: "a"}[dyn(1u)]', 'a'],
  ['{1: null}[1] == null', true],
  ['cel.bind(x, R.attr.missing, x == 1 || true)', true],
  ['has(R.scope) || has(request.aux_data)', false],
  ['G.region + string(G.missing == null)', 'eutrue'],
  ['"owner" in runtime.effectiveDerivedRoles', true],
  // Code points, and not UTF-16 units.
  ['size("\u{1f600}é") + "\u{1f600}".size()', 3],
  // Lists of literals: of texts they are looked up, and none is changed by who reads it.
  ['["a", "b", "z"].map(v, v in ["a", "b"])', [true, true, false]],
  ['[dyn(1), dyn(null), dyn(["a"]), dyn("a")].map(v, v in ["a"])', [false, false, false, true]],
  ['"a" in [] || 1 in []', false],
  ['dyn("1") in [dyn("2"), dyn(1)] || dyn(1) in [dyn("1"), dyn(1.0)]', true],
  ['R.attr.missing in ["a"]', undefined],
  ['[1, 2].map(i, [3, 1, 2].sort()[0] + [3, 1, 2][0])', [4, 4]],
  ['request.auxData.jwt', {}],
  // Hierarchies, workloads, addresses.
  ['hierarchy("a.b").commonAncestors(hierarchy("a.c")) == hierarchy("a")', true],
  ['hierarchy("a.b").siblingOf(hierarchy("a.b"))', true],
  ['hierarchy("a") == dyn("a")', undefined],
  ['dyn(hierarchy("a")) != 1', true],
  ['spiffeID("spiffe://td/a/../b")', undefined],
  ['spiffeMatchTrustDomain("td").matchesID("spiffe://td/p")', true],
  ['"::ffff:10.0.0.1".inIPAddrRange("10.0.0.0/8")', true],
  ['"010.0.0.1".inIPAddrRange("10.0.0.0/8")', undefined],
  ['"10.1".inIPAddrRange("10.0.0.0/8")', undefined],
  ['"fe80::1%eth0".inIPAddrRange("fe80::/10")', undefined],
  ['"fe80::1%a".inIPAddrRange("fe80::/10")', undefined],
  ['"::ffff:010.0.0.1".inIPAddrRange("10.0.0.0/8")', undefined],
  ['base64.decode("aGVsbG8")', 'aGVsbG8='],
];

describe('an expression', () => {
  it.each(asInCerbos)('comes to what it does in Cerbos: %s', (text, expected) => {
    expect(of(text)).toEqual(expected);
  });

  it('takes only the form of a function that Cerbos takes, where one list may be anything', () => {
    expect(of('except(R.attr.l, ["b"]).map(v, string(v))', { l: ['a'] })).toEqual(['a']);
    expect(of('except(R.attr.l, ["b"]).map(v, string(v))', { l: [1] })).toBeUndefined();
    expect(of('R.attr.l.map(v, string(v))', { l: [1] })).toEqual(['1']);
  });

  describe('with a member that is had by a key in brackets', () => {
    const attr: Readonly<Record<string, CelValue>> = {
      m: { n: 5, s: 'a', t: true, o: { n: 5 }, l: [5] },
      l: [5],
      lo: [{ a: 1 }],
      k: 'n',
      s: 'a',
    };

    // Each was asked of Cerbos 0.51.
    it.each<[string, Json | undefined]>([
      ['string(R.attr.m["n"])', undefined],
      ['string(R.attr.m["s"])', 'a'],
      ['double(R.attr.m["n"])', 5],
      ['int(R.attr.m["n"])', undefined],
      ['uint(R.attr.m["n"])', undefined],
      ['bytes(R.attr.m["s"])', undefined],
      ['bool(R.attr.m["t"])', true],
      ['string(R.attr["m"]["n"])', undefined],
      ['string(R.attr.m["o"]["n"])', undefined],
      ['string(R.attr.m["l"][0])', undefined],
      ['string(R.attr.m[R.attr.s])', undefined],
      ['string(R.attr.m[string("n")])', undefined],
      ['string(R.attr.m["" + "n"])', undefined],
      ['string(R.attr.m[cel.bind(k, "n", k)])', undefined],
      ['["n"].map(k, string(R.attr.m[k]))', undefined],
      ['R.attr.m.filter(k, string(R.attr.m[k]) == "a")', undefined],
      ['R.attr.lo.map(v, string(v["a"]))', undefined],
      ['size(R.attr.m["l"])', 1],
      ['R.attr.m["l"].map(v, string(v))', ['5']],
      // And where its type is known to be anything.
      ['string(R.attr.m.n)', '5'],
      ['string(R.attr["s"])', 'a'],
      ['string(R.attr.m["o"].n)', '5'],
      ['string(R.attr.l[0])', '5'],
      ['string(R.attr.m[dyn("n")])', '5'],
      ['string(R.attr.m[R.attr.k])', '5'],
      ['cel.bind(x, R.attr.k, string(R.attr.m[x]))', '5'],
      ['string(dyn(R.attr.m["n"]))', '5'],
    ])('takes the first form of a conversion: %s', (text, expected) => {
      expect(of(text, attr)).toEqual(expected);
    });

    it.each([
      'hierarchy(R.attr.m["l"])',
      'R.attr.m["s"].reverse()',
      'math.greatest(R.attr.m["n"], 1)',
      'string(true ? R.attr.m["n"] : "x")',
      'string([R.attr.m["n"]][0])',
      'string(([R.attr.m["n"]] + [1])[0])',
      'string({"a": R.attr.m["n"]}["a"])',
      '[R.attr.m["n"]].map(v, string(v))',
      '[1].map(v, R.attr.m["n"]).map(v, string(v))',
      'cel.bind(v, R.attr.m["n"], string(v))',
      'string(cel.bind(v, 1, R.attr.m["n"]))',
      'string(R.attr.m["l"].distinct()[0])',
      'string({"a": R.attr.m["n"]}.a)',
      'string(R.attr.m[R.attr.k + ""])',
      'string(R.attr.m[{"a": "n"}["a"]])',
      'string(R.attr.m[{"a": "n"}.a])',
      '{"n": 1}.map(k, string(R.attr.m[k]))',
      'R.attr.map(k, string(R.attr.m[k]))',
      'string(R.attr.m[R.attr.m["s"]])',
      'string(R.attr.m["n"] + R.attr.m["n"])',
      'string(-R.attr.m["n"])',
      'string((true ? R.attr.m : R.attr.lo)["n"])',
      'string({"a": {"x": 1}}["a"]["x"])',
      'math.least([1, R.attr.m["n"]])',
    ])('is refused where another form could be taken: %s', (text) => {
      expect(() => of(text, attr)).toThrow('one form alone');
    });
  });

  it.each([
    ['an order of equal keys that Go has made up', 'lists.range(13).sortBy(v, 1)'],
    ['the time zone of the machine', 'now().getHours("Local")'],
    ['hexadecimal digits', 'double(R.attr.x)'],
    ['a list with what cannot be compared', '[dyn(hierarchy("a"))] == [dyn("a")]'],
    ['a map with a number twice', '{1: "a", 1u: "b"}'],
    ['a hierarchy as a key', 'hierarchy("a") in {"a": dyn(1)}'],
    ['timestamps that Go looks up', 'except([now()], [now(), now(), now(), now()])'],
  ])('is not answered where it comes to %s', (_name, text) => {
    expect(() => of(text, { x: `0x1${'0'.repeat(10_000)}p3` })).toThrow(Unanswerable);
  });

  it.each([
    ['a raw literal with a backslash before its end', String.raw`r'\' == '\''`],
    ['bytes beyond ASCII', 'b"é" == b""'],
    ['a variable of a macro that hides a namespace', '[1].map(math, math)'],
    ['a variable twice', '[1].exists(x, x, true)'],
    ['`id` of a trust domain, which is none', 'spiffeTrustDomain("a").id() == "a"'],
  ])('is refused with %s', (_name, text) => {
    expect(() => compileExpression(text, testNames)).toThrow(Unsupported);
  });
});

describe('the bound on work', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => index);

  it.each([
    ['macros within macros', 'R.attr.l.exists(a, R.attr.l.exists(b, a + b < 0.0))'],
    ['macros of two variables', 'R.attr.l.all(i, a, R.attr.l.all(j, b, a + b >= 0.0))'],
    ['look-ups in a list', 'R.attr.l.all(a, [a, "x"] in R.attr.l || true)'],
    ['the same list many times over', 'R.attr.l.all(a, R.attr.l == R.attr.l)'],
    ['a list that doubles', doubled('R.attr.l', 12)],
    ['text that doubles', doubled('R.attr.text', 12)],
    ['a range', 'size(lists.range(9000000000)) > 0'],
    ['items that are all distinct', 'size(R.attr.l.distinct()) > 0'],
    ['regular expressions', 'R.attr.l.exists(a, R.attr.text.matches("(x+x+)+y|z"))'],
    ['intersections', 'R.attr.l.exists(a, hasIntersection(R.attr.l, ["x", null]))'],
  ])('ends %s', (_name, text) => {
    expect(() => of(text, { l: many, text: 'x'.repeat(20_000) })).toThrow(Unanswerable);
  });

  const wide = Object.fromEntries(many.map((index): [string, CelValue] => [`k${String(index)}`, index]));
  it.each<[string, string, Readonly<Record<string, CelValue>>]>([
    ['the size of a map', 'R.attr.l.all(a, size(R.attr.m) > 0)', { m: wide }],
    ['whether there are attributes', 'R.attr.l.all(a, has(R.attr))', wide],
    ['the start of a text', 'R.attr.l.all(a, R.attr.s.startsWith(R.attr.s))', {}],
    ['the end of a text', 'R.attr.l.all(a, R.attr.s.endsWith(R.attr.s))', {}],
    ['texts that are equal', 'R.attr.l.all(a, R.attr.s == R.attr.t)', {}],
    ['bytes in order', 'R.attr.l.all(a, bytes("b" + R.attr.s) <= bytes("b" + R.attr.t))', {}],
    ['hours somewhere', 'R.attr.l.all(a, timestamp("2024-01-01T00:00:00Z").getHours("America/New_York") > 0)', {}],
    ['long texts in order', 'R.attr.l.map(a, R.attr.s).sort() == []', {}],
    [
      'addresses',
      'R.attr.l.all(a, "1::1".inIPAddrRange("1::/8")) && R.attr.l.all(a, "1::1".inIPAddrRange("1::/8"))',
      {},
    ],
    ['rounded numbers', 'R.attr.l.all(a, "%.50e".format([a]) != "")', {}],
    [
      'texts within texts',
      '"%s".format([R.attr.l.map(a, R.attr.l.map(b, R.attr.s))]) != ""',
      { l: many.slice(0, 400) },
    ],
    ['single characters', 'R.attr.l.all(a, R.attr.s.charAt(0) != "")', {}],
    ['SPIFFE ids', 'R.attr.l.exists(a, spiffeMatchExact("spiffe://a/" + R.attr.s).matchesID("spiffe://a/b"))', {}],
    ['an output of shared lists', nested(25), {}],
  ])('ends %s', (_name, text, attr) => {
    const s = 'x'.repeat(20_000);
    expect(() => of(text, { l: many, s, t: `${s} `.trim(), ...attr })).toThrow(Unanswerable);
  });

  it('reads long texts in time that is linear in them', () => {
    const digits = '1'.repeat(200_000);
    const texts = {
      double: [`${digits}!`, `${digits}.${digits}!`, `1e${digits}!`, `0x${digits}!`, `1${'_1'.repeat(100_000)}!`],
      int: [`${digits}!`, `${'0'.repeat(200_000)}${'1'.repeat(25)}!`, digits],
      uint: [`${digits}!`, digits],
      timestamp: [`2024-01-01T00:00:00.${digits}!`, digits],
      duration: [`${digits}!`, `1.${digits}!`, digits, `${'1s'.repeat(100_000)}!`],
      bool: [digits],
      spiffeID: [`spiffe://a${'/a'.repeat(100_000)}!`, `spiffe://${digits}!`],
      'base64.decode': [`${digits}!`, `${digits}=!`],
      '"10.0.0.1".inIPAddrRange': [`${digits}!`, `10.0.0.0/${digits}!`, ':'.repeat(200_000)],
      'timestamp("2024-01-01T00:00:00Z").getHours': [`${digits}:${digits}!`, digits],
    };
    for (const [name, given] of Object.entries(texts))
      // What takes the square of it takes minutes, and the test too long.
      for (const text of given) expect(of(`${name}(R.attr.text)`, { text })).toBeUndefined();
  });

  it('leaves what policies do', () => {
    const list = many.slice(0, 200);
    expect(of('R.attr.l.all(a, R.attr.l.exists(b, a == b))', { l: list })).toBe(true);
  });

  it('is one for all that a question evaluates', () => {
    const work = new Work(50);
    expect(of('R.attr.l.all(a, a >= 0.0)', { l: [1, 2] }, work)).toBe(true);
    expect(() => of('R.attr.l.all(a, a >= 0.0)', { l: many.slice(0, 20) }, work)).toThrow(Unanswerable);
  });

  it('ends a pattern that comes with the question and is too large', () => {
    expect(() => of('"a".matches(R.attr.p)', { p: '(a{900}){2}' })).toThrow(Unanswerable);
    expect(() => of('"a".matches(R.attr.p)', { p: 'a'.repeat(300) })).toThrow(Unanswerable);
    expect(of('"a".matches(R.attr.p)', { p: 'a|b' })).toBe(true);
  });
});

/** A list of two lists that are one and the same, and so on. */
function nested(count: number): string {
  const bindings = Array.from({ length: count }, (_, index) => {
    const before = index === 0 ? '1' : `a${String(index)}`;
    return `cel.bind(a${String(index + 1)}, [${before}, ${before}], `;
  });
  return `${bindings.join('')}a${String(count)}${')'.repeat(count)}`;
}

/** Bindings, each of which doubles what the one before has. */
function doubled(start: string, count: number): string {
  const bindings = Array.from({ length: count }, (_, index) => {
    const before = index === 0 ? start : `a${String(index)}`;
    return `cel.bind(a${String(index + 1)}, ${before} + ${before}, `;
  });
  return `${bindings.join('')}size(a${String(count)}) > 0${')'.repeat(count)}`;
}

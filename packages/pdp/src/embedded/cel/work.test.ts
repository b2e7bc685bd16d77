import { expect, it } from 'vitest';
import { Bytes } from './bytes.js';
import type { CelValue } from './cel-value.js';
import { compileExpression } from './compile.js';
import { outputOf } from './json.js';
import { failed } from './cel-value.js';
import { testActivation, testNames } from './test-activation.js';
import { mapOf } from './value.js';
import { Work } from './work.js';

/** Counts what is paid, without an end. */
class Bill extends Work {
  steps = 0;

  override spend(steps: number): void {
    this.steps += steps;
  }
}

const many = Array.from({ length: 1000 }, (_, index) => index);
const given: Readonly<Record<string, CelValue>> = {
  text: 'x'.repeat(16_000),
  same: 'x'.repeat(16_000),
  list: many,
  others: [...many],
  texts: many.map((index) => `t${String(index)}`),
  mixed: [...many.map(String), null],
  map: mapOf(many.map((index) => [`k${String(index)}`, index])),
  twin: mapOf(many.map((index) => [`k${String(index)}`, index])),
  bytes: new Bytes(new Uint8Array(16_000)),
  twinBytes: new Bytes(new Uint8Array(16_000)),
  id: `spiffe://a/${'x'.repeat(16_000)}`,
  longDomain: `spiffe://${'x'.repeat(16_000)}`,
  path: 'a.'.repeat(8000),
  digits: '1'.repeat(8000),
  spaces: ' '.repeat(16_000),
};

function billOf(text: string): number {
  const bill = new Bill();
  const value = compileExpression(text, testNames).evaluate(testActivation(given, bill));
  if (value !== failed) outputOf(value, bill);
  return bill.steps;
}

/** What each costs at least, in steps: every part of it is paid for, and no part of what is looked at is free. */
const prices: readonly (readonly [number, string])[] = [
  [1000, 'R.attr.text in ["x", "y"]'],
  [1001, 'R.attr.text.startsWith(R.attr.same)'],
  [1001, 'R.attr.text.endsWith(R.attr.same)'],
  [1001, 'R.attr.text.contains("y")'],
  [4001, 'R.attr.text.lowerAscii() == ""'],
  [4001, 'R.attr.text.upperAscii() == ""'],
  [4001, 'R.attr.text.charAt(0)'],
  [4001, 'R.attr.text.indexOf("x")'],
  [4001, 'R.attr.text.indexOf("x", 1)'],
  [8001, 'R.attr.text.lastIndexOf("x")'],
  [4001, 'R.attr.text.lastIndexOf("")'],
  [4001, 'R.attr.text.lastIndexOf("x", 1)'],
  [2001, 'R.attr.text.replace("y", "")'],
  [2001, 'R.attr.text.replace("x", "yy", 3)'],
  [3001, '"xx".replace("x", R.attr.text)'],
  [1001, 'R.attr.text.replace("y", "", 0)'],
  [1002, 'R.attr.text.split("y") == []'],
  [17002, 'R.attr.text.split("x", 3) == []'],
  [4001, 'R.attr.text.substring(1) == ""'],
  [4001, 'R.attr.text.substring(1, 2)'],
  [1001, 'R.attr.text.trim() == ""'],
  [5001, 'R.attr.spaces.trim()'],
  [4001, 'R.attr.text.reverse() == ""'],
  [1001, 'R.attr.texts.join() == ""'],
  [2003, '["a", "b"].join(R.attr.text) == ""'],
  [4001, 'strings.quote(R.attr.text) == ""'],
  [2002, '"%s".format([R.attr.text]) == ""'],
  [1001, 'R.attr.text.format([]) == ""'],
  [1307, '"%s".format([R.attr.list]) == ""'],
  [6675, '"%s".format([R.attr.map]) == ""'],
  [101, '"%e".format([1.5])'],
  [10001, '"%x".format([R.attr.text]) == ""'],
  [10001, '"%X".format([R.attr.bytes]) == ""'],
  [500, 'int(R.attr.digits)'],
  [500, 'uint(R.attr.digits)'],
  [500, 'double(R.attr.digits)'],
  [1001, 'string(R.attr.bytes) == ""'],
  [1001, 'bytes(R.attr.text) == b""'],
  [1000, 'timestamp(R.attr.text)'],
  [16000, 'duration(R.attr.text)'],
  [102, 'timestamp(0).getHours("America/New_York")'],
  [1100, 'timestamp(0).getHours(R.attr.text)'],
  [4001, 'base64.encode(R.attr.bytes) == ""'],
  [4001, 'base64.decode(R.attr.text) == b""'],
  [4001, 'R.attr.bytes'],
  [1001, 'size(R.attr.text)'],
  [1001, 'R.attr.text.size()'],
  [4001, 'size(R.attr.map)'],
  [9, 'size({1: 2, 3: 4})'],
  [52, '"1.1.1.1".inIPAddrRange("1.0.0.0/8")'],
  [1050, '"1.1.1.1".inIPAddrRange(R.attr.text)'],
  [1050, 'R.attr.text.inIPAddrRange("1.0.0.0/8")'],
  [1001, 'math.greatest(R.attr.list)'],
  [4, 'math.least(1, 2, 3)'],
  [4003, 'spiffeID(R.attr.id).path() == ""'],
  [1001, 'spiffeTrustDomain(R.attr.text).name() == ""'],
  [4001, 'spiffeTrustDomain("a") == dyn(R.attr.text)'],
  [9005, 'spiffeID(R.attr.id) == spiffeID(R.attr.id)'],
  [5003, 'spiffeID(R.attr.id) == dyn(R.attr.id)'],
  [9005, 'spiffeID(R.attr.longDomain) == spiffeID(R.attr.longDomain)'],
  [3001, 'spiffeTrustDomain(R.attr.text) == spiffeTrustDomain(R.attr.same)'],
  [6003, 'spiffeID(R.attr.longDomain).isMemberOf(spiffeTrustDomain(R.attr.text))'],
  [9007, 'spiffeMatchExact(R.attr.id).matchesID(R.attr.id)'],
  [9006, 'spiffeMatchExact(spiffeID(R.attr.id)).matchesID(spiffeID(R.attr.id))'],
  [14, 'spiffeMatchOneOf(["spiffe://a/1", "spiffe://a/2"]).matchesID("spiffe://a/3")'],
  [2003, 'spiffeMatchTrustDomain(R.attr.text).matchesID("spiffe://a")'],
  [6003, 'spiffeMatchTrustDomain(spiffeTrustDomain(R.attr.text)).matchesID(spiffeID(R.attr.longDomain))'],
  [17004, 'hierarchy(R.attr.path) == hierarchy("a")'],
  [26004, 'hierarchy(R.attr.path) == hierarchy(R.attr.path)'],
  [1004, 'hierarchy(R.attr.text, "y") == hierarchy("a")'],
  [2002, 'hierarchy(R.attr.texts) == hierarchy("a")'],
  [4001, 'hierarchy(R.attr.texts).ancestorOf(hierarchy(R.attr.texts))'],
  [5001, 'hierarchy(R.attr.texts).commonAncestors(hierarchy(R.attr.texts)) == hierarchy("a")'],
  [501, 'R.attr.list.slice(0, 500) == []'],
  [1002, 'R.attr.list.flatten() == []'],
  [1001, 'R.attr.list.reverse() == []'],
  [500501, 'R.attr.list.distinct() == []'],
  [8001, 'R.attr.list.sort() == []'],
  [8001, 'R.attr.texts.sort() == []'],
  [1017, '[R.attr.text, R.attr.same].sort() == []'],
  [1017, '[R.attr.bytes, R.attr.twinBytes].sort() == []'],
  [1001, 'lists.range(1000) == []'],
  [9002, 'hasIntersection(R.attr.list, [-1])'],
  [9003, 'hasIntersection(R.attr.list, [-1, -2])'],
  [2004, 'hasIntersection(R.attr.mixed, [-1])'],
  [1002, 'hasIntersection(R.attr.mixed, [])'],
  [9002, '[1].isSubset(R.attr.list)'],
  [9002, 'except([1], R.attr.list) == []'],
  [9002, 'intersect([1], R.attr.list) == []'],
  [9001, 'R.attr.list.sortBy(v, v) == []'],
  [1038, 'hasIntersection([R.attr.text], [1, 2, 3, 4])'],
  [1038, 'hasIntersection([1], [1, 2, 3, R.attr.text])'],
  [18675, `'%s'.format([R.attr.map.transformMapEntry(k, v, {int(v): k})])`],
  [1001, 'R.attr.list.all(v, true)'],
  [1001, 'R.attr.list.all(i, v, true)'],
  [5001, 'R.attr.map.all(k, true)'],
  [4002, 'R.attr.map.exists(k, true)'],
  [4002, 'R.attr.map.exists(k, v, true)'],
  [13000, 'R.attr.list.transformMapEntry(i, v, {"a": v, "b": v})'],
  [17, 'R.attr.list.slice(0, 2).transformMapEntry(i, v, {i: v})'],
  [1001, 'R.attr.text == R.attr.same'],
  [1001, 'R.attr.text < R.attr.same'],
  [1001, 'R.attr.bytes < R.attr.twinBytes'],
  [1001, 'R.attr.bytes == R.attr.twinBytes'],
  [1001, 'R.attr.list == R.attr.others'],
  [8001, 'R.attr.map == R.attr.twin'],
  [4005, 'R.attr.map == {"a": 1}'],
  [4005, '{"a": 1} == R.attr.map'],
  [3, '{1: 1, 2: 2} == {1: 1, 2: 3}'],
  [1001, '-1 in R.attr.list'],
  [2001, 'R.attr.text + R.attr.same == ""'],
  [2001, 'R.attr.list + R.attr.list == []'],
  [2001, 'R.attr.bytes + R.attr.bytes == b""'],
  [61, 'has(R.attr)'],
  [2752, 'R.attr.text.matches("y")'],
  [5003, '"a".matches(R.attr.text.substring(0, 2))'],
  [1001, 'R.attr.list'],
  [1001, 'R.attr.map'],
];

it.each(prices)('at least %i steps are paid for %s', (steps, text) => {
  expect(billOf(text)).toBeGreaterThanOrEqual(steps);
});

import { tests as corpus } from '@bufbuild/cel-spec/testdata/conformance.js';
import { describe, expect, it } from 'vitest';
import { bytesOfBase64 } from './bytes.js';
import { compileNode } from './compile.js';
import { parseDuration } from './duration.js';
import type { Activation } from './expression.js';
import { outputOf } from './json.js';
import { mapOfEntries } from './keyed-map.js';
import { parseExpression } from './parse.js';
import { resourceWith } from './request-fields.js';
import { parseTimestamp } from './timestamp.js';
import { typeOf, TypeValue } from './type-value.js';
import { Uint } from './uint.js';
import { Unanswerable } from './unanswerable.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelResult, type CelValue } from './cel-value.js';
import { emptyMap, equals, isList, isMap } from './value.js';
import { Work } from './work.js';

/** The official tests of the language, without those for messages of protobuf and for what Cerbos has not. */
const skipped = new Set([
  'proto2',
  'proto2_ext',
  'proto3',
  'dynamic',
  'enums',
  'wrappers',
  'optionals',
  'type_deduction',
]);

/** Where Cerbos is otherwise than the language, and this engine with it. */
const asInCerbos = [
  'string_ext/value_errors/indexof_out_of_range',
  'string_ext/value_errors/lastindexof_out_of_range',
  'timestamps/duration_converters/get_milliseconds',
];

interface Suite {
  readonly name: string;
  readonly suites?: readonly Suite[];
  readonly tests?: readonly { readonly original: Readonly<Record<string, unknown>> }[];
}

interface Case {
  readonly name: string;
  readonly expr: string;
  readonly original: Readonly<Record<string, unknown>>;
}

function casesOf(suite: Suite, path: string): readonly Case[] {
  const own = (suite.tests ?? []).map(({ original }) => ({
    name: `${path}/${String(original['name'])}`,
    expr: String(original['expr']),
    original,
  }));
  return [...own, ...(suite.suites ?? []).flatMap((one) => casesOf(one, `${path}/${one.name}`))];
}

class NoValue extends Error {}

/** A value of the corpus. */
function valueOf(json: unknown): CelValue {
  const [[kind, value] = ['', undefined]] = Object.entries(json as Record<string, unknown>);
  switch (kind) {
    case 'int64Value':
      return BigInt(value as string);
    case 'uint64Value':
      return new Uint(BigInt(value as string));
    case 'doubleValue':
      return Number(value);
    case 'stringValue':
    case 'boolValue':
      return value as string | boolean;
    case 'nullValue':
      return null;
    case 'bytesValue':
      return some(bytesOfBase64(value as string));
    case 'typeValue':
      return new TypeValue(value as string);
    case 'listValue':
      return ((value as { values?: unknown[] }).values ?? []).map(valueOf);
    case 'mapValue': {
      const entries = (value as { entries?: { key: unknown; value: unknown }[] }).entries ?? [];
      return mapOfEntries(entries.map((entry) => [valueOf(entry.key), valueOf(entry.value)]));
    }
    case 'objectValue': {
      const message = value as { '@type': string; value?: string };
      if (message['@type'].endsWith('.Duration')) return some(parseDuration(message.value ?? ''));
      if (message['@type'].endsWith('.Timestamp')) return some(parseTimestamp(message.value ?? ''));
      throw new NoValue(message['@type']);
    }
    default:
      throw new NoValue(kind);
  }
}

function some(value: CelResult): CelValue {
  if (value === failed) throw new NoValue('it cannot be read');
  return value;
}

/** Equal, of the same type, and NaN equal to itself. */
function isSame(left: CelResult, right: CelValue): boolean {
  if (left === failed) return false;
  if (typeof left === 'number' && typeof right === 'number') return Object.is(left + 0, right + 0);
  if (!typeOf(left).equals(typeOf(right))) return false;
  if (isList(left) && isList(right))
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]!));
  if (isMap(left) && isMap(right))
    return (
      Object.keys(left).length === Object.keys(right).length &&
      Object.keys(left).every((name) => Object.hasOwn(right, name) && isSame(left[name]!, right[name]!))
    );
  return equals(left, right) === true;
}

function evaluated({ expr, original }: Case): CelResult {
  const bindings = Object.entries((original['bindings'] ?? {}) as Record<string, { value: unknown }>);
  const locals = bindings.map(([, { value }]) => valueOf(value));
  const names = { variables: new Set<string>(), constants: new Set<string>(), onVariable: () => undefined };
  const evaluate = compileNode(
    parseExpression(expr),
    names,
    bindings.map(([name]) => name),
  );
  const activation: Activation = {
    principal: { id: 'p', roles: [], attr: emptyMap() },
    resource: resourceWith({ kind: 'k', id: 'r', attr: emptyMap() }),
    scope: '',
    policyVersion: 'default',
    variables: emptyMap(),
    constants: emptyMap(),
    globals: emptyMap(),
    runtime: { effectiveDerivedRoles: [], nowMs: 0 },
    locals,
    work: new Work(),
  };
  return evaluate(activation);
}

function shown(value: CelResult): string {
  return value === failed ? 'an error' : JSON.stringify(outputOf(value, new Work()));
}

type Outcome = 'equal' | 'refused' | 'skipped' | { readonly wrong: string };

function outcomeOf(one: Case): Outcome {
  const { original } = one;
  if (original['checkOnly'] === true || original['container'] !== undefined) return 'skipped';
  try {
    const result = evaluated(one);
    if (original['evalError'] !== undefined || original['anyEvalErrors'] !== undefined)
      return result === failed ? 'equal' : { wrong: `${one.expr} => ${shown(result)}, not an error` };
    const typed = original['typedResult'] as { result?: unknown } | undefined;
    const expected = valueOf(original['value'] ?? typed?.result ?? { boolValue: true });
    return isSame(result, expected) ? 'equal' : { wrong: `${one.expr} => ${shown(result)}, not ${shown(expected)}` };
  } catch (error) {
    if (error instanceof Unsupported || error instanceof Unanswerable) return 'refused';
    if (error instanceof NoValue) return 'skipped';
    throw error;
  }
}

describe('the official tests of the language', () => {
  it('are passed, or refused', () => {
    const counts = { equal: 0, refused: 0, skipped: 0 };
    const wrong = new Map<string, string>();
    for (const suite of (corpus as Suite).suites ?? [])
      for (const one of casesOf(suite, suite.name)) {
        const outcome = skipped.has(suite.name) ? 'skipped' : outcomeOf(one);
        if (typeof outcome === 'string') counts[outcome]++;
        else wrong.set(one.name, outcome.wrong);
      }
    console.log(`the official tests: ${JSON.stringify(counts)}`);
    expect([...wrong].filter(([name]) => !asInCerbos.includes(name))).toEqual([]);
    expect([...wrong.keys()]).toEqual(asInCerbos);
    expect(counts.equal).toBeGreaterThan(1000);
  });
});

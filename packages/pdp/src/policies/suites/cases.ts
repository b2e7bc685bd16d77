import { isDeepStrictEqual } from 'node:util';
import type { AttributeValue } from '@portcullis/core';
import type {
  Expectation,
  Fixtures,
  PrincipalFixture,
  ResourceFixture,
  TestOptions,
  TestSuite,
  TestTable,
} from './suite.js';

/** What is expected of one principal and one resource. */
interface Expected {
  readonly effects: ReadonlyMap<string, 'allow' | 'deny'>;
  /** The outputs that have to be there, by action and source. */
  readonly outputs: ReadonlyMap<string, ReadonlyMap<string, AttributeValue>>;
}

/** One principal and one resource of a test. */
export interface TestCase extends Expected {
  readonly test: string;
  readonly principalName: string;
  readonly resourceName: string;
  readonly principal: PrincipalFixture;
  readonly resource: ResourceFixture;
  readonly actions: readonly string[];
  readonly options: TestOptions | undefined;
  /** The name of its auxiliary data; empty without. */
  readonly auxData: string;
  readonly skipReason: string | undefined;
}

/** A suite that contradicts itself, or names what is not there. */
export class SuiteError extends Error {
  override readonly name = 'SuiteError';
}

/**
 * The cases of a suite: in each test, every principal with every resource. What is not expected to be allowed is
 * expected to be denied.
 *
 * @throws SuiteError
 */
export function casesOf(suite: TestSuite, fixtures: Fixtures): readonly TestCase[] {
  const known = new Set<string>();
  for (const { name } of suite.tests) {
    if (known.has(name)) throw new SuiteError(`there is a second test \`${name}\``);
    known.add(name);
  }
  const lookup = new Lookup(suite, fixtures);
  return suite.tests.flatMap((table) => casesOfTable(suite, table, lookup));
}

function casesOfTable(suite: TestSuite, table: TestTable, lookup: Lookup): readonly TestCase[] {
  const { name: test, input, skip, skipReason } = table;
  lookup.refuseUnknownAuxData(input.auxData);
  const expected = expectationsOf(table, lookup);
  const cases = lookup.principals(input).flatMap((principalName) =>
    lookup.resources(input).map((resourceName): TestCase => {
      const key = keyOf(principalName, resourceName);
      const { effects, outputs } = expected.get(key) ?? { effects: new Map(), outputs: new Map() };
      expected.delete(key);
      return {
        ...{ test, principalName, resourceName, effects, outputs, actions: input.actions },
        principal: lookup.principal(principalName),
        resource: lookup.resource(resourceName),
        options: table.options ?? suite.options,
        auxData: input.auxData,
        skipReason: skip ? skipReason : undefined,
      };
    }),
  );
  for (const key of expected.keys())
    throw new SuiteError(`the test \`${test}\` expects something of ${key}, which is not in its input`);
  return cases;
}

/** What several expectations say of the same is taken together. */
function expectationsOf({ name, expected }: TestTable, lookup: Lookup): Map<string, Expected> {
  const expectations = new Map<string, Expected>();
  for (const expectation of expected) {
    const one: Expected = { effects: effectsOf(expectation), outputs: outputsOf(expectation) };
    for (const principal of lookup.principals(expectation))
      for (const resource of lookup.resources(expectation)) {
        const key = keyOf(principal, resource);
        const known = expectations.get(key);
        expectations.set(key, known === undefined ? one : together(known, one, `the test \`${name}\` of ${key}`));
      }
  }
  return expectations;
}

function together(one: Expected, other: Expected, where: string): Expected {
  const outputs = new Map(one.outputs);
  for (const [action, values] of other.outputs)
    outputs.set(action, agreed(outputs.get(action) ?? new Map<string, AttributeValue>(), values, where));
  return { effects: agreed(one.effects, other.effects, where), outputs };
}

function agreed<V>(one: ReadonlyMap<string, V>, other: ReadonlyMap<string, V>, where: string): ReadonlyMap<string, V> {
  for (const [key, value] of other)
    if (one.has(key) && !isDeepStrictEqual(one.get(key), value))
      throw new SuiteError(`there are expectations that contradict each other in ${where}`);
  return new Map([...one, ...other]);
}

function keyOf(principal: string, resource: string): string {
  return `the principal ${JSON.stringify(principal)} and the resource ${JSON.stringify(resource)}`;
}

function effectsOf({ actions }: Expectation): Expected['effects'] {
  return new Map(
    Object.entries(actions).map(([action, effect]) => [action, effect === 'EFFECT_ALLOW' ? 'allow' : 'deny']),
  );
}

function outputsOf({ outputs }: Expectation): Expected['outputs'] {
  return new Map(outputs.map(({ action, expected }) => [action, new Map(expected.map(({ src, val }) => [src, val]))]));
}

interface Named {
  readonly principal?: string;
  readonly principals: readonly string[];
  readonly principalGroups: readonly string[];
  readonly resource?: string;
  readonly resources: readonly string[];
  readonly resourceGroups: readonly string[];
}

/** Fixtures by name: a suite's own come before those of its folder. */
class Lookup {
  readonly #suite: TestSuite;
  readonly #fixtures: Fixtures;

  constructor(suite: TestSuite, fixtures: Fixtures) {
    this.#suite = suite;
    this.#fixtures = fixtures;
  }

  principals({ principal = '', principals, principalGroups }: Named): readonly string[] {
    const members = principalGroups.flatMap(
      (name) => this.#find('principalGroups', 'principal group', name).principals,
    );
    return distinct([...(principal === '' ? [] : [principal]), ...principals, ...members]);
  }

  resources({ resource = '', resources, resourceGroups }: Named): readonly string[] {
    const members = resourceGroups.flatMap((name) => this.#find('resourceGroups', 'resource group', name).resources);
    return distinct([...(resource === '' ? [] : [resource]), ...resources, ...members]);
  }

  principal(name: string): PrincipalFixture {
    return this.#find('principals', 'principal', name);
  }

  resource(name: string): ResourceFixture {
    return this.#find('resources', 'resource', name);
  }

  /** Whether or not any policy reads it: a suite that names what is not there is wrong. */
  refuseUnknownAuxData(name: string): void {
    if (name !== '') this.#find('auxData', 'auxData', name);
  }

  #find<Part extends 'principals' | 'resources' | 'principalGroups' | 'resourceGroups' | 'auxData'>(
    part: Part,
    what: string,
    name: string,
  ): Fixtures[Part][string] {
    for (const { [part]: own } of [this.#suite, this.#fixtures]) {
      const found = Object.hasOwn(own, name) ? own[name] : undefined;
      if (found !== undefined) return found as Fixtures[Part][string];
    }
    throw new SuiteError(`there is no ${what} \`${name}\``);
  }
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

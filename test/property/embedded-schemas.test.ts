import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantId, type Attributes, type CheckRequest } from '@portcullis/core';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { failWith, folderOf, shrinkingMs, type Case } from './embedded-case.js';
import { differences } from './embedded-difference.js';
import { rounds, seed } from './embedded-runs.js';

const names = ['a', 'b', 'ab', 'tenant', '__proto__', 'constructor', ''] as const;
const scalar = fc.constantFrom(null, true, false, 0, -0, 1, 1.5, -3, 1e21, '', 'a', 'ab', 'a1', '\u{1f600}', '😀é');
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** Every keyword that is taken, as often right as beside the point. */
const schema = fc.letrec<{ schema: object | boolean }>((tie) => {
  const child = tie('schema');
  const count = fc.nat(3);
  const pattern = fc.constantFrom('^a', 'b$', '[0-9]', '^.$', 'a|^$', '\\d');
  const keyword: fc.Arbitrary<object> = fc.oneof(
    fc.constantFrom(...['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'].map((type) => ({ type }))),
    fc.record({ type: fc.uniqueArray(fc.constantFrom('string', 'integer', 'object', 'null'), { minLength: 1 }) }),
    fc.record({
      enum: fc.uniqueArray(value, { minLength: 1, maxLength: 3, selector: (item) => JSON.stringify(item) }),
    }),
    fc.record({ const: value }),
    fc.record({ properties: fc.dictionary(fc.constantFrom(...names), child, { maxKeys: 3 }) }),
    fc.record({ patternProperties: fc.dictionary(pattern, child, { maxKeys: 2 }), additionalProperties: child }),
    fc.record({ properties: fc.dictionary(fc.constantFrom(...names), child), additionalProperties: child }),
    fc.record({ propertyNames: child }),
    fc.record({ required: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }) }),
    fc.record({
      dependentRequired: fc.dictionary(fc.constantFrom('a', 'b'), fc.uniqueArray(fc.constantFrom(...names))),
    }),
    fc.record({ dependentSchemas: fc.dictionary(fc.constantFrom('a', 'b'), child, { maxKeys: 1 }) }),
    fc.record({ minProperties: count }),
    fc.record({ maxProperties: count }),
    fc.record({ items: child }),
    fc.record({ prefixItems: fc.array(child, { minLength: 1, maxLength: 2 }), items: child }),
    fc.record({ contains: child, minContains: count, maxContains: count }, { requiredKeys: ['contains'] }),
    fc.record({ minItems: count }),
    fc.record({ maxItems: count }),
    fc.record({ uniqueItems: fc.boolean() }),
    fc.record({ minLength: count }),
    fc.record({ maxLength: count }),
    fc.record({ pattern }),
    fc.record({ minimum: fc.constantFrom(0, 1, -3, 1.5) }),
    fc.record({ maximum: fc.constantFrom(0, 1, -3, 1.5) }),
    fc.record({ exclusiveMinimum: fc.constantFrom(0, 1) }),
    fc.record({ exclusiveMaximum: fc.constantFrom(0, 1) }),
    fc.record({ allOf: fc.array(child, { minLength: 1, maxLength: 2 }) }),
    fc.record({ anyOf: fc.array(child, { minLength: 1, maxLength: 2 }) }),
    fc.record({ oneOf: fc.array(child, { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: child }),
    fc.record({ if: child, then: child, else: child }, { requiredKeys: ['if'] }),
    fc.constant({ $ref: '#/$defs/shared' }),
  );
  return {
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.boolean(),
      fc
        .array(keyword, { minLength: 1, maxLength: 2 })
        .map((keywords): object => Object.assign({}, ...keywords) as object),
    ),
  };
}).schema;

/** A whole schema file: what is shared refers to itself, one level further down. */
const schemaFile = fc.tuple(schema, schema).map(([main, shared]) => ({
  ...(typeof main === 'boolean' ? { not: !main } : main),
  $defs: { shared: { allOf: [withoutReference(shared)], properties: { deeper: { $ref: '#/$defs/shared' } } } },
}));

function withoutReference(part: object | boolean): unknown {
  return JSON.parse(
    JSON.stringify(part, (_name, member: unknown) => (member === '#/$defs/shared' ? '#/$defs/none' : member))
      .replaceAll('{"$ref":"#/$defs/none"}', 'true')
      .replaceAll('"$ref":"#/$defs/none"', '"title":"none"'),
  );
}

const schemaCount = 60;

describe('attribute schemas', () => {
  it('take what Cerbos and another validator take', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    for (let round = 0; round < rounds; round++) {
      const schemas = fc.sample(schemaFile, { numRuns: schemaCount, seed: seed + round });
      const files = schemas.map((file, index) => [`s${String(index)}`, file] as const);
      const folder = folderOf(
        files.map(([name]) => [name, policyOf(name)] as const),
        files,
      );
      const inProcess = await embedded({ policies: folder });
      const cerbos = await cerbosSidecar({ policies: folder, pollMs: 0, deadlineMs: 60_000 });
      const other = new Ajv2020({ strict: false, ownProperties: true });
      const validators = schemas.map((file) => other.compile(file));
      /** One case for each schema. */
      const found = new Map<string, Case>();
      const otherwise: unknown[] = [];
      const counts = { asked: 0, taken: 0 };
      for (const attr of fc.sample(
        fc.dictionary(fc.constantFrom(...names.filter((name) => name !== '')), value, { maxKeys: 4 }),
        {
          numRuns: 40,
          seed: seed + round,
        },
      )) {
        const request: CheckRequest = {
          principal: { id: 'p', roles: ['r'], attr: {} },
          scope: '',
          questions: schemas.map((_file, index) => ({
            resource: { kind: `s${String(index)}`, id: '1', tenant: tenantId('t'), attr: attr as Attributes },
            actions: ['read'],
          })),
        };
        const decisions = (await inProcess.check(request)).flat();
        for (const [index, { effect }] of decisions.entries()) {
          counts.asked++;
          if (effect === 'allow') counts.taken++;
          const theirs = validators[index]?.({ ...attr, tenant: 't' });
          // The other one errs about members of this name; Cerbos does not.
          const isOdd = JSON.stringify([schemas[index], attr]).includes('__proto__');
          if (!isOdd && (effect === 'allow') !== theirs)
            otherwise.push({ schema: JSON.stringify(schemas[index]), attr: JSON.stringify(attr), effect, theirs });
        }
        for (const difference of await differences(inProcess, cerbos, request)) {
          const kind = /"kind":"(s\d+)"/.exec(difference)?.[1] ?? '';
          const questions = request.questions.filter(({ resource }) => resource.kind === kind);
          const about = { policies: [policyOf(kind)], schemas: { [kind]: schemas[Number(kind.slice(1))] } };
          found.set(kind, { request: { ...request, questions }, ...about });
        }
      }
      await Promise.all([cerbos.close(), inProcess.close()]);
      console.log(
        `seed ${String(seed + round)}: ${String(schemaCount)} schemas, ${String(counts.asked)} values, ${String(counts.taken)} taken`,
      );
      await failWith(`attribute schemas, seed ${String(seed + round)}`, [...found.values()]);
      expect(otherwise.slice(0, 5), `seed ${String(seed + round)}`).toEqual([]);
    }
  });
});

function policyOf(kind: string): object {
  return {
    apiVersion: 'api.cerbos.dev/v1',
    resourcePolicy: {
      resource: kind,
      version: 'default',
      schemas: { resourceSchema: { ref: `cerbos:///${kind}.json` } },
      rules: [{ actions: ['read'], effect: 'EFFECT_ALLOW', roles: ['*'] }],
    },
  };
}

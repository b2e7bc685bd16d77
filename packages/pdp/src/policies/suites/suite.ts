import { z } from 'zod';

/**
 * A test suite of policies, as Cerbos reads it: every member that is known, and no other.
 *
 * @see https://docs.cerbos.dev/cerbos/latest/policies/compile
 */
const name = z.string().min(1);
const names = z.array(name).default([]);
const some = z.array(name).min(1);
const version = z.string().regex(/^\w*$/).default('');
/** A scope; `.` is the base one, too. */
const scope = z
  .string()
  .regex(/^(\.|([0-9A-Za-z][\w-]*(\.\w[\w-]*)*)?)$/)
  .transform((text) => (text === '.' ? '' : text))
  .default('');
const attributes = z.record(z.string(), z.json()).default({});

const principal = z.strictObject({ id: name, roles: some, attr: attributes, policyVersion: version, scope });
const resource = z.strictObject({ kind: name, id: name, attr: attributes, policyVersion: version, scope });
const auxData = z.strictObject({ jwt: attributes });

const principals = z.record(z.string(), principal).default({});
const resources = z.record(z.string(), resource).default({});
const principalGroups = z.record(z.string(), z.strictObject({ principals: some })).default({});
const resourceGroups = z.record(z.string(), z.strictObject({ resources: some })).default({});
const allAuxData = z.record(z.string(), auxData).default({});

const options = z.strictObject({
  now: z.iso.datetime({ offset: true }).optional(),
  lenientScopeSearch: z.boolean().default(false),
  globals: attributes,
  defaultPolicyVersion: version,
  defaultScope: scope,
});
const expectation = z.strictObject({
  principal: z.string().default(''),
  principals: names,
  principalGroups: names,
  resource: z.string().default(''),
  resources: names,
  resourceGroups: names,
  actions: z.record(name, z.enum(['EFFECT_ALLOW', 'EFFECT_DENY'])),
  outputs: z
    .array(
      z.strictObject({
        action: name,
        expected: z
          .array(
            z.strictObject({ src: z.string().default(''), val: z.json().default(null), action: z.string().optional() }),
          )
          .min(1),
      }),
    )
    .default([]),
});
const table = z.strictObject({
  name,
  description: z.string().optional(),
  skip: z.boolean().default(false),
  skipReason: z.string().default(''),
  input: z.strictObject({
    principals: names,
    principalGroups: names,
    resources: names,
    resourceGroups: names,
    actions: some,
    auxData: z.string().default(''),
  }),
  expected: z.array(expectation).min(1),
  options: options.optional(),
});

const schema = z.string().optional();

/** A file `*_test.yaml`. */
export const testSuite = z.strictObject({
  $schema: schema,
  name,
  description: z.string().optional(),
  skip: z.boolean().default(false),
  skipReason: z.string().default(''),
  principals,
  principalGroups,
  resources,
  resourceGroups,
  auxData: allAuxData,
  options: options.optional(),
  tests: z.array(table).min(1),
});

/** The files of a folder `testdata`. */
export const principalFixtures = z.strictObject({ $schema: schema, principals, principalGroups });
export const resourceFixtures = z.strictObject({ $schema: schema, resources, resourceGroups });
export const auxDataFixtures = z.strictObject({ $schema: schema, auxData: allAuxData });

export type TestSuite = z.infer<typeof testSuite>;
export type TestTable = z.infer<typeof table>;
export type TestOptions = z.infer<typeof options>;
export type Expectation = z.infer<typeof expectation>;
export type PrincipalFixture = z.infer<typeof principal>;
export type ResourceFixture = z.infer<typeof resource>;

/** What a folder `testdata` beside a suite holds. */
export type Fixtures = z.infer<typeof principalFixtures> &
  z.infer<typeof resourceFixtures> &
  z.infer<typeof auxDataFixtures>;

import fc from 'fast-check';
import type { Attributes } from '@portcullis/core';

/** Policy sets over the whole grammar that the embedded engine takes, small enough that rules meet. */
const scopes = ['', 'a', 'a.b', 'c'] as const;
const consent = 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS';
const roles = ['r1', 'r2', 'r3', 'r-4', '*'] as const;
const actions = [
  ...(['read', 'write', 'x:read', 'x:y:z', '*', 'x:*', '**', 'x:**', 'w*', '*:read', '*e*', 'x:**y:z', '*:*'] as const),
  ...(['{read,w}*', '*{read,y:z}', 'x:{read,y}**', '{x,wx}:*', '\\x:*', 'read\\*', '*\\:\\**', '{a\\,,b}*'] as const),
] as const;
const kindPatterns = ['k*', '*', '{k1,k2}*', '**1', '*{1,4}', '\\k*'] as const;
const conditions = [
  ...['R.attr.n == 1', 'R.attr.s == P.attr.s', 'has(R.attr.b) && R.attr.b', 'R.attr.missing', '"yes"', 'true', 'false'],
  ...['V.v1', 'V.v2 > 1.0', 'V.shared', 'C.c1 == R.attr.n', '"a" in C.c2', 'V.v3 == null', 'C.common == "common"'],
  ...['G.limit == R.attr.n', 'globals.names[0] == R.attr.s', 'G.on && R.attr.b', 'G.missing == null', 'G.deep.x > 1.0'],
  ...['G.limit / 2 == 0', 'R.attr.n + G.limit == 2', 'G.deep.y[0] == -1', 'G.names == P.attr.s'],
  ...['[1, 2, 3].exists(y, y == 3)', 'cel.bind(y, R.attr.n, y == 1)', '["a"].map(y, y) == [R.attr.s]'],
  ...['P.id == "p1"', 'R.kind == "k1"', '"r1" in P.roles', 'P.scope == "a"'],
];
/** Role policies see no variables. */
const plainConditions = conditions.filter((text) => !/\b[VC]\./.test(text));

const effect = fc.constantFrom('EFFECT_ALLOW', 'EFFECT_ALLOW', 'EFFECT_DENY');
const some = <T>(...values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });

function conditionOf(texts: readonly string[]): fc.Arbitrary<object> {
  const expr = fc.constantFrom(...texts).map((text) => ({ expr: text }));
  const of = fc.array(expr, { minLength: 1, maxLength: 3 });
  const nested = fc.oneof(
    expr,
    of.map((list) => ({ all: { of: list } })),
    of.map((list) => ({ any: { of: list } })),
    of.map((list) => ({ none: { of: list } })),
  );
  return fc
    .oneof(
      { weight: 3, arbitrary: nested },
      {
        weight: 1,
        arbitrary: fc.array(nested, { minLength: 1, maxLength: 2 }).map((list) => ({ none: { of: list } })),
      },
    )
    .map((match) => ({ match }));
}
const maybe = <T>(arbitrary: fc.Arbitrary<T>, name: string) =>
  fc.option(arbitrary, { nil: undefined }).map((value) => (value === undefined ? {} : { [name]: value }));
const condition = maybe(conditionOf(conditions), 'condition');
const plainCondition = maybe(conditionOf(plainConditions), 'condition');
const outputText = fc.constantFrom(
  ...['R.attr.n', '{"obligation": "tell", "n": R.attr.n}', '"text"', 'V.v1', 'C.c2', '[1, 2.5]', '{"a": [null, P.id]}'],
);
const output = maybe(
  fc
    .record({ ruleActivated: outputText, conditionNotMet: outputText }, { requiredKeys: [] })
    .filter((when) => Object.keys(when).length > 0)
    .map((when) => ({ when })),
  'output',
);
const merged = (...parts: readonly fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object);

/** What a rule for derived roles says where its condition is not met is not supported. */
const activated = maybe(
  outputText.map((ruleActivated) => ({ when: { ruleActivated } })),
  'output',
);

const shared = {
  variables: {
    import: ['vars'],
    local: { v1: 'R.attr.n == 1', v2: 'R.attr.n + 1.0', v3: 'V.v4', v4: 'R.attr.missing.x' },
  },
  constants: { import: ['consts'], local: { c1: 1, c2: ['a', 'b', 1.5, null] } },
};
const rule = merged(
  fc.record({ actions: some(...actions), effect }),
  fc.oneof(
    merged(fc.record({ roles: some(...roles) }), output),
    merged(fc.record({ derivedRoles: some('d1', 'd2', 'd3') }), activated),
    merged(fc.record({ roles: some(...roles), derivedRoles: some('d1', 'd2', 'd3') }), activated),
  ),
  condition,
);
const byEffectiveRole = merged(
  fc.record({ actions: some(...actions), effect, roles: some(...roles) }),
  fc
    .constantFrom(
      '"d1" in runtime.effectiveDerivedRoles',
      'size(runtime.effectiveDerivedRoles) > 1',
      '"d3" in runtime.effectiveDerivedRoles',
      '["b", "d1"].exists(v, "d1" in runtime.effectiveDerivedRoles && v == "b")',
      '["d1", "d3"].exists_one(v, v in runtime.effectiveDerivedRoles && v in ["d1", "d3"])',
      'cel.bind(v, "d3", size(runtime.effectiveDerivedRoles) > 0 && v == "d3")',
      'true',
    )
    .map((expr) => ({ condition: { match: { expr } } })),
  fc.constant({ output: { when: { ruleActivated: 'runtime.effectiveDerivedRoles' } } }),
);
const schemaOf = fc.option(
  fc.record({
    ref: fc.constantFrom('cerbos:///one.json', 'cerbos:///two.json'),
    ignoreWhen: fc.constantFrom({ actions: ['read'] }, { actions: ['x:*', 'w*'] }, { actions: ['nothing'] }),
  }),
  { nil: undefined, freq: 1 },
);
const schemas = fc
  .record({ principalSchema: schemaOf, resourceSchema: schemaOf })
  .map((both) => ({ schemas: JSON.parse(JSON.stringify(both)) as object }));

const head = { apiVersion: 'api.cerbos.dev/v1' };

/** Only the base policy may ask which derived roles are effective. */
function rulesIn(scope: string): fc.Arbitrary<readonly object[]> {
  const rules = fc.array(rule, { minLength: 0, maxLength: 4 });
  return scope === ''
    ? fc.oneof(
        { weight: 2, arbitrary: rules },
        { weight: 1, arbitrary: fc.array(fc.oneof(rule, byEffectiveRole), { minLength: 1, maxLength: 5 }) },
      )
    : rules;
}

function resourcePolicy(kind: string, version: string, scope: string, needsConsent: boolean): fc.Arbitrary<object> {
  return merged(
    fc.constant({ resource: kind, version, scope, importDerivedRoles: ['ds', 'es'], ...shared }),
    fc.constant(needsConsent ? { scopePermissions: consent } : {}),
    fc.record({ rules: rulesIn(scope) }),
    fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: schemas }),
  ).map((policy) => ({ ...head, resourcePolicy: policy }));
}

function principalPolicy(principal: string, scope: string, needsConsent: boolean): fc.Arbitrary<object> {
  const action = merged(fc.record({ effect }), condition, output);
  const rules = fc
    .tuple(some('k1', 'k2', ...kindPatterns), some(...actions), fc.array(action, { minLength: 12, maxLength: 12 }))
    .map(([kinds, names, effects]) =>
      kinds.map((resource, one) => ({
        resource,
        actions: names.map((name, other) => ({ action: name, ...effects[one * 3 + other] })),
      })),
    );
  return rules.map((list) => ({
    ...head,
    principalPolicy: {
      principal,
      version: 'default',
      scope,
      ...shared,
      ...(needsConsent ? { scopePermissions: consent } : {}),
      rules: list,
    },
  }));
}

function rolePolicy(role: string, scope: string, needsConsent: boolean): fc.Arbitrary<object> {
  const allow = (kind: string) => merged(fc.record({ resource: fc.constant(kind), allowActions: some(...actions) }));
  const conditional = (kind: string) => merged(allow(kind), plainCondition);
  const rulesOf = fc.oneof(
    fc.array(fc.constantFrom('k1', 'k2', ...kindPatterns).chain(allow), { minLength: 1, maxLength: 3 }),
    some('k1', 'k2', 'k_3').chain((kinds) => fc.tuple(...kinds.map(conditional))),
    fc.constantFrom(...kindPatterns).chain((kind) => fc.tuple(conditional(kind))),
  );
  return fc
    .record({
      // One parent at most: with two, which of two denials is named is for Cerbos's order of them to say.
      parentRoles: role === 'h1' ? fc.constantFrom([], ['r1'], ['r2'], ['h2']) : fc.constant([]),
      rules: rulesOf,
    })
    .map(({ parentRoles, rules }) => ({
      ...head,
      rolePolicy: {
        role,
        scope,
        ...(needsConsent ? { scopePermissions: consent } : {}),
        parentRoles: parentRoles.filter((parent) => parent !== role),
        rules,
      },
    }));
}

const derivedRoles = (name: string, names: readonly string[]) =>
  fc
    .tuple(
      ...names.map((one) =>
        merged(fc.constant({ name: one }), fc.record({ parentRoles: some('r1', 'r2', 'r3', 'h1', '*') }), condition),
      ),
    )
    .map((definitions) => ({ ...head, derivedRoles: { name, ...shared, definitions } }));

/** A set of policies by file name, with denials and outputs. */
const anySet: fc.Arbitrary<ReadonlyMap<string, object>> = fc
  .record({ a: fc.boolean(), c: fc.boolean(), ab: fc.boolean() })
  .chain((consents) => {
    const needs: Readonly<Record<string, boolean>> = { a: consents.a, c: consents.c, 'a.b': consents.ab };
    const chains = [[''], ['', 'a'], ['', 'a', 'a.b'], ['', 'c'], ['', 'a', 'c']];
    // Beside policies that need no consent, Cerbos takes a role policy in the base scope only.
    const rolePolicies: readonly string[][] = [
      [],
      [''],
      ...['a', 'a.b', 'c'].filter((scope) => needs[scope]).map((scope) => [scope]),
    ];
    const many = (make: (scope: string) => fc.Arbitrary<object>, ...of: readonly (readonly string[])[]) =>
      fc.constantFrom(...of).chain((list) => fc.tuple(...list.map(make)));
    return fc
      .tuple(
        many((scope) => resourcePolicy('k1', 'default', scope, needs[scope] ?? false), ...chains),
        many((scope) => resourcePolicy('k2', 'default', scope, needs[scope] ?? false), ...chains),
        many((scope) => resourcePolicy('k-3', 'default', scope, needs[scope] ?? false), [], ['']),
        many((scope) => resourcePolicy('k1', 'v2', scope, needs[scope] ?? false), [], [''], ['', 'a']),
        many((scope) => principalPolicy('p1', scope, needs[scope] ?? false), [], [], [''], ['', 'a']),
        many((scope) => principalPolicy('p-2', scope, needs[scope] ?? false), [], [], ['']),
        many((scope) => rolePolicy('h1', scope, needs[scope] ?? false), ...rolePolicies),
        many((scope) => rolePolicy('h2', scope, needs[scope] ?? false), ...rolePolicies),
        fc.tuple(derivedRoles('ds', ['d1', 'd2']), derivedRoles('es', ['d3'])),
      )
      .map((groups) => new Map(groups.flat().map((policy, index): [string, object] => [`p${String(index)}`, policy])));
  });

/**
 * A set with denials and without outputs, or the other way around: where a rule denies, what other rules of the scope
 * said before depends on the order of the rules, which is Cerbos's own and differs from start to start.
 */
export const policySet: fc.Arbitrary<ReadonlyMap<string, unknown>> = fc
  .tuple(anySet, fc.boolean())
  .map(([set, speaks]) => {
    const kept = [...set].filter(([, policy]) => !speaks || !('rolePolicy' in policy));
    return new Map(kept.map(([name, policy]) => [name, speaks ? withoutDenials(policy) : without('output', policy)]));
  });

function withoutDenials(policy: object): unknown {
  const text = JSON.stringify(without('scopePermissions', policy));
  return JSON.parse(text.replaceAll('EFFECT_DENY', 'EFFECT_ALLOW'));
}

function without(name: string, policy: object): unknown {
  return JSON.parse(JSON.stringify(policy, (key, value: unknown) => (key === name ? undefined : value)));
}

/** What all policies read as `globals`. */
export const globals: Attributes = { limit: 1, names: ['a', 'b'], on: true, deep: { x: 1.5, y: [-1, 2] } };

/** What the sets import. */
export const imported: ReadonlyMap<string, object> = new Map([
  ['vars', { ...head, exportVariables: { name: 'vars', definitions: { shared: 'R.attr.s == "a"' } } }],
  ['consts', { ...head, exportConstants: { name: 'consts', definitions: { common: 'common' } } }],
]);

/** The schemas that policies may refer to. */
export const schemaFiles: ReadonlyMap<string, object> = new Map([
  ['one', { type: 'object', properties: { n: { type: 'number' }, s: { enum: ['a', 'b'] } }, required: ['s'] }],
  ['two', { type: 'object', properties: { b: { type: 'boolean' }, s: { type: 'string', maxLength: 1 } } }],
]);

const attr = fc.record(
  {
    n: fc.constantFrom(1, 1, 2, 0.5, '1', null),
    s: fc.constantFrom('a', 'b', 'ab', 1),
    b: fc.constantFrom(true, false, 'true'),
  },
  { requiredKeys: [] },
);

/** None with `*`: asked about one, Cerbos answers otherwise about the others of the request. */
const asked = [
  ...['read', 'write', 'x:read', 'x:y:z', 'other', 'x:', 'wx:y', 'y:z', 'a,b', 'x:\u00e9', 'x::z'],
  ...['x:y:\u{1f600}', 'w\n', 'reader', 'wxy:z'],
];

/** Who asks for what. */
export const anyRequest = fc.record({
  principal: fc.record({
    id: fc.constantFrom('p1', 'p-2', 'p_2', 'p3'),
    roles: fc.uniqueArray(fc.constantFrom('r1', 'r2', 'r3', 'r-4', 'r_4', 'h1', 'h2', 'd1'), { maxLength: 3 }),
    attr,
  }),
  scope: fc.constantFrom(...scopes, 'a.b.c', 'c.d', 'e'),
  policyVersion: fc.constantFrom('default', 'default', 'default', 'v2', 'v3'),
  questions: fc.array(
    fc.record({
      kind: fc.constantFrom('k1', 'k1', 'k2', 'k-3', 'k_3', 'k4'),
      attr,
      actions: fc.uniqueArray(fc.constantFrom(...asked), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
    { minLength: 10, maxLength: 25 },
  ),
});

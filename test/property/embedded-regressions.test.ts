import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type Attributes, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { CaseEngines, casesFolder, type KeptCase } from './embedded-case.js';
import { differences } from './embedded-difference.js';

/** Where the two once differed, or where what Cerbos does is not what one would guess. */
const expressions = {
  erredVariable: 'V.erred == null',
  keyThatIsNoText: '1.0 in R.attr.m',
  hasOnScalar: 'has(R.attr.n.x) || has(R.attr.s.x) || has(R.attr.z.x)',
  hasOnList: '!has(R.attr.l.x)',
  doubleAsText: 'string(R.attr.n)',
  astralOrder: 'R.attr.s < "\u{1f600}"',
  doubleIndex: 'R.attr.l[R.attr.i]',
  memberThatIsNull: 'R.attr.m["x"] == null',
  hierarchyAndNull: 'dyn(hierarchy("a")) == R.attr.z',
  longAgo: 'timeSince(timestamp("0001-01-01T00:00:00Z")) > duration("2562047h")',
  zeroWithExponent: '"%.2e".format([R.attr.n])',
  believedItems: 'except(R.attr.l, ["b"]).map(v, string(v))',
  numbersAsKeys: 'hasIntersection(R.attr.l, [1, 2, 3, 4])',
  intOfGlobals: 'G.limit / 2 == 0 || G.deep.limits[0] / 2 == R.attr.n',
  doubleOfGlobals: 'G.half + R.attr.n',
  namesOfGlobals: '[G.on, G.no]',
} as const;
const head = { apiVersion: 'api.cerbos.dev/v1' };
const allow = { actions: ['read'], effect: 'EFFECT_ALLOW', roles: ['*'] };
const consent = 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS';
const resource = (kind: string, scope: string, more: object): object => ({
  ...head,
  resourcePolicy: { resource: kind, version: 'default', scope, ...more },
});
const policies: readonly object[] = [
  ...Object.entries(expressions).map(([kind, expr]) =>
    resource(kind, '', {
      variables: { local: { erred: 'R.attr.missing.x' } },
      rules: [
        { ...allow, output: { when: { ruleActivated: expr } } },
        { ...allow, actions: ['condition'], condition: { match: { expr } } },
        { ...allow, actions: ['none'], condition: { match: { none: { of: [{ expr }] } } } },
      ],
    }),
  ),
  // Schemas: the base policy's count, and none where the scope has policies but none for the kind.
  resource('memo', '', { schemas: { resourceSchema: { ref: 'cerbos:///memo.json' } }, rules: [allow] }),
  resource('letter', '', { schemas: { resourceSchema: { ref: 'cerbos:///memo.json' } }, rules: [allow] }),
  resource('letter', 'a', { scopePermissions: consent, rules: [] }),
  // Derived roles see variables of their own, of which one errs.
  {
    ...head,
    derivedRoles: {
      name: 'owners',
      variables: { local: { isOwner: 'R.attr.s == "a"', erred: 'R.attr.missing.x' } },
      constants: { local: { zero: 0 } },
      definitions: [
        { name: 'owner', parentRoles: ['member'], condition: { match: { expr: 'V.isOwner && V.erred == null' } } },
        { name: 'nobody', parentRoles: ['*'], condition: { match: { expr: 'R.attr.n < C.zero' } } },
      ],
    },
  },
  resource('owned', '', {
    importDerivedRoles: ['owners'],
    variables: { local: { isOwner: 'false' } },
    rules: [
      { ...allow, roles: [], derivedRoles: ['owner'] },
      { ...allow, actions: ['{write,cond}*', '*:x'], condition: { match: { expr: '!V.isOwner' } } },
      { ...allow, actions: ['none'], roles: [], derivedRoles: ['nobody'] },
    ],
  }),
  // Conditions of derived roles are looked at in the middle of a macro, and have variables of their own there.
  {
    ...head,
    derivedRoles: {
      name: 'counting',
      variables: { local: { counted: '[1, 2, 3].map(y, y)' } },
      definitions: [
        { name: 'counter', parentRoles: ['member'], condition: { match: { expr: '[1, 2, 3].exists(y, y == 3)' } } },
        { name: 'reader', parentRoles: ['*'], condition: { match: { expr: 'size(V.counted) == 3' } } },
      ],
    },
  },
  resource('counted', '', {
    importDerivedRoles: ['counting'],
    rules: [
      { ...allow, actions: ['nothing'], roles: [], derivedRoles: ['counter'] },
      allow,
      {
        ...allow,
        effect: 'EFFECT_DENY',
        condition: { match: { expr: '["b"].exists(v, "counter" in runtime.effectiveDerivedRoles && v == "b")' } },
      },
      ...[
        ['condition', '["b"].map(v, [string(runtime.effectiveDerivedRoles.size()), string(v)])'],
        ['none', 'cel.bind(v, "b", [string(runtime.effectiveDerivedRoles.size()), string(v)])'],
        ['write', '["b", "c"].filter(v, "reader" in runtime.effectiveDerivedRoles)'],
      ].map(([action, expr]) => ({ ...allow, actions: [action], output: { when: { ruleActivated: expr } } })),
    ],
  }),
  // A role policy forbids what it does not allow, for a kind that any policy of its scope speaks of.
  { ...head, rolePolicy: { role: 'helper', rules: [{ resource: 'memo', allowActions: ['write'] }] } },
  {
    ...head,
    principalPolicy: {
      principal: 'somebody-else',
      version: 'default',
      rules: [{ resource: '*', actions: [{ action: 'nothing', effect: 'EFFECT_DENY' }] }],
    },
  },
];
const kinds = [...Object.keys(expressions), 'owned', 'counted', 'memo', 'letter', 'unknown'];
const attributes: readonly Attributes[] = [
  {},
  { n: 1, s: '\uffee', z: null, l: ['a', 'b'], i: 1, m: { '1': 1 }, title: 'x' },
  { n: 1e6, s: {}, z: 1, l: {}, i: 1.5, m: [1] },
  { n: -0, s: 'a', z: [], l: [], i: -1, m: 'x' },
  { n: 999999.5, s: null, l: [[]], i: 0 },
  { n: 0, m: { x: null }, l: [1, 2, 3], z: null },
  { n: 1e-5, s: '\u{1f601}', l: ['x'], i: '0' },
];

let folder: string;
let engines: readonly [PolicyDecisionPoint, PolicyDecisionPoint];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-regressions-'));
  for (const [index, policy] of policies.entries())
    writeFileSync(join(folder, `p${String(index)}.json`), JSON.stringify(policy));

  mkdirSync(join(folder, '_schemas'));
  writeFileSync(join(folder, '_schemas', 'memo.json'), JSON.stringify({ type: 'object', required: ['title'] }));
  // Whole numbers are ints there, and names may be what is a boolean in YAML.
  const globals = { limit: 1, half: 0.5, deep: { limits: [3] }, on: 1, no: 'no' };
  const options = { policies: folder, globals };
  engines = await Promise.all([embedded(options), cerbosSidecar({ ...options, pollMs: 0 })]);
});
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  rmSync(folder, { recursive: true });
});

describe('what once differed', () => {
  it.each(kinds)('is decided alike: %s', async (kind) => {
    for (const attr of attributes)
      for (const scope of ['', 'a', 'a.b', 'c'])
        for (const role of ['member', 'helper']) {
          const asked = { kind, id: '1', tenant: tenantId('t'), attr };
          const request = {
            principal: { id: 'p', roles: [role], attr: {} },
            scope,
            questions: ['read', 'condition', 'none', 'write'].map((action) => ({ resource: asked, actions: [action] })),
          };
          expect(await differences(...engines, request)).toEqual([]);
        }
  });
});

describe('a case that a made-up question was shrunk to', () => {
  it.each(readdirSync(casesFolder))('is decided alike: %s', async (file) => {
    // Written by the tests that found it.
    const kept = JSON.parse(readFileSync(join(casesFolder, file), 'utf8')) as KeptCase;
    const engines = new CaseEngines();
    try {
      expect(await engines.differences(kept), kept.found).toEqual([]);
    } finally {
      await engines.close();
    }
  });
});

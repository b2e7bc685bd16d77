import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testPolicies, type PolicyTestReport } from '@portcullis/pdp/embedded';
import { testWithCerbos } from './cerbos-suites.js';
import { differencesBetween } from './compare-reports.js';
import { junitOf } from './junit.js';

const own = join(import.meta.dirname, '..', '..', 'policies');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-suites-'));
  write(
    'note.yaml',
    `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  schemas: { resourceSchema: { ref: "cerbos:///note.json" } }
  rules:
    - actions: [read]
      effect: EFFECT_ALLOW
      roles: [member]
      output: { when: { ruleActivated: '{"amount": R.attr.amount, "who": P.id}' } }
    - actions: [write]
      effect: EFFECT_ALLOW
      roles: [member]
      condition: { match: { expr: R.attr.amount > 10.0 } }
`,
  );
  write('note2.yaml', note('v2', '', 'admin'));
  write('acme.yaml', note('default', 'acme', 'admin', 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS'));
  write('_schemas/note.json', '{ "type": "object", "properties": { "amount": { "type": "number" } } }');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function note(version: string, scope: string, role: string, permissions = ''): string {
  return `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: ${version}
  scope: "${scope}"
  ${permissions === '' ? '' : `scopePermissions: ${permissions}`}
  rules: [{ actions: [read], effect: EFFECT_ALLOW, roles: [${role}] }]
`;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** A suite of one test, with fixtures. */
function suite(test: string, more = '', name = 'note'): void {
  write(
    `tests/${name}_test.yaml`,
    `name: notes
principals:
  alice: { id: alice, roles: [member, member2], attr: { age: 3 } }
  adam: { id: adam, roles: [admin], policyVersion: v2 }
  scoped: { id: anna, roles: [member, admin], scope: acme }
resources:
  mine: { kind: note, id: "1", attr: { amount: 11 } }
  small: { kind: note, id: "2", attr: { amount: 1 } }
  odd: { kind: note, id: "3", attr: { amount: x } }
  second: { kind: note, id: "4", policyVersion: v2 }
  scoped: { kind: note, id: "5", scope: acme }
  deep: { kind: note, id: "6", scope: acme.hr }
${more}tests:
${test}`,
  );
}

async function both(): Promise<PolicyTestReport> {
  const [ours, theirs] = await Promise.all([testPolicies({ policies: folder }), testWithCerbos(folder)]);
  expect(differencesBetween(ours, theirs)).toEqual([]);
  return ours;
}

const test = (input: string, expected: string, more = ''): string =>
  `  - name: a test\n    input: { ${input} }\n    expected:\n${expected
    .split('\n')
    .map((line) => `      - { ${line} }`)
    .join('\n')}\n${more}`;
const allow = 'actions: { read: EFFECT_ALLOW }';

describe('the suites of our own policies', () => {
  it('have the same verdict in this process and by Cerbos', async () => {
    const [ours, theirs] = await Promise.all([testPolicies({ policies: own }), testWithCerbos(own)]);
    expect(differencesBetween(ours, theirs)).toEqual([]);
    expect(ours.result).toBe('passed');
    expect(ours.counts.passed).toBeGreaterThan(1000);
  });
});

describe('a suite has the same verdict in this process and by Cerbos', () => {
  it('with a case for each principal, resource and action, denied unless it is said otherwise', async () => {
    suite(
      test(
        'principals: [alice, adam], resources: [mine, small], actions: [read, write]',
        `principal: alice, resource: mine, actions: { read: EFFECT_ALLOW, write: EFFECT_ALLOW }\nprincipal: alice, resource: small, ${allow}`,
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed', counts: { passed: 8, failed: 0 } });
  });

  it('that fails where something else was expected', async () => {
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read, write, other]',
        `principal: alice, resource: mine, actions: { read: EFFECT_DENY, other: EFFECT_ALLOW }`,
      ),
    );
    const { suites, ...report } = await both();
    expect(report).toMatchObject({ result: 'failed', counts: { failed: 3 } });
    expect(suites[0]?.cases.map(({ message }) => message)).toEqual([
      'expected deny',
      'expected deny',
      'expected allow',
    ]);
  });

  it.each([
    ['that are there', '{ amount: 11, who: alice }', 'passed'],
    ['with another value', '{ amount: 12, who: alice }', 'failed'],
    ['with a member more', '{ amount: 11, who: alice, more: 1 }', 'failed'],
  ])('with outputs %s', async (_name, value, result) => {
    const outputs = `outputs: [{ action: read, expected: [{ src: "resource.note.vdefault#rule-001", val: ${value} }] }]`;
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, ${allow}, ${outputs}`,
      ),
    );
    expect(await both()).toMatchObject({ result });
  });

  it('with an output that no rule gave', async () => {
    const outputs = 'outputs: [{ action: read, expected: [{ src: "resource.note.vdefault#rule-002", val: 1 }] }]';
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, ${allow}, ${outputs}`,
      ),
    );
    expect(await both()).toMatchObject({ result: 'failed' });
  });

  it('with groups, fixtures of the folder, and those of the suite before them', async () => {
    write(
      'tests/testdata/principals.yaml',
      'principals:\n  alice: { id: other, roles: [nobody] }\n  bob: { id: bob, roles: [member] }\nprincipalGroups:\n  people: { principals: [bob] }\n',
    );
    write('tests/testdata/resources.yml', 'resources:\n  far: { kind: note, id: "9", attr: { amount: 1 } }\n');
    suite(
      test(
        'principalGroups: [all], principals: [bob], resources: [far], resourceGroups: [notes], actions: [read]',
        `principalGroups: [all, people], resources: [far, mine], resourceGroups: [notes], ${allow}`,
      ),
      'principalGroups:\n  all: { principals: [alice, bob] }\nresourceGroups:\n  notes: { resources: [mine, small] }\n',
    );
    expect(await both()).toMatchObject({ result: 'passed', counts: { passed: 6 } });
  });

  it('with scopes: looked for exactly, or leniently', async () => {
    const lenient = '    options: { lenientScopeSearch: true }\n';
    const input = 'principals: [alice, scoped], resources: [scoped, deep], actions: [read]';
    suite(test(input, `principals: [alice, scoped], resource: scoped, ${allow}`));
    expect(await both()).toMatchObject({ result: 'passed' });
    suite(test(input, `principals: [alice, scoped], resources: [scoped, deep], ${allow}`, lenient));
    expect(await both()).toMatchObject({ result: 'passed' });
    suite(
      test(
        'principals: [scoped], resources: [mine, deep], actions: [read]',
        `principal: scoped, resources: [mine], ${allow}`,
        '    options: { defaultScope: acme }\n',
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed' });
  });

  it('with versions, and with attributes that break their schema', async () => {
    suite(
      test(
        'principals: [adam], resources: [second, odd, mine], actions: [read]',
        `principal: adam, resource: second, ${allow}`,
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed' });
    suite(
      test(
        'principals: [adam], resources: [mine], actions: [read]',
        `principal: adam, resource: mine, ${allow}`,
        '    options: { defaultPolicyVersion: v2 }\n',
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed' });
    suite(
      test(
        'principals: [alice], resources: [odd, mine], actions: [read]',
        `principal: alice, resource: mine, ${allow}`,
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed' });
  });

  it('with several expectations of the same, taken together', async () => {
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read, write]',
        `principal: alice, resource: mine, ${allow}\nprincipals: [alice], resource: mine, actions: { read: EFFECT_ALLOW, write: EFFECT_ALLOW }`,
      ),
    );
    expect(await both()).toMatchObject({ result: 'passed' });
  });

  it('with texts that are nearly numbers, without quotes', async () => {
    const texts = ['e-5000', 'E12', '-e1', '.', '2nd_line', '20260401_admin'];
    write(
      'note3.yaml',
      note('v3', '', 'member').replace(
        '[member] }',
        `[member], condition: { match: { expr: 'R.attr.texts == ${JSON.stringify(texts)} && R.attr.numbers == [3.0, -0.5]' } } }`,
      ),
    );
    suite(
      test('principals: [alice], resources: [line], actions: [read]', `principal: alice, resource: line, ${allow}`),
      `  line: { kind: note, id: e1, policyVersion: v3, attr: { texts: [${texts.join(', ')}], numbers: [3, -0.5] } }\n`,
    );
    expect(await both()).toMatchObject({ result: 'passed' });
  });

  it('with a time and globals of its own', async () => {
    write(
      'note3.yaml',
      note('v3', '', 'member').replace(
        '[member] }',
        `[member], condition: { match: { expr: 'now() == timestamp("2024-02-29T12:30:00.250Z") && G.limit / 2.0 == 0.5' } } }`,
      ),
    );
    const options = 'defaultPolicyVersion: v3, globals: { limit: 1 }';
    const input = 'principals: [alice], resources: [mine], actions: [read]';
    const expected = `principal: alice, resource: mine, ${allow}`;
    suite(test(input, expected, `    options: { ${options}, now: "2024-02-29T12:30:00.250Z" }\n`));
    expect(await both()).toMatchObject({ result: 'passed' });
    suite(test(input, expected, `    options: { ${options}, now: "2024-02-29T12:30:00.251Z" }\n`));
    expect(await both()).toMatchObject({ result: 'failed' });
    suite(test(input, expected, `    options: { ${options} }\n`));
    expect(await both()).toMatchObject({ result: 'errored' });
  });

  it('with tests, or as a whole, skipped', async () => {
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, actions: { read: EFFECT_DENY }`,
        '    skip: true\n    skipReason: not yet\n',
      ),
    );
    expect(await both()).toMatchObject({ result: 'skipped', counts: { skipped: 1 } });
    suite(
      test(
        'principals: [alice], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, actions: { read: EFFECT_DENY }`,
      ),
      'skip: true\n',
    );
    expect(await both()).toMatchObject({ result: 'skipped', counts: { skipped: 0 } });
  });

  const fine = test(
    'principals: [alice], resources: [mine], actions: [read]',
    `principal: alice, resource: mine, ${allow}`,
  );
  const wrong: readonly (readonly [string, string])[] = [
    [
      'an unknown principal',
      test('principals: [nobody], resources: [mine], actions: [read]', `principal: nobody, resource: mine, ${allow}`),
    ],
    [
      'an unknown group',
      test(
        'principalGroups: [nobody], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, ${allow}`,
      ),
    ],
    [
      'unknown auxiliary data',
      test(
        'principals: [alice], resources: [mine], actions: [read], auxData: none',
        `principal: alice, resource: mine, ${allow}`,
      ),
    ],
    [
      'an expectation of what is not in the input',
      test('principals: [alice], resources: [mine], actions: [read]', `principal: adam, resource: mine, ${allow}`),
    ],
    [
      'expectations that contradict each other',
      test(
        'principals: [alice], resources: [mine], actions: [read]',
        `principal: alice, resource: mine, ${allow}\nprincipals: [alice], resource: mine, actions: { read: EFFECT_DENY }`,
      ),
    ],
    ['two tests of one name', fine + fine],
    [
      'no expectation',
      '  - { name: a, input: { principals: [alice], resources: [mine], actions: [read] }, expected: [] }\n',
    ],
    ['an effect that is none', fine.replace('EFFECT_ALLOW', 'EFFECT_NO_MATCH')],
    ['a member that is unknown', `${fine}    options: { lenientScopesearch: true }\n`],
    ['no tests', ''],
  ];
  it('that is an error, and never passes, where there is something wrong with it', async () => {
    for (const [name, tests] of wrong) suite(tests, '', name.replaceAll(' ', '_'));
    const { suites, counts } = await both();
    expect(suites.map(({ result }) => result)).toEqual(wrong.map(() => 'errored'));
    expect(counts.passed).toBe(0);
  });
});

describe('the runner of this process', () => {
  const fine = test(
    'principals: [alice], resources: [mine], actions: [read]',
    `principal: alice, resource: mine, ${allow}`,
  );

  it.each(['no', 'on', 'y', '010', '1_000', '1:30'])(
    'asks for quotes around `%s`, which is another thing to Cerbos',
    async (text) => {
      suite(fine, `auxData: { a: { jwt: { x: ${text} } } }\n`);
      expect(await testPolicies({ policies: folder })).toMatchObject({
        result: 'errored',
        suites: [{ message: expect.stringMatching(/quotes/) as string }],
      });
    },
  );

  it.each([
    ['in another scope', 'alice', '    options: { lenientScopeSearch: true }\n', /different scopes/],
    ['in no policy of their scope', 'scoped', '', /without lenient search/],
  ])('refuses what it cannot ask: principals with policies of their own, %s', async (_name, who, options, message) => {
    const rules = '[{ resource: note, actions: [{ action: read, effect: EFFECT_DENY }] }]';
    for (const id of ['alice', 'anna'])
      write(
        `${id}.yaml`,
        `apiVersion: api.cerbos.dev/v1\nprincipalPolicy: { principal: ${id}, version: default, rules: ${rules} }\n`,
      );
    const input = `principals: [${who}], resources: [scoped], actions: [read]`;
    suite(test(input, `principal: ${who}, resource: scoped, ${allow}`, options));
    const { result, suites } = await testPolicies({ policies: folder });
    expect(result).toBe('errored');
    expect(suites[0]?.cases[0]?.message).toMatch(message);
  });

  it('refuses what it cannot ask: auxiliary data, where a policy reads it', async () => {
    const input = 'principals: [alice], resources: [mine], actions: [read], auxData: token';
    suite(test(input, `principal: alice, resource: mine, ${allow}`), 'auxData: { token: { jwt: { a: 1 } } }\n');
    expect(await testPolicies({ policies: folder })).toMatchObject({ result: 'passed' });
    write(
      'aux.yaml',
      note('v3', '', 'admin').replace(
        '[admin] }',
        '[admin], condition: { match: { expr: "has(request.aux_data.jwt.a)" } } }',
      ),
    );
    expect(await testPolicies({ policies: folder })).toMatchObject({ result: 'errored', counts: { errored: 1 } });
  });

  it('runs the tests that are asked for, and tells of them in JUnit’s form', async () => {
    suite(fine.replace('a test', 'a <test>') + fine);
    const report = await testPolicies({ policies: folder, run: /^notes\/a test$/ });
    expect(report).toMatchObject({ counts: { passed: 1, skipped: 1 } });
    expect(junitOf(report)).toMatch(/<testcase name="a &lt;test&gt;: read on mine by alice"[^>]*><skipped/);
  });

  it('tells where two reports differ', async () => {
    suite(fine);
    const report = await testPolicies({ policies: folder });
    const [only] = report.suites;
    const other = {
      ...report,
      engine: 'other',
      suites: [{ ...only!, cases: only!.cases.map((one) => ({ ...one, outputs: {} })) }],
    };
    expect(differencesBetween(report, other)).toEqual([expect.stringMatching(/read on mine by alice/)]);
    expect(differencesBetween(report, { ...report, engine: 'other', suites: [] })).toHaveLength(1);
    expect(differencesBetween(report, report)).toEqual([]);
  });
});

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { cerbosBinary } from '../cerbos/binary.js';
import { cerbosSidecar } from '../cerbos/sidecar.js';
import { lintPolicies, warningsOf } from './lint.js';
import { policyFiles, readPolicies } from './read.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-read-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}
const base = (rules: string, more = ''): string =>
  `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n${more}  rules:\n${rules}`;

describe('reading policies', () => {
  it('reads what the engine would load, and describes it', async () => {
    write(
      'note.yaml',
      base(
        '    - { actions: [read], effect: EFFECT_ALLOW, roles: [member], condition: { match: { expr: "true" } } }\n',
      ),
    );
    write(
      'deep/er/principal.yml',
      'apiVersion: api.cerbos.dev/v1\nprincipalPolicy:\n  principal: p\n  version: default\n  rules: [{ resource: note, actions: [{ action: "*", effect: EFFECT_DENY }] }]\n',
    );
    write(
      'two.yaml',
      `${base('    - { actions: ["*"], effect: EFFECT_DENY, roles: ["*"] }\n', '  scope: acme\n  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS\n')}---\napiVersion: api.cerbos.dev/v1\nrolePolicy: { role: helper, scope: acme, rules: [{ resource: note, allowActions: [read] }] }\n`,
    );
    write('off.yaml', `disabled: true\n${base('    []\n')}`);
    write('note_test.yaml', 'name: x\ntests: []\n');
    write('testdata/principals.yaml', 'principals: {}\n');
    write('_schemas/note.json', '{}');
    write('.hidden/policy.yaml', 'nonsense: [');
    write('README.md', '# no policy');
    expect(await policyFiles(folder)).toEqual(['deep/er/principal.yml', 'note.yaml', 'off.yaml', 'two.yaml']);
    expect(await readPolicies(folder)).toMatchObject([
      { file: 'deep/er/principal.yml', kind: 'principal', name: 'p', rules: [{ actions: ['*'], effect: 'deny' }] },
      {
        file: 'note.yaml',
        kind: 'resource',
        name: 'note',
        scope: '',
        requiresParentalConsent: false,
        rules: [{ actions: ['read'], effect: 'allow', roles: ['member'], condition: '{"match":{"expr":"true"}}' }],
      },
      {
        file: 'two.yaml',
        kind: 'resource',
        scope: 'acme',
        requiresParentalConsent: true,
        rules: [{ effect: 'deny', roles: ['*'] }],
      },
      { file: 'two.yaml', kind: 'role', name: 'helper', rules: [{ actions: ['read'], effect: 'allow' }] },
    ]);
  });

  it.each([
    ['is no YAML', 'a: [', /^note\.yaml: /],
    ['has a member twice', 'apiVersion: a\napiVersion: b\n', /^note\.yaml: .*unique/],
    ['has no apiVersion', 'resourcePolicy: { resource: note }\n', /^note\.yaml: /],
    ['has rules that are no list', base('    read: x\n'), /^note\.yaml: /],
    ['is a text', 'just text\n', /^note\.yaml: /],
  ])('names the file that %s', async (_name, text, message) => {
    write('note.yaml', text);
    await expect(readPolicies(folder)).rejects.toMatchObject({
      code: 'policies_invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('reads by their names the files that Cerbos reads', async () => {
    const names = [
      ...[
        'a.YAML',
        'b.Yml',
        'c.Json',
        '_Schemas/d.json',
        'TestData/e.yaml',
        'testdata.json',
        'test.yaml',
        'f.test.yaml',
      ],
      ...[
        'g_TEST.yaml',
        'h_test.YML',
        '_schemas/i.YAML',
        'testdata/j.JSON',
        '.hidden/k.yaml',
        'l.yaml.txt',
        'm/.n.yaml',
      ],
      ...['_schemas/o/_schemas/p.json', 'testdata/_schemas/q.yaml', 'r/_schemas'],
    ];
    write('note.yaml', base('    - { actions: [read], effect: EFFECT_ALLOW, roles: [member] }\n'));
    for (const [position, name] of names.entries())
      write(
        name,
        `{"apiVersion":"api.cerbos.dev/v1","principalPolicy":{"principal":"p${String(position)}","version":"default","rules":[{"resource":"note","actions":[{"action":"*","effect":"EFFECT_DENY"}]}]}}`,
      );
    const pdp = await cerbosSidecar({ policies: folder, pollMs: 0 });
    const read: string[] = [];
    for (const [position, name] of names.entries()) {
      const [[decision] = []] = await pdp.check({
        principal: { id: `p${String(position)}`, roles: ['member'], attr: {} },
        scope: '',
        questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('t') }, actions: ['read'] }],
      });
      if (decision?.effect === 'deny') read.push(name);
    }
    await pdp.close();
    expect(read).toHaveLength(8);
    expect(await policyFiles(folder)).toEqual([...read, 'note.yaml'].sort());
  });

  it('refuses schemas elsewhere than at the root, as Cerbos does', async () => {
    write('note.yaml', base('    - { actions: [read], effect: EFFECT_ALLOW, roles: [member] }\n'));
    write('a/_schemas/note.json', '{}');
    const { status, stdout } = spawnSync(cerbosBinary(), ['compile', '--skip-tests', folder], { encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stdout).toContain('_schemas directory must be under the root');
    await expect(policyFiles(folder)).rejects.toMatchObject({
      code: 'policies_invalid',
      message: expect.stringContaining('a/_schemas/note.json') as string,
    });
  });

  it('says when there is no such folder', async () => {
    await expect(readPolicies(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'policies_invalid' });
  });
});

describe('the lint', () => {
  const findings = async (text: string) => {
    write('note.yaml', text);
    return lintPolicies(await readPolicies(folder)).map(({ severity, rule }) => `${severity} ${rule}`);
  };
  const allow = '    - { actions: [read], effect: EFFECT_ALLOW, roles: [member] }\n';
  const deny = (expr: string): string =>
    `    - { actions: [read], effect: EFFECT_DENY, roles: ["*"], condition: { match: { expr: '${expr}' } } }\n`;

  it('finds a scoped policy that could widen its parent', async () => {
    expect(await findings(base(allow))).toEqual([]);
    expect(await findings(base(allow, '  scope: acme\n'))).toEqual(['error scope_may_widen']);
    expect(
      await findings(base(allow, '  scope: acme\n  scopePermissions: SCOPE_PERMISSIONS_OVERRIDE_PARENT\n')),
    ).toEqual(['error scope_may_widen']);
    expect(
      await findings(
        base(allow, '  scope: acme\n  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS\n'),
      ),
    ).toEqual([]);
  });

  it('lets a scope that could widen pass where it may, and tells warnings alone', async () => {
    write('note.yaml', base(allow + deny('R.attr.status == "closed"'), '  scope: acme\n'));
    const policies = await readPolicies(folder);
    expect(() => warningsOf(policies, false)).toThrow(/^note\.yaml: .*can widen its parent/);
    expect(warningsOf(policies, true).map(({ rule }) => rule)).toEqual(['deny_may_err']);
  });

  it('finds a deny rule that errs, and so does not deny, where an attribute is missing', async () => {
    expect(await findings(base(deny('R.attr.status == "closed"')))).toEqual(['warning deny_may_err']);
    expect(await findings(base(deny('request.resource.attr.status == "closed"')))).toEqual(['warning deny_may_err']);
    expect(await findings(base(deny('has(R.attr.status) && R.attr.status == "closed"')))).toEqual([]);
    expect(await findings(base(deny('R.attr.tenant != P.attr.tenant')))).toEqual([]);
    expect(await findings(base(allow))).toEqual([]);
  });

  it.each([
    ['has no rules', '[]', 'role_without_rules'],
    [
      'has conditions on all kinds and on one',
      '[{ resource: "*", allowActions: [read], condition: { match: { expr: "R.attr.x" } } }, { resource: note, allowActions: [read], condition: { match: { expr: "R.attr.y" } } }]',
      'role_conditions_mix',
    ],
    [
      'has conditions on one kind alone',
      '[{ resource: note, allowActions: [read], condition: { match: { expr: "R.attr.y" } } }, { resource: "*", allowActions: [list] }]',
      undefined,
    ],
  ])('says of a role policy that it %s', async (_name, rules, rule) => {
    write(
      'role.yaml',
      `apiVersion: api.cerbos.dev/v1\nrolePolicy: { role: helper, scope: acme, parentRoles: [member], rules: ${rules} }\n`,
    );
    const policies = await readPolicies(folder);
    expect(lintPolicies(policies).map((finding) => finding.rule)).toEqual(rule === undefined ? [] : [rule]);
    // That has nothing to do with scopes that widen.
    const refused = expect.objectContaining({ code: 'policies_invalid' }) as Error;
    if (rule !== undefined) expect(() => warningsOf(policies, true)).toThrow(refused);
    else expect(warningsOf(policies, false)).toEqual([]);
  });

  it('finds a scope in which attributes of a kind are not validated, until it has a policy for the kind', async () => {
    const rules = async (): Promise<readonly string[]> =>
      lintPolicies(await readPolicies(folder)).map(({ rule, file }) => `${rule} ${file}`);
    const consent = '  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS\n';
    const scoped = (kind: string, version = 'default'): string =>
      base('    []\n', `  scope: acme\n${consent}`)
        .replace('resource: note', `resource: ${kind}`)
        .replace('version: default', `version: ${version}`);
    const schemas = '  schemas: { resourceSchema: { ref: "cerbos:///note.json" } }\n';
    write('note.yaml', base(allow, schemas));
    write('memo.yaml', base(allow).replace('resource: note', 'resource: memo'));
    expect(await rules()).toEqual([]);
    write('acme.yaml', scoped('memo'));
    expect(await rules()).toEqual(['scope_without_schema note.yaml']);
    write('acme2.yaml', scoped('note', 'v2'));
    expect(await rules()).toEqual(['scope_without_schema note.yaml']);
    write('acme3.yaml', scoped('note'));
    expect(await rules()).toEqual([]);
    write('note.yaml', base(allow, '  schemas: {}\n'));
    rmSync(join(folder, 'acme3.yaml'));
    expect(await rules()).toEqual([]);
  });

  it('finds a scope with nothing but a role policy, too', async () => {
    write('note.yaml', base(allow, '  schemas: { principalSchema: { ref: "cerbos:///p.json" } }\n'));
    write(
      'role.yaml',
      'apiVersion: api.cerbos.dev/v1\nrolePolicy: { role: helper, scope: acme, rules: [{ resource: note, allowActions: [read] }] }\n',
    );
    const findings = lintPolicies(await readPolicies(folder));
    expect(findings.map(({ severity, rule }) => `${severity} ${rule}`)).toEqual(['warning scope_without_schema']);
  });
});

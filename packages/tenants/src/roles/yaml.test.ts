import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type TenantRole } from '@portcullis/core';
import { rolesFromYaml, rolesToYaml } from './yaml.js';

const acme = tenantId('acme');
const reviewer: TenantRole = {
  tenantId: acme,
  roleId: 'reviewer',
  name: 'Reviewer of “public” texts',
  parentRoles: ['member'],
  permissions: [
    { resource: 'mcp_server', action: '*' },
    {
      resource: 'document',
      action: 'read',
      conditions: { classification: { ne: 'secret' }, author: '" || true || "' },
    },
    { resource: 'document', action: 'read', conditions: { amount: { lte: 1000 } } },
    { resource: 'ticket', action: 'list' },
    { resource: 'ticket', action: 'comment' },
  ],
  version: 7,
};

const text = `# portcullis role policy: role reviewer of tenant acme
# "Reviewer of \\u201Cpublic\\u201D texts": narrows member. What is not listed is denied; base policies still apply.
apiVersion: api.cerbos.dev/v1
metadata:
  annotations:
    name: "Reviewer of \\u201Cpublic\\u201D texts"
    version: "7"
rolePolicy:
  role: "reviewer"
  version: "default"
  scope: "acme"
  parentRoles:
    - "member"
  rules:
    - resource: "mcp_server"
      allowActions:
        - "*"
    - resource: "document"
      allowActions:
        - "read"
      condition:
        match:
          any:
            of:
              - all:
                  of:
                    - expr: 'has(R.attr.author) && R.attr.author == "\\u0022 || true || \\u0022"'
                    - expr: 'has(R.attr.classification) && R.attr.classification != "secret"'
              - all:
                  of:
                    - expr: 'has(R.attr.amount) && R.attr.amount <= 1000.0'
    - resource: "ticket"
      allowActions:
        - "list"
        - "comment"
`;
const path = 'tenants/acme/roles/reviewer.yaml';

function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code !== 'role_invalid') throw error;
    return error.message;
  }
}

describe('roles as YAML', () => {
  it('read as a reviewer would write them', () => {
    expect(rolesToYaml(acme, [reviewer])).toEqual([{ path, text }]);
    expect(rolesFromYaml([{ path, text }])).toEqual([reviewer]);
  });

  it('say of a role that may do nothing that it may do nothing, since a policy without rules gives all', () => {
    const idle = { ...reviewer, permissions: [] };
    const [file] = rolesToYaml(acme, [idle]);
    expect(file?.text).toContain("expr: 'false'");
    expect(rolesFromYaml([file!])).toEqual([idle]);
  });

  it('carry the edits of people, if a role can have them', () => {
    const edited = text.replace('- "comment"', '- "comment"\n        - "close" # since May').replace('1000.0', '500.0');
    expect(rolesFromYaml([{ path, text: edited }])[0]?.permissions).toEqual([
      ...reviewer.permissions.slice(0, 2),
      { resource: 'document', action: 'read', conditions: { amount: { lte: 500 } } },
      ...reviewer.permissions.slice(3),
      { resource: 'ticket', action: 'close' },
    ]);
  });

  it.each<readonly [string, string, string]>([
    ['another expression', `R.attr.amount <= 1000.0`, `R.attr.amount <= 1000.0 || true`],
    ['an expression of another attribute', `has(R.attr.amount) &&`, `has(R.attr.other) &&`],
    ['an expression of the principal', `R.attr.amount <= 1000.0`, `P.attr.amount <= 1000.0`],
    ['a condition that is never met beside others', `has(R.attr.amount) && R.attr.amount <= 1000.0`, 'false'],
    ['another scope', 'scope: "acme"', 'scope: "globex"'],
    ['no scope', 'scope: "acme"', 'scope: ""'],
    ['a parent scope', 'scope: "acme"', 'scope: "."'],
    ['another role', 'role: "reviewer"', 'role: "owner"'],
    ['a member that no role has', 'rolePolicy:', 'disabled: true\nrolePolicy:'],
    ['a policy beside it', 'rolePolicy:', 'resourcePolicy: {}\nrolePolicy:'],
    ['variables', '  rules:', '  variables: {}\n  rules:'],
    ['no rules', text.slice(text.indexOf('  rules:')), '  rules: []\n'],
    ['a rule for no action', '        - "list"\n        - "comment"', '        []'],
    ['a key twice', '  scope: "acme"', '  scope: "acme"\n  scope: "acme"'],
    ['an alias', '        - "list"\n', '        - &a "list"\n        - *a\n'],
    ['another document', 'apiVersion', '---\nx: 1\n---\napiVersion'],
    ['no YAML', 'apiVersion:', '{'],
    ['a version that is none', 'version: "7"', 'version: "-7"'],
    ['another policy version than is asked for', 'version: "default"', 'version: "next"'],
  ])('are refused as a whole with %s', (_name, before, after) => {
    expect(text).toContain(before);
    expect(refusal(() => rolesFromYaml([{ path, text: text.replace(before, after) }]))).not.toBe('accepted');
  });

  it('are refused in another tenant’s folder, under another name, and outside of the folders of roles', () => {
    for (const elsewhere of [
      'tenants/globex/roles/reviewer.yaml',
      'tenants/acme/roles/other.yaml',
      'resources/reviewer.yaml',
    ])
      expect(refusal(() => rolesFromYaml([{ path: elsewhere, text }]))).not.toBe('accepted');
  });

  it('are not written for another tenant, nor where the engine would not look', () => {
    expect(refusal(() => rolesToYaml(tenantId('globex'), [reviewer]))).not.toBe('accepted');
    const testdata = tenantId('testdata');
    expect(refusal(() => rolesToYaml(testdata, [{ ...reviewer, tenantId: testdata }]))).not.toBe('accepted');
  });
});

import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { isTenantId, type AttributeValue, type RolePermission, type TenantId, type TenantRole } from '@portcullis/core';
import { conditionText, parseConditionText } from './cel.js';
import { conditionValue, readCondition } from './condition.js';
import { quoted } from './quoted.js';
import { parseRole, requireSoundRoles, roleInvalid, type RoleRules } from './role.js';

/** A file of policies. */
export interface RoleFile {
  /** The path below the policy folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** How roles become policies. */
export interface RolePolicyOptions extends RoleRules {
  /** The policy version that the PDP is asked for. @defaultValue `default` */
  readonly policyVersion?: string | undefined;
}

/** Permissions that differ in their action alone: one rule of the policy. */
interface Group {
  readonly resource: string;
  readonly actions: string[];
  /** What has to hold: one of them. An empty list is no condition. */
  readonly alternatives: readonly Readonly<Record<string, AttributeValue>>[];
}

const path = /^tenants\/([^/]+)\/roles\/([^/]+)\.yaml$/;

/** Where the policy of a role is, below the policy folder. */
function rolePath(tenant: TenantId, roleId: string): string {
  return `tenants/${tenant}/roles/${roleId}.yaml`;
}

/** The tenant and the role that a path is for; `undefined` for another file. */
export function readRolePath(file: string): { readonly tenantId: TenantId; readonly roleId: string } | undefined {
  const [, tenantId, roleId] = path.exec(file) ?? [];
  return isTenantId(tenantId) && roleId !== undefined ? { tenantId, roleId } : undefined;
}

/** The first line of a file that `rolesToYaml` wrote. Files without it are somebody else’s. */
export function headerOf(tenant: TenantId, roleId: string): string {
  return `# portcullis role policy: role ${roleId} of tenant ${tenant}`;
}

/**
 * Writes a tenant's own roles as Cerbos role policies in that tenant's scope, one file a role, ordered by path.
 *
 * The engine lets a role do what its parent roles may do *and* its own policy lists; what is not listed is denied. So
 * no role of a tenant's own can do what the base policy does not give to its parents.
 *
 * @param roles - all of the tenant's, so that parents can be followed
 * @throws PortcullisError `role_invalid`
 * @see https://docs.cerbos.dev/cerbos/latest/policies/role_policies
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { rolesToYaml } from '@portcullis/tenants/roles';
 *
 * const acme = tenantId('acme');
 * const [file] = rolesToYaml(acme, [
 *   {
 *     tenantId: acme,
 *     roleId: 'reviewer',
 *     name: 'Reviewer',
 *     parentRoles: ['member'],
 *     permissions: [{ resource: 'document', action: 'read', conditions: { classification: { ne: 'secret' } } }],
 *     version: 1,
 *   },
 * ]);
 * console.log(file?.path); // prints: tenants/acme/roles/reviewer.yaml
 * ```
 */
export function rolesToYaml(
  tenant: TenantId,
  roles: readonly TenantRole[],
  options: RolePolicyOptions = {},
): readonly RoleFile[] {
  const { policyVersion = 'default' } = options;
  if (!/^\w{1,100}$/.test(policyVersion)) throw new TypeError('a policy version is letters, digits and `_`');
  // The engine takes no policies from folders of this name.
  if (tenant === 'testdata') throw roleInvalid('tenantId', 'the engine reads no policies of a tenant `testdata`');
  const parsed = roles.map((role) => {
    if (role.tenantId !== tenant) throw roleInvalid('tenantId', `role \`${role.roleId}\` is another tenant’s`);
    return parseRole(role, options);
  });
  requireSoundRoles(parsed);
  return parsed
    .map((role) => ({ path: rolePath(tenant, role.roleId), text: textOf(role, policyVersion) }))
    .sort((one, other) => (one.path < other.path ? -1 : 1));
}

function textOf(role: TenantRole, policyVersion: string): string {
  const rules = groupsOf(role.permissions).flatMap(({ resource, actions, alternatives }) => [
    `    - resource: ${quoted(resource)}`,
    '      allowActions:',
    ...actions.map((action) => `        - ${quoted(action)}`),
    ...conditionLines(alternatives),
  ]);
  const parents = role.parentRoles.join(', ');
  return [
    headerOf(role.tenantId, role.roleId),
    `# ${quoted(role.name)}: narrows ${parents}. What is not listed is denied; base policies still apply.`,
    'apiVersion: api.cerbos.dev/v1',
    'metadata:',
    '  annotations:',
    `    name: ${quoted(role.name)}`,
    `    version: ${quoted(String(role.version))}`,
    'rolePolicy:',
    `  role: ${quoted(role.roleId)}`,
    `  version: ${quoted(policyVersion)}`,
    `  scope: ${quoted(role.tenantId)}`,
    '  parentRoles:',
    ...role.parentRoles.map((parent) => `    - ${quoted(parent)}`),
    '  rules:',
    ...(rules.length === 0 ? nothing : rules),
    '',
  ].join('\n');
}

/**
 * The rule of a role that may do nothing. To the engine, a role policy without any rule is none: the role would have
 * all that its parents have.
 */
const nothing: readonly string[] = [
  '    - resource: "*"',
  '      allowActions:',
  '        - "*"',
  '      condition:',
  '        match:',
  "          expr: 'false'",
];

/** `any` of the alternatives, each of which is `all` of its conditions. */
function conditionLines(alternatives: Group['alternatives']): readonly string[] {
  if (alternatives.length === 0) return [];
  return [
    '      condition:',
    '        match:',
    '          any:',
    '            of:',
    ...alternatives.flatMap((conditions) => [
      '              - all:',
      '                  of:',
      ...Object.entries(conditions).map(([attribute, expected]) => {
        const condition = readCondition(attribute, expected);
        if (typeof condition === 'string') throw roleInvalid('permissions', condition);
        return `                    - expr: '${conditionText(condition)}'`;
      }),
    ]),
  ];
}

/** Permissions in groups that can be one rule. In this order, and with each group's actions in theirs, nothing is lost. */
function groupsOf(permissions: readonly RolePermission[]): readonly Group[] {
  const byPattern: { resource: string; action: string; alternatives: Group['alternatives'] }[] = [];
  for (const { resource, action, conditions } of permissions) {
    const last = byPattern.at(-1);
    if (last?.resource === resource && last.action === action && conditions !== undefined)
      last.alternatives = [...last.alternatives, conditions];
    else byPattern.push({ resource, action, alternatives: conditions === undefined ? [] : [conditions] });
  }
  const groups: Group[] = [];
  for (const { resource, action, alternatives } of byPattern) {
    const last = groups.at(-1);
    if (last?.resource === resource && JSON.stringify(last.alternatives) === JSON.stringify(alternatives))
      last.actions.push(action);
    else groups.push({ resource, actions: [action], alternatives });
  }
  return groups;
}

const expressions = z.strictObject({
  all: z.strictObject({ of: z.array(z.strictObject({ expr: z.string() })).min(1) }),
});
const alternatives = z.strictObject({ any: z.strictObject({ of: z.array(expressions).min(1) }) });
const never = z.strictObject({ expr: z.literal('false') });
const document = z.strictObject({
  apiVersion: z.literal('api.cerbos.dev/v1'),
  metadata: z.strictObject({
    annotations: z.strictObject({ name: z.string(), version: z.string().regex(/^[1-9]\d{0,15}$/) }),
  }),
  rolePolicy: z.strictObject({
    role: z.string(),
    version: z.string(),
    scope: z.string(),
    parentRoles: z.array(z.string()),
    rules: z.array(
      z.strictObject({
        resource: z.string(),
        allowActions: z.array(z.string()).min(1),
        condition: z.strictObject({ match: z.union([alternatives, never]) }).optional(),
      }),
    ),
  }),
});

/**
 * Reads roles from files that `rolesToYaml` wrote, edits by people included.
 *
 * A file that says anything that a role cannot say is refused as a whole: an expression of another form, a condition on
 * the policy, a scope that is not its folder's.
 *
 * @throws PortcullisError `role_invalid`, which names the file
 */
export function rolesFromYaml(files: readonly RoleFile[], options: RolePolicyOptions = {}): readonly TenantRole[] {
  const roles = files.map((file) => roleOf(file, options));
  for (const tenant of new Set(roles.map(({ tenantId }) => tenantId)))
    requireSoundRoles(roles.filter(({ tenantId }) => tenantId === tenant));
  return roles;
}

function roleOf({ path: file, text }: RoleFile, options: RolePolicyOptions): TenantRole {
  const refuse = (problem: string): Error => roleInvalid('', `${file}: ${problem}`);
  const parsed = parseDocument(text, { uniqueKeys: true, strict: true });
  const [error] = [...parsed.errors, ...parsed.warnings];
  if (error !== undefined) throw refuse(error.message.split('\n')[0] ?? 'is not YAML');
  let content: unknown;
  try {
    content = parsed.toJS({ maxAliasCount: 0 });
  } catch {
    throw refuse('has aliases');
  }
  const result = document.safeParse(content);
  if (!result.success) throw refuse(z.prettifyError(result.error).replaceAll('\n', ' '));
  const { metadata, rolePolicy } = result.data;
  const permissions = rolePolicy.rules.flatMap(({ resource, allowActions, condition }) =>
    allowActions.flatMap((action): readonly unknown[] =>
      condition === undefined
        ? [{ resource, action }]
        : 'expr' in condition.match
          ? []
          : condition.match.any.of.map(({ all }) => ({
              resource,
              action,
              conditions: conditionsOf(
                all.of.map(({ expr }) => expr),
                refuse,
              ),
            })),
    ),
  );
  const role = parseRole(
    {
      tenantId: rolePolicy.scope,
      roleId: rolePolicy.role,
      name: metadata.annotations.name,
      parentRoles: rolePolicy.parentRoles,
      permissions,
      version: Number(metadata.annotations.version),
    },
    options,
  );
  if (rolePath(role.tenantId, role.roleId) !== file) throw refuse('is not the file of its role');
  // Whatever this reader may have missed: the role, written again, has to say the same.
  const again: unknown = parseDocument(textOf(role, options.policyVersion ?? 'default')).toJS();
  if (!isDeepStrictEqual(again, content)) throw refuse('is not written as roles are written');
  return role;
}

function conditionsOf(
  texts: readonly string[],
  refuse: (problem: string) => Error,
): Readonly<Record<string, AttributeValue>> {
  const conditions = new Map<string, AttributeValue>();
  for (const text of texts) {
    const condition = parseConditionText(text);
    if (condition === undefined) throw refuse(`an expression that no role can have: \`${text.slice(0, 200)}\``);
    if (conditions.has(condition.attribute)) throw refuse(`two conditions on \`${condition.attribute}\``);
    conditions.set(condition.attribute, conditionValue(condition));
  }
  return Object.fromEntries(conditions);
}

// One set of permissions in the words of each engine: tools, four roles, and a condition on every third tool.
import { tenantId } from '@portcullis/core';
import { rbacModel } from '@portcullis/pdp/casbin';

export const roles = ['viewer', 'editor', 'admin', 'owner'];
export const action = 'call';
const tenant = tenantId('acme');

export const toolNames = (count) => Array.from({ length: count }, (_none, at) => `tool_${String(at).padStart(2, '0')}`);

/** Who may call a tool: every third from the viewer up, from the editor up, from the admin up; its owner, of the last. */
const rolesOf = (at) => roles.slice(at % 3);
const isOwned = (at) => at % 3 === 2;

export const userOf = (role) => `${role}@acme`;

/** The 2,000 requests, always the same: a tool, a role, and whose the thing is. */
export function requests(names, count = 2000) {
  let state = 42;
  const random = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, () => {
    const role = roles[random(roles.length)];
    const at = random(names.length);
    return { at, tool: names[at], role, user: userOf(role), owner: random(2) === 0 ? userOf(role) : 'somebody@acme' };
  });
}

/** What a person would write by hand. */
export const byHand = ({ at, role, user, owner }, { withoutOwners = false } = {}) =>
  rolesOf(at).includes(role) || (!withoutOwners && isOwned(at) && role === 'editor' && owner === user);

/** The question as our engines are asked it, and Cerbos through our client. */
export const toCheck = ({ tool, role, user, owner }, scope = 'acme') => ({
  principal: {
    id: user,
    roles: [role],
    attr: { tenant: 'acme', plan: 'pro', scopes: ['tools'], kind: 'user', groups_known: false },
  },
  scope,
  questions: [{ resource: { kind: tool, id: 'thing', tenant, attr: { owner } }, actions: [action] }],
});

/** The question as @cerbos/grpc is asked it. */
export const toCerbos = ({ tool, role, user, owner }) => ({
  principal: {
    id: user,
    roles: [role],
    attr: { tenant: 'acme', plan: 'pro', scopes: ['tools'], kind: 'user', groups_known: false },
    scope: 'acme',
    policyVersion: 'default',
  },
  resources: [
    {
      resource: { kind: tool, id: 'thing', attr: { tenant: 'acme', owner }, scope: 'acme', policyVersion: 'default' },
      actions: [action],
    },
  ],
});

const rule = (of, condition) =>
  `    - { actions: ["${action}"], effect: EFFECT_ALLOW, roles: [${of.join(', ')}]${condition} }`;

/** A Cerbos policy for each tool. */
export const cerbosPolicies = (names) =>
  names.map((name, at) => [
    `${name}.yaml`,
    [
      'apiVersion: api.cerbos.dev/v1',
      'resourcePolicy:',
      `  resource: ${name}`,
      '  version: default',
      '  rules:',
      rule(rolesOf(at), ''),
      ...(isOwned(at) ? [rule(['editor'], ', condition: { match: { expr: "R.attr.owner == P.id" } }')] : []),
      '',
    ].join('\n'),
  ]);

/** A scope for each tenant, which takes the first tool from the viewers. */
export const scopedPolicies = (names, tenants) =>
  tenants.map((scope) => [
    `${scope}-${names[0]}.yaml`,
    [
      'apiVersion: api.cerbos.dev/v1',
      'resourcePolicy:',
      `  resource: ${names[0]}`,
      '  version: default',
      `  scope: ${scope}`,
      '  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS',
      '  rules:',
      `    - { actions: ["${action}"], effect: EFFECT_DENY, roles: [viewer] }`,
      '',
    ].join('\n'),
  ]);

export const casbinModel = `
[request_definition]
r = sub, obj, act
[policy_definition]
p = role, kind, act, own
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub.role == p.role && r.obj.kind == p.kind && r.act == p.act && (p.own == "no" || r.obj.owner == r.sub.id)
`;

export const casbinLines = (names) =>
  names.flatMap((name, at) => [
    ...rolesOf(at).map((role) => [role, name, action, 'no']),
    ...(isOwned(at) ? [['editor', name, action, 'yes']] : []),
  ]);

export const toCasbin = ({ tool, role, user, owner }) => [{ role, id: user }, { kind: tool, owner }, action];

export const cedarPolicies = (names) =>
  names
    .flatMap((name, at) => [
      ...rolesOf(at).map(
        (role) => `permit(principal in Role::"${role}", action == Action::"${action}", resource == Tool::"${name}");`,
      ),
      ...(isOwned(at)
        ? [
            `permit(principal in Role::"editor", action == Action::"${action}", resource == Tool::"${name}") when { context.owner == context.user };`,
          ]
        : []),
    ])
    .join('\n');

export const toCedar =
  (preparsedPolicySetId) =>
  ({ tool, role, user, owner }) => ({
    preparsedPolicySetId,
    principal: { type: 'User', id: user },
    action: { type: 'Action', id: action },
    resource: { type: 'Tool', id: tool },
    context: { owner, user },
    entities: [
      { uid: { type: 'User', id: user }, attrs: {}, parents: [{ type: 'Role', id: role }] },
      { uid: { type: 'Role', id: role }, attrs: {}, parents: [] },
    ],
  });

/** The rules of one user's ability. */
export const caslRules = (names, role) =>
  names.flatMap((name, at) => [
    ...(rolesOf(at).includes(role) ? [{ action, subject: name }] : []),
    ...(isOwned(at) && role === 'editor' ? [{ action, subject: name, conditions: { owner: userOf(role) } }] : []),
  ]);

/** Roles alone, as casbin's usual model has them: without the condition on owners. */
export const casbinRbacModel = rbacModel;

export const casbinRbacLines = (names) =>
  names.flatMap((name, at) =>
    rolesOf(at).map((role) => ({ ptype: 'p', values: [role, 'acme', name, action, 'allow'] })),
  );

/** A policy for each tool from its parts: what stands before the rules, and the rule. */
const policies = (names, { before = [], rule: text = rule(roles, '') }) =>
  names.map((name) => [
    `${name}.yaml`,
    [
      'apiVersion: api.cerbos.dev/v1',
      'resourcePolicy:',
      `  resource: ${name}`,
      '  version: default',
      ...before,
      '  rules:',
      text,
      '',
    ].join('\n'),
  ]);
const onCondition = (expr) => rule(roles, `, condition: { match: { expr: '${expr}' } }`);
const schema = (properties) => JSON.stringify({ type: 'object', properties, required: Object.keys(properties) });
const text = { type: 'string' };

/** The same permission for all, said with more and more of the language. */
export const variations = (names) => [
  ['a role', policies(names, {})],
  ['a condition: R.attr.owner == P.id', policies(names, { rule: onCondition('R.attr.owner == P.id') })],
  [
    'a condition of two: … && R.attr.tenant == P.attr.tenant',
    policies(names, { rule: onCondition('R.attr.owner == P.id && R.attr.tenant == P.attr.tenant') }),
  ],
  [
    'a variable',
    policies(names, {
      before: ['  variables: { local: { mine: R.attr.owner == P.id } }'],
      rule: onCondition('V.mine'),
    }),
  ],
  [
    'a derived role',
    [
      ...policies(names, {
        before: ['  importDerivedRoles: [common]'],
        rule: `    - { actions: ["${action}"], effect: EFFECT_ALLOW, derivedRoles: [owner_of] }`,
      }),
      [
        'common.yaml',
        `apiVersion: api.cerbos.dev/v1\nderivedRoles:\n  name: common\n  definitions:\n    - { name: owner_of, parentRoles: ["*"], condition: { match: { expr: R.attr.owner == P.id } } }\n`,
      ],
    ],
  ],
  [
    'an output',
    policies(names, {
      rule: `    - { actions: ["${action}"], effect: EFFECT_ALLOW, roles: ["*"], output: { when: { ruleActivated: P.id } } }`,
    }),
  ],
  [
    "the tenant's scope as well",
    [...policies(names, {}), ...names.flatMap((name) => scopedPolicies([name], ['acme']))],
  ],
  [
    'schemas for principal and resource',
    [
      ...policies(names, {
        before: [
          '  schemas: { principalSchema: { ref: "cerbos:///principal.json" }, resourceSchema: { ref: "cerbos:///thing.json" } }',
        ],
      }),
      [
        '_schemas/principal.json',
        schema({ tenant: text, plan: { enum: ['free', 'pro'] }, scopes: { type: 'array', items: text }, kind: text }),
      ],
      ['_schemas/thing.json', schema({ tenant: text, owner: text })],
    ],
  ],
];

import fc from 'fast-check';
import {
  builtInRoles,
  type AttributeValue,
  type RolePermission,
  type TenantId,
  type TenantRole,
} from '@portcullis/core';
import { parseRole } from '@portcullis/tenants/roles';

/** Texts that would end a literal, a line, a comment or a document, if anything could. */
const hostileTexts = [
  '" || true || "',
  '") || true || has(R.attr.x',
  "' || true || '",
  '\\" || true || \\"',
  '\\u0022 || true',
  'x"\n  rules:\n    - resource: "*"',
  '# comment\n---\n',
  '*anchor &alias !!js/function',
  '\u202E\u2066drawkcab\u2069',
  '\u2028\u2029\u0085\uFEFF',
  '${R.attr.x} {{x}} %s',
  'Ünïcode 😀 中文 עברית',
  'true',
  '1.0',
  'null',
  '',
  ' ',
];

const text = fc.oneof(fc.constantFrom(...hostileTexts), fc.string({ maxLength: 20, unit: 'grapheme' }));
const number = fc.oneof(fc.integer({ min: -5, max: 2000 }), fc.double({ noNaN: true, noDefaultInfinity: true }));
const scalar = fc.oneof(
  fc.constantFrom<AttributeValue>('public', 'internal', 'secret', 'open', 'closed', 'test#alice'),
  text,
  number,
  fc.boolean(),
  fc.constant(null),
);
const ordered = fc.oneof(text, number);
const expected: fc.Arbitrary<AttributeValue> = fc.oneof(
  scalar,
  scalar.map((value) => ({ eq: value })),
  scalar.map((value) => ({ ne: value })),
  fc.array(scalar, { minLength: 1, maxLength: 4 }).map((values) => ({ in: values })),
  ordered.map((value) => ({ lt: value })),
  ordered.map((value) => ({ lte: value })),
  ordered.map((value) => ({ gt: value })),
  ordered.map((value) => ({ gte: value })),
);
const attribute = fc.oneof(
  fc.constantFrom('classification', 'author', 'status', 'amount', 'tenant', 'constructor', 'hasOwnProperty'),
  fc.stringMatching(/^[A-Z]\w{0,8}$/),
);
/** Conditions that some of the resources meet, and some do not. */
const apt = fc.constantFrom<Readonly<Record<string, AttributeValue>>>(
  { classification: { ne: 'secret' } },
  { classification: { in: ['public', 'internal'] } },
  { author: 'test#alice' },
  { author: { eq: 'test#bob' }, classification: 'confidential' },
  { status: 'open' },
  { amount: { lt: 1000 } },
  { amount: { gte: 1000 }, status: 'paid' },
);
const permission = fc.record(
  {
    resource: fc.constantFrom('document', 'ticket', 'invoice', 'tool', 'mcp_server', 'no-such:kind', '*'),
    action: fc.constantFrom('read', 'list', 'update', 'share', 'create', 'comment', 'close', 'tools/call', '*'),
    conditions: fc.oneof({ arbitrary: apt, weight: 3 }, fc.dictionary(attribute, expected, { minKeys: 1, maxKeys: 3 })),
  },
  { requiredKeys: ['resource', 'action'] },
);
const name = fc
  .oneof(fc.constantFrom(...hostileTexts), fc.string({ maxLength: 40, unit: 'grapheme' }))
  .map((value) => value.replaceAll(/\p{Cc}/gu, '').trim())
  .map((value) => (value === '' ? 'a role' : value));
const roleId = fc.oneof(
  fc.constantFrom('reviewer', 'doc-reader', 'x', '1', '-', '_', 'a_test_b', 'Null', 'yes', 'constructor'),
  fc.stringMatching(/^[\w-]{1,30}$/),
);

function isSound(role: TenantRole): boolean {
  try {
    parseRole(role);
    return true;
  } catch {
    return false;
  }
}

/** All roles of one tenant's own, in their canonical form: parents before children, each of them sound. */
export function anyRoles(tenantId: TenantId, maxLength = 5): fc.Arbitrary<readonly TenantRole[]> {
  const one = fc.record({
    roleId,
    name,
    parents: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    permissions: fc.array(permission, { maxLength: 8 }),
    version: fc.integer({ min: 1, max: 1000 }),
  });
  return fc
    .uniqueArray(one, {
      minLength: 1,
      maxLength,
      selector: ({ roleId: id }) => id.toLowerCase().replaceAll('-', '_'),
    })
    .map((drawn) => {
      const roles: TenantRole[] = [];
      for (const { parents, permissions, ...rest } of drawn) {
        const own = roles.at(-1)?.roleId;
        const builtIn = parents.map((at) => builtInRoles[at % builtInRoles.length] ?? 'readonly');
        const parentRoles = own !== undefined && parents.length === 1 ? [own] : builtIn;
        const bare = { ...rest, tenantId, parentRoles, permissions: [] };
        if (!isSound(bare)) continue;
        let kept: readonly RolePermission[] = [];
        for (const next of permissions) if (isSound({ ...bare, permissions: [...kept, next] })) kept = [...kept, next];
        roles.push(parseRole({ ...bare, permissions: kept }));
      }
      return roles;
    });
}

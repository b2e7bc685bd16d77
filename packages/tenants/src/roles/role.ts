import { z } from 'zod';
import {
  builtInRoles,
  isTenantId,
  PortcullisError,
  type AttributeValue,
  type RolePermission,
  type TenantId,
  type TenantRole,
} from '@portcullis/core';
import { conditionValue, readCondition } from './condition.js';
import { conditionText } from './cel.js';
import { foldRole, isReservedRole } from './reserved.js';

/** The most roles that one tenant has. */
const maxRoles = 200;
/** How long a chain of roles that build on one another may be. */
const maxDepth = 10;
/** The most characters of one condition, as the engine reads it. */
const maxConditionText = 20_000;

const builtIn: ReadonlySet<string> = new Set(builtInRoles);

const roleId = z.string().regex(/^[\w-]{1,100}$/, 'is not 1 to 100 letters, digits, "-" or "_"');

const ownRoleId = roleId
  .refine((id) => !isReservedRole(id), 'is a name that is reserved')
  // `x_test.yaml` would be a test suite to the engine, and no test suite: nobody's policies would load.
  .refine((id) => !foldRole(id).endsWith('_test'), 'ends in `_test`');

/** A kind, an action, or `*` for all of them. Nothing else that the engine would read as a pattern. */
const pattern = z
  .string()
  .regex(/^(?:\*|[A-Za-z0-9][\w.:/@-]{0,199})$/, 'is not `*`, or 1 to 200 letters, digits or any of _.:/@-');

/** Read name by name and not as a record: what a parser drops, a condition that is not there, would widen the role. */
const conditions = z
  .custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'is not an object')
  .transform((value, context): Readonly<Record<string, AttributeValue>> => {
    // In an order of their own: stores keep the members of an object in orders of theirs.
    const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
    if (entries.length === 0 || entries.length > 20)
      context.addIssue({ code: 'custom', message: 'has to have 1 to 20 members: leave it out for no condition' });
    return Object.fromEntries(
      entries.map(([attribute, expected]) => {
        const condition = readCondition(attribute, expected);
        const problem =
          typeof condition === 'string'
            ? condition
            : conditionText(condition).length > maxConditionText
              ? 'is too long to be a condition'
              : undefined;
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, path: [attribute] });
        return [attribute, typeof condition === 'string' ? null : conditionValue(condition)];
      }),
    );
  });

const permission = z
  .strictObject({ resource: pattern, action: pattern, conditions: conditions.optional() })
  .transform(({ resource, action, conditions: when }): RolePermission =>
    when === undefined ? { resource, action } : { resource, action, conditions: when },
  );

const permissions = z
  .array(permission)
  .max(500)
  .transform((list, context) => {
    const ordered = byPattern(list);
    ordered.forEach((one, index) => {
      const problem = ordered.slice(0, index).map((other) => collision(one, other));
      const first = problem.find((text) => text !== undefined);
      if (first !== undefined) context.addIssue({ code: 'custom', message: first, path: [list.indexOf(one)] });
    });
    return ordered;
  });

/**
 * A role of a tenant's own, as it is stored: everything that a Cerbos role policy can express, and nothing else.
 *
 * It brings a role into one form: `{ eq: value }` is the value alone, a parent is named once, conditions are ordered by
 * name, and permissions for the same kind and action stand together.
 */
export const roleSchema: z.ZodType<TenantRole> = z.strictObject({
  tenantId: z.custom<TenantId>(isTenantId, 'is not a well-formed tenant id'),
  roleId: ownRoleId,
  name: z
    .string()
    .min(1)
    .max(200)
    .refine((name) => name === name.trim(), 'has white space around it')
    .refine((name) => !/\p{Cc}|\p{Surrogate}/u.test(name), 'has a control character'),
  parentRoles: z
    .array(roleId)
    .min(1)
    .max(10)
    .transform((parents) => [...new Set(parents)])
    // Of several parents the engine lets each built-in one give, but demands every other one: too easy to misread.
    .refine((parents) => parents.length === 1 || parents.every((parent) => builtIn.has(parent)), {
      message: 'are built-in roles, or one role of the tenant’s own and nothing else',
    }),
  permissions,
  version: z.number().int().min(1),
});

/** What else is asked of roles. */
export interface RoleRules {
  /** More names that no role may have: every role that a base policy of the platform’s own names. */
  readonly reserved?: readonly string[] | undefined;
}

/**
 * Reads a role.
 *
 * @throws PortcullisError `role_invalid`, with the member that is at fault as `data.field`
 */
export function parseRole(value: unknown, { reserved }: RoleRules = {}): TenantRole {
  const parsed = roleSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw roleInvalid(issue?.path.map(String).join('.') ?? '', issue?.message ?? 'is malformed');
  }
  if (isReservedRole(parsed.data.roleId, reserved)) throw roleInvalid('roleId', 'is a name that is reserved');
  return parsed.data;
}

/**
 * Refuses roles that do not fit together: all roles of one tenant, as they will be.
 *
 * Two ids that the engine cannot tell apart, a parent that is not there, a circle, too long a chain: each would be an
 * error of the engine, or none that anybody sees, after the role is stored.
 *
 * @throws PortcullisError `role_invalid`
 */
export function requireSoundRoles(roles: readonly TenantRole[]): void {
  if (roles.length > maxRoles) throw roleInvalid('', `a tenant has at most ${String(maxRoles)} roles`);
  const byId = new Map(roles.map((role) => [role.roleId, role]));
  const folded = new Map<string, string>();
  for (const { roleId: id } of roles) {
    const known = folded.get(foldRole(id));
    if (known !== undefined) throw roleInvalid('roleId', `\`${id}\` and \`${known}\` are the same to the engine`);
    folded.set(foldRole(id), id);
  }
  for (const role of roles) {
    const chain = [role.roleId];
    for (let parent = ownParent(role); parent !== undefined;) {
      if (chain.includes(parent)) throw roleInvalid('parentRoles', `\`${parent}\` would build on itself`);
      if (chain.length === maxDepth) throw roleInvalid('parentRoles', 'too many roles build on one another');
      const next = byId.get(parent);
      if (next === undefined) throw roleInvalid('parentRoles', `there is no role \`${parent}\``);
      chain.push(parent);
      parent = ownParent(next);
    }
  }
}

/** The role of the tenant's own that a role builds on. */
function ownParent({ parentRoles }: TenantRole): string | undefined {
  return parentRoles.find((parent) => !builtIn.has(parent));
}

/** Makes a `role_invalid` error. @param field - the member that is at fault; empty for the whole */
export function roleInvalid(field: string, problem: string): PortcullisError {
  return new PortcullisError('role_invalid', field === '' ? problem : `${field}: ${problem}`, { data: { field } });
}

/** Permissions for the same kind and action one after the other, otherwise in the order given. */
function byPattern(list: readonly RolePermission[]): readonly RolePermission[] {
  const groups = new Map<string, RolePermission[]>();
  for (const one of list) {
    const key = JSON.stringify([one.resource, one.action]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].flat();
}

/**
 * Why two permissions cannot both be in a role.
 *
 * To us each of them is enough by itself. To the engine, all rules that speak of a kind and an action have to hold
 * together. For the same kind and action they become one rule; what overlaps only in part cannot.
 */
function collision(one: RolePermission, other: RolePermission): string | undefined {
  const same = one.resource === other.resource && one.action === other.action;
  if (same && JSON.stringify(one.conditions) === JSON.stringify(other.conditions)) return 'is there twice';
  if (same)
    return one.conditions === undefined || other.conditions === undefined
      ? 'is there with conditions and without: leave one of them out'
      : undefined;
  // Cerbos 0.51 keeps the outcome of a rule's condition by the rule's place among those of its kind, and mixes up the
  // first rule for `*` with the first one for `document`: asked for both actions at once, it allows what it must not.
  const conditional = one.conditions !== undefined && other.conditions !== undefined;
  if (conditional && (one.resource === '*') !== (other.resource === '*'))
    return 'a role has conditions on `*` or on named kinds, and not on both';
  if (!overlap(one.resource, other.resource) || !overlap(one.action, other.action)) return undefined;
  return one.conditions === undefined && other.conditions === undefined
    ? undefined
    : `overlaps with \`${other.action}\` on \`${other.resource}\`, and one of them has conditions`;
}

function overlap(one: string, other: string): boolean {
  return one === other || one === '*' || other === '*';
}

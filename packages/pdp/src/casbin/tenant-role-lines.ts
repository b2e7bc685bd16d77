import { builtInRoles, PortcullisError, type TenantRole } from '@portcullis/core';
import type { PolicyLine } from './line.js';
import { roleGraph } from './roles.js';

/** Who may do what: the fields of a line for `rbacModel`, without its subject and tenant. */
interface Right {
  readonly object: string;
  readonly action: string;
  readonly effect: string;
}

/** Lines that say what roles give which tenants’ own roles narrow. */
export interface RoleBase {
  /** Lines for `rbacModel`, as `toCasbin` makes them. */
  readonly lines: readonly PolicyLine[];
  /** The domain of lines for every tenant. @defaultValue `*` */
  readonly sharedDomain?: string | undefined;
}

/**
 * Lines for tenants' own roles: what a role's permissions and one of its parents both allow, less what any of its
 * parents is denied. A parent that gives nothing leaves nothing.
 *
 * The lines are for `rbacModel` and stand beside those of the base, which they do not repeat. They say what the roles
 * are at that moment: make them again when a role or the base changes.
 *
 * @param roles - of any number of tenants; all of a tenant's, since they name one another
 * @throws PortcullisError `role_invalid`: a condition, a role that is named as one of the base, parents in a circle, or
 *   a base that allows everybody something, which nothing could narrow
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { casbin, rbacModel, tenantRoleLines } from '@portcullis/pdp/casbin';
 *
 * const base = [{ ptype: 'p', values: ['member', '*', 'document', '*', 'allow'] }];
 * const reviewer = {
 *   tenantId: tenantId('acme'),
 *   roleId: 'reviewer',
 *   name: 'Reviewer',
 *   parentRoles: ['member'],
 *   permissions: [{ resource: 'document', action: 'read' }],
 *   version: 1,
 * };
 * const lines = [...base, ...tenantRoleLines([reviewer], { lines: base })];
 * const pdp = await casbin({ model: rbacModel, lines, sharedDomain: '*' });
 * await pdp.close();
 * ```
 */
export function tenantRoleLines(
  roles: readonly TenantRole[],
  { lines, sharedDomain = '*' }: RoleBase,
): readonly PolicyLine[] {
  const tenants = new Set(roles.map(({ tenantId }) => tenantId));
  return [...tenants].flatMap((tenant) =>
    ofTenant(
      tenant,
      roles.filter(({ tenantId }) => tenantId === tenant),
      lines.filter((line) => [tenant, sharedDomain].includes(domainOf(line))),
    ),
  );
}

function ofTenant(tenant: string, roles: readonly TenantRole[], base: readonly PolicyLine[]): readonly PolicyLine[] {
  const own = new Map(roles.map((role) => [role.roleId, role]));
  if (own.size !== roles.length) throw invalid('roleId', 'a role is there twice');
  const graph = roleGraph(base.filter(({ ptype }) => ptype === 'g'));
  const given = base.filter(({ ptype }) => ptype === 'p');
  refuseUnsoundBase(own, base, given);
  const known = new Map<string, readonly Right[]>();
  const open = new Set<string>();

  const rightsOf = (name: string): readonly Right[] => {
    const role = own.get(name);
    if (role === undefined) {
      const names = new Set([name, '*', ...(graph.get(name) ?? [])]);
      return given.filter(({ values: [subject = ''] }) => names.has(subject)).map(rightOf);
    }
    const before = known.get(name);
    if (before !== undefined) return before;
    if (open.has(name)) throw invalid('parentRoles', `\`${name}\` is among its own parents`);
    open.add(name);
    const rights = narrowed(role, role.parentRoles.flatMap(rightsOf));
    open.delete(name);
    known.set(name, rights);
    return rights;
  };

  return roles.flatMap(({ roleId }) =>
    rightsOf(roleId).map(({ object, action, effect }) => ({
      ptype: 'p',
      values: [roleId, tenant, object, action, effect],
      place: `the role \`${roleId}\` of \`${tenant}\``,
    })),
  );
}

function refuseUnsoundBase(
  own: ReadonlyMap<string, TenantRole>,
  base: readonly PolicyLine[],
  given: readonly PolicyLine[],
): void {
  for (const { ptype, values } of base) {
    if (values.length !== (ptype === 'p' ? 5 : 3)) throw invalid('base', 'a line is not one for `rbacModel`');
    // A role that is called as one that has rights would have them, too.
    const named = [values[0] ?? '', ptype === 'p' ? '' : (values[1] ?? '')].find((name) => own.has(name));
    if (named !== undefined) throw invalid('roleId', `\`${named}\` is a role of the base`);
  }
  for (const name of [...builtInRoles, 'none'])
    if (own.has(name)) throw invalid('roleId', `\`${name}\` is not a tenant’s to define`);
  if (given.some(({ values: [subject, , , , effect] }) => subject === '*' && effect !== 'deny'))
    throw invalid('base', 'what is allowed to everybody cannot be narrowed');
}

function narrowed({ roleId, permissions }: TenantRole, parents: readonly Right[]): readonly Right[] {
  const rights = new Map<string, Right>();
  const add = (right: Right): void => {
    rights.set(JSON.stringify([right.object, right.action, right.effect]), right);
  };
  for (const right of parents) if (right.effect === 'deny') add(right);
  for (const { resource, action, conditions } of permissions) {
    if (conditions !== undefined && Object.keys(conditions).length > 0)
      throw invalid('conditions', `\`${roleId}\`: casbin has no conditions on attributes in lines`);
    for (const right of parents) {
      const [object, act] = [common(resource, right.object), common(action, right.action)];
      if (right.effect === 'allow' && object !== undefined && act !== undefined)
        add({ object, action: act, effect: 'allow' });
    }
  }
  return [...rights.values()];
}

/** What two names have in common, of which `*` is every name. */
function common(one: string, other: string): string | undefined {
  if (one === '*' || one === other) return other;
  return other === '*' ? one : undefined;
}

function rightOf({ values: [, , object = '', action = '', effect = ''] }: PolicyLine): Right {
  return { object, action, effect };
}

function domainOf({ ptype, values }: PolicyLine): string {
  return values[ptype === 'p' ? 1 : 2] ?? '';
}

function invalid(field: string, wrong: string): PortcullisError {
  return new PortcullisError('role_invalid', wrong, { data: { field } });
}

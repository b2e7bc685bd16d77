import { builtInRoles, isTenantId, PortcullisError, type TenantRole } from '@portcullis/core';
import { grouped } from './grouped.js';
import type { PolicyLine } from './line.js';
import { narrowed, type Right } from './narrowed.js';
import { maxDepth, roleGraph } from './roles.js';

/** Lines that say what roles give which tenants’ own roles narrow. */
export interface RoleBase {
  /** Lines for `rbacModel`, as `toCasbin` makes them. */
  readonly lines: readonly PolicyLine[];
  /** The domain of lines for every tenant. @defaultValue `*` */
  readonly sharedDomain?: string | undefined;
  /**
   * The most lines that one tenant’s roles may have: each may be asked about at every question of that tenant.
   *
   * @defaultValue 1000
   */
  readonly maxLinesPerTenant?: number | undefined;
}

/** A role, of which all or a part was left out. */
export interface RefusedRole {
  readonly tenantId: string;
  readonly roleId: string;
  /** `role_invalid` */
  readonly error: PortcullisError;
}

/** The lines of tenants' own roles. */
export interface TenantRoleLines {
  readonly lines: readonly PolicyLine[];
  /** What was left out: report it, since a tenant has less than it was told. */
  readonly refused: readonly RefusedRole[];
}

/**
 * Lines for tenants' own roles: what a role's permissions and one of its parents both allow, less what any of its
 * parents is denied. A parent that gives nothing leaves nothing.
 *
 * What lines cannot say is left out, role by role, and told in `refused`: no tenant can stop the others' roles. A
 * permission with a name that no line can hold gives nothing. A role gives nothing that has conditions, parents in a
 * circle, the name of a role of the base, or more lines than there is room for; it keeps what its parents are denied,
 * and where that cannot be said either, it is denied everything.
 *
 * The lines are for `rbacModel` and stand beside those of the base, which they do not repeat. They say what the roles
 * are at that moment: make them again when a role or the base changes.
 *
 * @param roles - of any number of tenants; all of a tenant's, since they name one another
 * @throws PortcullisError `role_invalid`: a base that allows everybody something, which nothing could narrow, or whose
 *   lines are not for `rbacModel`; `policies_invalid`: its roles follow from one another in a circle
 * @throws TypeError `maxLinesPerTenant` is no whole number above 0
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
 * const own = tenantRoleLines([reviewer], { lines: base });
 * const pdp = await casbin({ model: rbacModel, lines: [...base, ...own.lines], sharedDomain: '*' });
 * await pdp.close();
 * ```
 */
export function tenantRoleLines(
  roles: readonly TenantRole[],
  { lines, sharedDomain = '*', maxLinesPerTenant = 1000 }: RoleBase,
): TenantRoleLines {
  if (!Number.isSafeInteger(maxLinesPerTenant) || maxLinesPerTenant < 1)
    throw new TypeError('`maxLinesPerTenant` has to be a whole number above 0');
  refuseUnsoundBase(lines);
  const byDomain = grouped(lines, domainOf);
  const shared = baseOf(byDomain.get(sharedDomain) ?? []);
  const made = [...grouped(roles, ({ tenantId }) => tenantId)].map(([tenant, own]) => {
    const ofTenant = byDomain.get(tenant);
    // A base line of its own is only ever one for this tenant.
    const base = ofTenant === undefined ? shared : baseOf([...(byDomain.get(sharedDomain) ?? []), ...ofTenant]);
    return linesOf(tenant, own, base, maxLinesPerTenant);
  });
  return { lines: made.flatMap((one) => one.lines), refused: made.flatMap((one) => one.refused) };
}

/** The base as one tenant sees it. */
interface Base {
  /** Names that mean something in it. */
  readonly names: ReadonlySet<string>;
  rightsOf(name: string): readonly Right[];
}

function baseOf(lines: readonly PolicyLine[]): Base {
  const graph = roleGraph(lines.filter(({ ptype }) => ptype === 'g'));
  const given = lines.filter(({ ptype }) => ptype === 'p');
  const bySubject = grouped(given, ({ values: [subject = ''] }) => subject);
  return {
    names: new Set(lines.flatMap(({ ptype, values }) => (ptype === 'p' ? values.slice(0, 1) : values.slice(0, 2)))),
    rightsOf: (name) =>
      [...new Set([name, '*', ...(graph.get(name) ?? [])])].flatMap((subject) =>
        (bySubject.get(subject) ?? []).map(rightOf),
      ),
  };
}

/** What a role has, or why that cannot be told. */
type Known = readonly Right[] | readonly [field: string, wrong: string];

const everything: Right = { object: '*', action: '*', effect: 'deny' };

/** How many pairs of permissions and parents' rights are looked at for each line of the bound. */
const pairsPerLine = 1000;

function linesOf(tenant: string, roles: readonly TenantRole[], base: Base, maxLines: number): TenantRoleLines {
  const own = grouped(roles, ({ roleId }) => roleId);
  const refused: RefusedRole[] = [];
  const lines: PolicyLine[] = [];
  const refuse = (roleId: string, field: string, wrong: string): void => {
    refused.push({ tenantId: tenant, roleId, error: invalid(field, wrong) });
  };
  const rightsOf = rightsOfRoles(own, base, maxLines, refuse);
  for (const roleId of own.keys()) {
    const wrong = wrongWithName(tenant, roleId);
    // No line can name it, or the name is the base's.
    if (wrong !== undefined) {
      refuse(roleId, 'roleId', wrong);
      continue;
    }
    const add = (rights: readonly Right[]): void => {
      const place = `the role \`${roleId}\` of \`${tenant}\``;
      for (const { object, action, effect } of rights)
        lines.push({ ptype: 'p', values: [roleId, tenant, object, action, effect], place });
    };
    const found = rightsOf(roleId);
    if (!isRights(found)) {
      refuse(roleId, ...found);
      add([everything]);
    } else if (lines.length + found.length > maxLines) {
      refuse(roleId, 'permissions', `the tenant’s roles have more than ${String(maxLines)} lines`);
      const denied = found.filter(({ effect }) => effect === 'deny');
      add(lines.length + denied.length > maxLines ? [everything] : denied);
    } else add(found);
  }
  return { lines, refused };
}

function isRights(known: Known): known is readonly Right[] {
  return typeof known[0] !== 'string';
}

function rightsOfRoles(
  own: ReadonlyMap<string, readonly TenantRole[]>,
  base: Base,
  maxLines: number,
  refuse: (roleId: string, field: string, wrong: string) => void,
): (name: string) => Known {
  const known = new Map<string, Known>();
  const open = new Set<string>();
  let pairsLeft = maxLines * pairsPerLine;

  const ofOne = (role: TenantRole): Known => {
    const { roleId, permissions } = role;
    // A role that is called as one that has rights would have them, too.
    if (base.names.has(roleId)) return ['roleId', `\`${roleId}\` is a role of the base`];
    const parents: Right[] = [];
    for (const parent of new Set(role.parentRoles)) {
      const rights = rightsOf(parent);
      if (!isRights(rights)) return ['parentRoles', 'one of its parents is refused, is above it twice, or too far up'];
      parents.push(...rights);
    }
    const denied = parents.filter(({ effect }) => effect === 'deny');
    if (permissions.some(({ conditions = {} }) => Object.keys(conditions).length > 0)) {
      refuse(roleId, 'conditions', 'casbin has no conditions on attributes in lines');
      return denied;
    }
    pairsLeft -= permissions.length * parents.length;
    const { rights, unsaid } = pairsLeft < 0 ? { rights: undefined } : narrowed(permissions, parents, maxLines);
    if (rights === undefined) {
      refuse(roleId, 'permissions', `the role has more than ${String(maxLines)} lines, or takes too long to tell`);
      return denied;
    }
    if (unsaid !== undefined) refuse(roleId, 'permissions', `a name in a permission ${unsaid}`);
    return rights;
  };

  function rightsOf(name: string): Known {
    const [role, ...others] = own.get(name) ?? [];
    if (role === undefined) return base.rightsOf(name);
    const before = known.get(name);
    if (before !== undefined) return before;
    if (open.has(name) || open.size >= maxDepth) return ['parentRoles', 'roles follow from one another in a circle'];
    open.add(name);
    const rights: Known = others.length > 0 ? ['roleId', 'the role is there twice'] : ofOne(role);
    open.delete(name);
    known.set(name, rights);
    return rights;
  }
  return rightsOf;
}

function wrongWithName(tenant: string, roleId: string): string | undefined {
  if (!isTenantId(tenant)) return 'its tenant is none';
  if ([...builtInRoles, 'none'].includes(roleId)) return `\`${roleId}\` is not a tenant’s to define`;
  // As the registry takes names; `*` would be every role.
  return /^[\w-]{1,100}$/.test(roleId) ? undefined : 'a role’s name has 1 to 100 letters, digits, `-` or `_`';
}

/** The base is the operator's: what is wrong with it is told at once. */
function refuseUnsoundBase(base: readonly PolicyLine[]): void {
  for (const { ptype, values } of base) {
    if (values.length !== (ptype === 'p' ? 5 : 3)) throw invalid('base', 'a line is not one for `rbacModel`');
    if (ptype === 'p' && values[0] === '*' && values[4] !== 'deny')
      throw invalid('base', 'what is allowed to everybody cannot be narrowed');
  }
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

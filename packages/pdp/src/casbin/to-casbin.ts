import { resolve } from 'node:path';
import type { ResourcePolicy } from '../embedded/load/document.js';
import { sanitized } from '../embedded/compile/names.js';
import { readFolder, type Loaded } from '../embedded/load/folder.js';
import { refusal, type Place } from '../embedded/load/place.js';
import type { CasbinOptions } from './casbin.js';
import type { PolicyLine } from './line.js';
import { rbacModel } from './rbac-model.js';

/** The domain of lines that hold in every tenant. */
const everyTenant = '*';

type Path = readonly PropertyKey[];

/**
 * Exports the part of a Cerbos policy folder that casbin can say: who may do what to which kind, by roles.
 *
 * The result is given to `casbin` as it is, and decides as the other engines do on the same folder; lines of your own
 * can be added. Whatever says more (a condition, a derived role, a scope, a version, an output, a schema, a pattern,
 * policies of principals and roles) is refused with file and line, never left out. The one difference: casbin behind
 * this port denies what is another tenant's, with or without a policy that says so.
 *
 * @throws PortcullisError `policies_invalid`
 * @example
 * ```text
 * const pdp = await casbin(await toCasbin('./policies'));
 * ```
 */
export async function toCasbin(
  folder: string,
): Promise<
  Required<Pick<CasbinOptions, 'model' | 'roles' | 'sharedDomain'>> & { readonly lines: readonly PolicyLine[] }
> {
  const { policies } = await readFolder(resolve(folder));
  const kinds = new Set<string>();
  const lines = policies.flatMap((loaded) => {
    const policy = resourcePolicyOf(loaded);
    if (kinds.has(policy.resource))
      throw refusal(loaded.place, ['resourcePolicy', 'resource'], `\`${policy.resource}\` has a policy already`);
    kinds.add(policy.resource);
    return linesOf(policy, loaded.place);
  });
  return { model: rbacModel, lines, sharedDomain: everyTenant, roles: 'apart' };
}

function resourcePolicyOf({ policy, place }: Loaded): ResourcePolicy {
  const { resourcePolicy } = policy;
  if (resourcePolicy === undefined) throw refusal(place, [], 'casbin has policies for resources only');
  const { version, scope = '', importDerivedRoles = [], variables, constants, schemas } = resourcePolicy;
  const refuseIf = (more: boolean, name: string, construct: string): void => {
    if (more) throw refusal(place, ['resourcePolicy', name], construct);
  };
  refuseIf(version !== 'default', 'version', 'casbin has no policy versions');
  refuseIf(scope !== '', 'scope', 'casbin has no scopes');
  refuseIf(importDerivedRoles.length > 0, 'importDerivedRoles', 'casbin has no derived roles');
  refuseIf(variables !== undefined, 'variables', 'casbin has no variables');
  refuseIf(constants !== undefined, 'constants', 'casbin has no constants');
  refuseIf(schemas !== undefined, 'schemas', 'casbin has no schemas');
  refuseIf(resourcePolicy.scopePermissions !== undefined, 'scopePermissions', 'casbin has no scopes');
  return resourcePolicy;
}

function linesOf({ resource, rules }: ResourcePolicy, place: Place): readonly PolicyLine[] {
  const kind = plain(resource, ['resourcePolicy', 'resource'], place, false);
  if (sanitized(kind) !== kind)
    throw refusal(
      place,
      ['resourcePolicy', 'resource'],
      `\`${kind}\` and \`${sanitized(kind)}\` are one kind to Cerbos, and two to casbin`,
    );
  return rules.flatMap(({ actions, effect, roles = [], derivedRoles = [], condition, output }, at) => {
    const path: Path = ['resourcePolicy', 'rules', at];
    if (derivedRoles.length > 0) throw refusal(place, [...path, 'derivedRoles'], 'casbin has no derived roles');
    if (condition !== undefined) throw refusal(place, [...path, 'condition'], 'lines have no conditions');
    if (output !== undefined) throw refusal(place, [...path, 'output'], 'lines have no outputs');
    if (roles.length === 0) throw refusal(place, path, 'a rule without roles is nobody’s');
    const said = effect === 'EFFECT_ALLOW' ? 'allow' : 'deny';
    return roles.flatMap((role, ofRole) =>
      actions.map((action, ofAction) => ({
        ptype: 'p',
        values: [
          plain(role, [...path, 'roles', ofRole], place, true),
          everyTenant,
          kind,
          plain(action, [...path, 'actions', ofAction], place, true),
          said,
        ],
        place: `${place.file}:${String(place.lineOf([...path, 'actions', ofAction]))}`,
      })),
    );
  });
}

/** A name that a line can hold; `*` alone may stand for all. */
function plain(name: string, path: Path, place: Place, isWild: boolean): string {
  if (name.includes('*') && !(isWild && name === '*')) throw refusal(place, path, 'lines have no patterns but `*`');
  return name;
}

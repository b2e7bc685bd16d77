import type { RolePolicy } from '../load/document.js';
import { refusal, type Place } from '../load/place.js';
import { ByName, entryOf, valueOf } from './by-name.js';
import { conditionAt, noParameters } from './expressions.js';
import { globMatcher, isPattern } from './glob.js';
import { sanitized, withScope } from './names.js';
import { refuseOddKind } from './principal-policies.js';
import { resourceScope } from './scopes.js';
import type { AllowRule, Table } from './table.js';

/** The name of a role policy, as decisions give it. */
export function rolePolicyName(role: string, scope: string): string {
  return withScope(`role.${sanitized(role)}.vdefault`, scope);
}

/**
 * Adds a role policy: what the role may do at all, and the roles that it stands for.
 *
 * @returns the policy's name
 * @throws PortcullisError `policies_invalid`
 */
export function addRolePolicy(table: Table, place: Place, policy: RolePolicy): string {
  const { role, scope = '', parentRoles = [], rules } = policy;
  refuseMixedConditions(place, policy);
  const names = {
    place,
    names: { variables: new Set<string>(), constants: new Set<string>(), onVariable: () => undefined },
    parameters: noParameters,
  };
  const { roles, roleKinds, parentRoles: allParentRoles } = resourceScope(table, scope);
  for (const [position, rule] of rules.entries()) {
    const path = ['rolePolicy', 'rules', position];
    refuseOddKind(place, [...path, 'resource'], rule.resource);
    entryOf(roleKinds, rule.resource, () => true as const);
    const kinds = valueOf(roles, role, () => new ByName<AllowRule[]>());
    entryOf(kinds, rule.resource, (): AllowRule[] => []).push({
      actions: rule.allowActions.map(globMatcher),
      condition: conditionAt(names, path, rule.condition),
      parameters: noParameters,
    });
  }
  allParentRoles.set(role, parentRoles);
  return rolePolicyName(role, scope);
}

/**
 * Conditions beside rules that speak of the same kind: Cerbos 0.51, asked for several actions at once, was seen to take
 * one condition for another.
 */
function refuseMixedConditions(place: Place, { rules }: RolePolicy): void {
  const kinds = rules.map(({ resource }) => resource);
  const overlap = rules.length > 1 && (kinds.some(isPattern) || new Set(kinds).size < kinds.length);
  if (overlap && rules.some(({ condition }) => condition !== undefined))
    throw refusal(
      place,
      ['rolePolicy', 'rules'],
      'conditions are only supported with one rule for each kind, by its name',
    );
}

/** Replaces each role's parents by all that they stand for in turn, within the scope. */
export function closeParentRoles({ resourceScopes }: Table): void {
  for (const { parentRoles: roles } of resourceScopes.values()) {
    const direct = new Map(roles);
    for (const role of direct.keys()) {
      const all = new Set<string>();
      const visit = (name: string): void => {
        for (const parent of direct.get(name) ?? []) {
          if (all.has(parent)) continue;
          all.add(parent);
          visit(parent);
        }
      };
      visit(role);
      roles.set(role, [...all]);
    }
  }
}

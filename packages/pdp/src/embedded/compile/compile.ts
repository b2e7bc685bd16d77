import type { CelMap } from '../cel/value.js';
import type { PolicyDocumentOf } from '../load/document.js';
import type { PolicyFolder } from '../load/folder.js';
import { refusal, type Place } from '../load/place.js';
import { type Exports } from './expressions.js';
import { policyName, scopeChain } from './names.js';
import { addPrincipalPolicy } from './principal-policies.js';
import { addResourcePolicy } from './resource-policies.js';
import { derivedRoleNames } from './derived-roles.js';
import { addRolePolicy, closeParentRoles } from './role-policies.js';
import type { Table } from './table.js';

/**
 * Compiles the policies of a folder into a table.
 *
 * @throws PortcullisError `policies_invalid`, with the file, the line and the construct that is not taken
 */
export function compilePolicies(folder: PolicyFolder): Table {
  const table: Table = {
    resources: new Map(),
    principals: new Map(),
    roles: new Map(),
    parentRoles: new Map(),
    resourceScopes: new Set(),
    principalScopes: new Set(),
    consentScopes: new Set(),
    schemas: new Map(),
  };
  refuseMixedScopes(folder);
  const exports = exportsOf(folder);
  const derivedRoles = derivedRoleNames(folder, exports);
  const seen = new Set<string>();
  const once = (place: Place, name: string): void => {
    if (seen.has(name)) throw refusal(place, [], `there is a second policy \`${name}\``);
    seen.add(name);
  };
  for (const { policy, place } of folder.policies) {
    if (policy.resourcePolicy !== undefined)
      once(place, addResourcePolicy(table, place, policy.resourcePolicy, { exports, derivedRoles, folder }));
    if (policy.principalPolicy !== undefined)
      once(place, addPrincipalPolicy(table, place, policy.principalPolicy, exports));
    if (policy.rolePolicy !== undefined) once(place, addRolePolicy(table, place, policy.rolePolicy));
  }
  for (const { policy, place } of folder.policies) refuseOrphan(place, policy, seen);
  closeParentRoles(table);
  inheritSchemas(table, folder);
  return table;
}

/** Cerbos asks for a policy in each scope above one. */
function refuseOrphan(
  place: Place,
  { resourcePolicy, principalPolicy }: PolicyDocumentOf,
  known: ReadonlySet<string>,
): void {
  const scope = (resourcePolicy ?? principalPolicy)?.scope ?? '';
  for (const above of scopeChain(scope)) {
    const name =
      resourcePolicy === undefined
        ? principalPolicy && policyName('principal', principalPolicy.principal, principalPolicy.version, above)
        : policyName('resource', resourcePolicy.resource, resourcePolicy.version, above);
    if (name !== undefined && !known.has(name)) throw refusal(place, [], `there is no policy \`${name}\` above it`);
  }
}

/** The schemas that count are those of the base policy of a kind, whatever a scoped policy says. */
function inheritSchemas({ schemas }: Table, { policies }: PolicyFolder): void {
  for (const { policy } of policies) {
    if (policy.resourcePolicy === undefined) continue;
    const { resource, version, scope = '' } = policy.resourcePolicy;
    const base = policyName('resource', resource, version, '');
    schemas.set(policyName('resource', resource, version, scope), schemas.get(base));
  }
}

/** Cerbos keeps the permissions of a scope as such: of two policies that differ, one would decide for both. */
function refuseMixedScopes({ policies }: PolicyFolder): void {
  const permissions = new Map<string, string>();
  for (const { policy, place } of policies) {
    const scoped = policy.resourcePolicy ?? policy.principalPolicy;
    if (scoped === undefined) continue;
    const { scope = '', scopePermissions = 'SCOPE_PERMISSIONS_OVERRIDE_PARENT' } = scoped;
    const path = [policy.resourcePolicy === undefined ? 'principalPolicy' : 'resourcePolicy', 'scopePermissions'];
    if (scope === '' && scopePermissions !== 'SCOPE_PERMISSIONS_OVERRIDE_PARENT')
      throw refusal(place, path, 'nothing is above the base scope that could consent');
    if ((permissions.get(scope) ?? scopePermissions) !== scopePermissions)
      throw refusal(place, path, `the policies of the scope \`${scope}\` differ in their permissions`);
    permissions.set(scope, scopePermissions);
  }
}

function exportsOf({ policies }: PolicyFolder): Exports {
  const variables = new Map<string, { definitions: Readonly<Record<string, string>>; place: Place }>();
  const constants = new Map<string, CelMap>();
  for (const { policy, place } of policies) {
    if (policy.exportVariables !== undefined) {
      const { name, definitions } = policy.exportVariables;
      if (variables.has(name)) throw refusal(place, ['exportVariables'], `there are variables \`${name}\` already`);
      variables.set(name, { definitions, place });
    }
    if (policy.exportConstants !== undefined) {
      const { name, definitions } = policy.exportConstants;
      if (constants.has(name)) throw refusal(place, ['exportConstants'], `there are constants \`${name}\` already`);
      constants.set(name, definitions);
    }
  }
  return { variables, constants };
}

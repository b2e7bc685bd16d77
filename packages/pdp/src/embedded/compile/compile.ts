import { PortcullisError } from '@portcullis/core';
import type { CelMap } from '../cel/cel-value.js';
import type { PolicyDocumentOf } from '../load/document.js';
import type { Loaded, PolicyFolder } from '../load/folder.js';
import { refusal, type Place } from '../load/place.js';
import { JsonSchemas } from '../schema/json-schemas.js';
import { type Exports } from './expressions.js';
import { linkScopes } from './scopes.js';
import { parentalConsent } from './rules.js';
import { names, policyName, scopeChain } from './names.js';
import { addPrincipalPolicy } from './principal-policies.js';
import { addResourcePolicy, type Shared } from './resource-policies.js';
import { derivedRoleNames } from './derived-roles.js';
import { addRolePolicy, closeParentRoles } from './role-policies.js';
import type { Table } from './table.js';

/**
 * Compiles the policies of a folder into a table.
 *
 * @throws PortcullisError `policies_invalid`, with the file, the line and the construct that is not taken
 */
export function compilePolicies(folder: PolicyFolder): Table {
  const table: Table = { readsRuntime: false, resourceScopes: new Map(), principalScopes: new Map() };
  const consentScopes = scopesThatNeedConsent(folder);
  const exports = exportsOf(folder);
  const derivedRoles = derivedRoleNames(folder, exports);
  const seen = new Set<string>();
  const once = (place: Place, name: string | undefined): void => {
    if (name === undefined) return;
    if (seen.has(name)) throw refusal(place, [], `there is a second policy \`${name}\``);
    seen.add(name);
  };
  const shared = { exports, derivedRoles, schemas: new JsonSchemas(folder.schemas), nameOf: names() };
  const refused: string[] = [];
  for (const loaded of folder.policies) {
    try {
      once(loaded.place, addPolicy(table, loaded, shared));
    } catch (error) {
      if (!(error instanceof PortcullisError)) throw error;
      refused.push(error.message);
    }
  }
  if (refused.length > 0) throw new PortcullisError('policies_invalid', refused.join('\n'));
  for (const { policy, place } of folder.policies) refuseOrphan(place, policy, seen);
  closeParentRoles(table);
  linkScopes(table, consentScopes);
  inheritSchemas(table);
  return table;
}

function addPolicy(table: Table, { policy, place }: Loaded, shared: Shared): string | undefined {
  if (policy.resourcePolicy !== undefined) return addResourcePolicy(table, place, policy.resourcePolicy, shared);
  if (policy.principalPolicy !== undefined)
    return addPrincipalPolicy(table, place, policy.principalPolicy, shared.exports);
  return policy.rolePolicy === undefined ? undefined : addRolePolicy(table, place, policy.rolePolicy);
}

/** A role policy that says nothing of permissions leaves them to the others of its scope. */
function roleOf({ rolePolicy }: PolicyDocumentOf): Scoped | undefined {
  return rolePolicy?.scopePermissions === undefined ? undefined : rolePolicy;
}

interface Scoped {
  readonly scope?: string | undefined;
  readonly scopePermissions?: string | undefined;
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
function inheritSchemas({ resourceScopes }: Table): void {
  const base = resourceScopes.get('');
  for (const { versions } of resourceScopes.values())
    for (const [version, kinds] of versions)
      for (const [kind, rules] of kinds) rules.schemas = base?.versions.get(version)?.get(kind)?.schemas;
}

/** Cerbos keeps the permissions of a scope as such: of two policies that differ, one would decide for both. */
function scopesThatNeedConsent({ policies }: PolicyFolder): ReadonlySet<string> {
  const permissions = new Map<string, string>();
  for (const { policy, place } of policies) {
    const scoped: Scoped | undefined = policy.resourcePolicy ?? policy.principalPolicy ?? roleOf(policy);
    if (scoped === undefined) continue;
    const { scope = '', scopePermissions = 'SCOPE_PERMISSIONS_OVERRIDE_PARENT' } = scoped;
    const path: readonly string[] = [];
    if (scope === '' && scopePermissions !== 'SCOPE_PERMISSIONS_OVERRIDE_PARENT')
      throw refusal(place, path, 'nothing is above the base scope that could consent');
    if ((permissions.get(scope) ?? scopePermissions) !== scopePermissions)
      throw refusal(place, path, `the policies of the scope \`${scope}\` differ in their permissions`);
    permissions.set(scope, scopePermissions);
  }
  const needing = [...permissions].filter(([, permission]) => permission === parentalConsent).map(([scope]) => scope);
  return new Set(needing);
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

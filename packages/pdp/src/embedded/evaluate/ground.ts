import { policyName, sanitized } from '../compile/names.js';
import { nearestScope } from '../compile/scopes.js';
import type { KindRules, PolicySchemas, PrincipalScope, ResourceScope, Table } from '../compile/table.js';
import { isKnown, type Payer } from './look-up.js';
import type { Question } from './question.js';

/** The version that role policies are of. */
const rolePolicyVersion = 'default';

/** The most specific scopes with policies; the others are above them. */
export interface Scopes {
  readonly principalScope: PrincipalScope | undefined;
  readonly resourceScope: ResourceScope | undefined;
}

/** Where a question is answered: what of the table can concern it. */
export interface Ground extends Scopes {
  readonly table: Table;
  readonly version: string;
  readonly kind: string;
  /** What that scope says of the kind. */
  readonly rules: KindRules | undefined;
  /** The roles that a role stands for in the scope of the question. */
  readonly parentRoles: ReadonlyMap<string, readonly string[]> | undefined;
  /** Whether any policy can concern the question: without, there is no policy to name. */
  readonly hasPrincipalPolicy: boolean;
  readonly hasResourcePolicy: boolean;
  /** The name of the resource policy that the question is for; empty without any. */
  readonly resourcePolicy: string;
  readonly schemas: PolicySchemas | undefined;
  /** Who pays for what is looked up: the question. */
  readonly payer: Payer;
}

/** Which scopes questions of a scope are answered from. */
export function scopesFor({ principalScopes, resourceScopes }: Table, scope: string): Scopes {
  return {
    principalScope: nearestScope(principalScopes, scope),
    resourceScope: nearestScope(resourceScopes, scope),
  };
}

/**
 * Looks up what of the table can concern a question.
 *
 * @param scopes - those of the question's scope, for whoever has several questions of one
 */
export function groundOf(
  table: Table,
  question: Question,
  { principalScope, resourceScope }: Scopes = scopesFor(table, question.scope),
): Ground {
  const { resource, scope, policyVersion: version } = question;
  // The table's names are as Cerbos writes them: a kind that is found by its own is such a name.
  const found = resourceScope === undefined ? undefined : kindRulesIn(resourceScope, version, resource.kind);
  const kind = found === undefined ? sanitized(resource.kind) : resource.kind;
  const rules =
    found !== undefined || resourceScope === undefined || kind === resource.kind
      ? found
      : kindRulesIn(resourceScope, version, kind);
  const hasResourcePolicy = rules !== undefined || hasResourcePolicyIn(resourceScope, version, kind, question);
  return {
    table,
    version,
    kind,
    principalScope,
    resourceScope,
    rules,
    parentRoles:
      resourceScope?.name === scope && resourceScope.parentRoles.size > 0 ? resourceScope.parentRoles : undefined,
    hasPrincipalPolicy: hasVersion(principalScope, version),
    hasResourcePolicy,
    resourcePolicy:
      rules?.policy ?? (hasResourcePolicy ? policyName('resource', kind, version, resourceScope?.name ?? '') : ''),
    schemas: rules?.schemas,
    payer: question,
  };
}

/** What the resource policy of a kind says in one scope. */
export function kindRulesIn({ versions }: ResourceScope, version: string, kind: string): KindRules | undefined {
  return versions.get(version)?.get(kind);
}

/** Whether role policies count: they are all of one version. */
export function takesRolePolicies({ version }: Ground): boolean {
  return version === rolePolicyVersion;
}

/** Whether a principal policy of a scope speaks of the kind, whoever's it is. */
export function isKindOfPrincipals({ table, version, kind, payer }: Ground, scope: string): boolean {
  const kinds = table.principalScopes.get(scope)?.versions.get(version)?.kinds;
  return kinds !== undefined && isKnown(kinds, kind, payer);
}

function hasResourcePolicyIn(
  from: ResourceScope | undefined,
  version: string,
  kind: string,
  question: Question,
): boolean {
  for (let scope = from; scope !== undefined; scope = scope.above) {
    if (kindRulesIn(scope, version, kind) !== undefined) return true;
    if (version === rolePolicyVersion && isKnown(scope.roleKinds, kind, question)) return true;
  }
  return false;
}

function hasVersion(from: PrincipalScope | undefined, version: string): boolean {
  for (let scope = from; scope !== undefined; scope = scope.above) if (scope.versions.has(version)) return true;
  return false;
}

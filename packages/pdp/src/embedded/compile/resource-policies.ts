import type { ResourcePolicy } from '../load/document.js';
import { refusal, type Place } from '../load/place.js';
import type { JsonSchemas } from '../schema/json-schemas.js';
import { ByName, entryOf, valueOf } from './by-name.js';
import type { DerivedRole } from './derived-roles.js';
import { conditionAt, policyNames, type Exports } from './expressions.js';
import { NameMap } from './name-map.js';
import { policyName, sanitized } from './names.js';
import { distinctRoles, needsConsent, outputsAt, withConsent } from './rules.js';
import { policySchemas } from './schemas.js';
import { resourceScope } from './scopes.js';
import type { ByRole, DerivedRoleIn, KindRules, Row, Table } from './table.js';

/** What the policies of a folder share. */
export interface Shared {
  readonly exports: Exports;
  readonly derivedRoles: ReadonlyMap<string, DerivedRole>;
  readonly schemas: JsonSchemas;
  /** The same text for the same name: many policies share theirs. */
  readonly nameOf: (name: string) => string;
}

/**
 * Adds the rows of a resource policy.
 *
 * @returns the policy's name
 * @throws PortcullisError `policies_invalid`
 */
export function addResourcePolicy(table: Table, place: Place, policy: ResourcePolicy, shared: Shared): string {
  const { resource, version, scope = '', rules } = policy;
  const policyNameText = policyName('resource', resource, version, scope);
  // A policy without rules is one, too: it is named where nothing is allowed.
  const kindRules = addKind(table, policy, {
    policy: policyNameText,
    schemas: policySchemas(place, policy.schemas, shared.schemas),
    actions: new ByName<ByRole>(),
    derivedRoles: [],
  });
  const onRuntime = (): void => {
    table.readsRuntime = true;
    kindRules.derivedRoles = rolesInUse(policy, shared);
  };
  const names = policyNames(place, ['resourcePolicy'], shared.exports, policy, scope === '' ? onRuntime : undefined);
  const ruleNames = new Set<string>();

  for (const [position, rule] of rules.entries()) {
    const path = ['resourcePolicy', 'rules', position];
    const name = rule.name ?? `rule-${String(position + 1).padStart(3, '0')}`;
    if (ruleNames.has(name)) throw refusal(place, path, `there is a second rule \`${name}\``);
    ruleNames.add(name);
    // Cerbos says it for one role and not for another of the same derived role, in an order of its own.
    if ((rule.derivedRoles ?? []).length > 0 && rule.output?.when.conditionNotMet !== undefined)
      throw refusal(place, [...path, 'output', 'when', 'conditionNotMet'], 'not supported with derived roles');
    const row = withConsent(needsConsent(policy), {
      effect: rule.effect === 'EFFECT_ALLOW' ? 'allow' : 'deny',
      source: `${policyNameText}#${name}`,
      condition: conditionAt(names, path, rule.condition),
      parameters: names.parameters,
      derivedRole: undefined,
      ...outputsAt(names, path, rule.output),
    });
    const adders = new Map<DerivedRoleIn | undefined, ReturnType<typeof adding>>();
    const forRoles = rolesOf(place, path, rule, policy, shared).map(([role, derivedRole]) => ({
      role: shared.nameOf(role),
      add: valueOf(adders, derivedRole, () => adding(derivedRole === undefined ? row : { ...row, derivedRole })),
    }));
    for (const action of new Set(rule.actions)) {
      const byRole = entryOf(kindRules.actions, shared.nameOf(action), (): ByRole => new NameMap());
      for (const { role, add } of forRoles) byRole.set(role, add(byRole.get(role)));
    }
  }
  return policyNameText;
}

/**
 * Adds a row to lists; the lists of roles and actions that have the same rows are one. What is decided on does not fit
 * into a processor's caches where policies are many, and the less there is, the more of it does.
 */
function adding(row: Row): (rows: readonly Row[] | undefined) => readonly Row[] {
  const added = new Map<readonly Row[] | undefined, readonly Row[]>();
  // Not spread: a list that is made by spreading has room for many more.
  return (rows) => valueOf(added, rows, () => (rows === undefined ? [row] : rows.concat(row)));
}

/** The derived roles that rules of the policy are for: to Cerbos, others that it imports are never effective. */
function rolesInUse({ rules }: ResourcePolicy, { derivedRoles }: Shared): readonly DerivedRole[] {
  const names = new Set(rules.flatMap((rule) => rule.derivedRoles ?? []));
  return [...derivedRoles].filter(([name]) => names.has(name)).map(([, role]) => role);
}

/** The roles that a rule is for: its own, and the parents of its derived roles, on their condition. */
function rolesOf(
  place: Place,
  path: readonly PropertyKey[],
  { roles = [], derivedRoles = [] }: ResourcePolicy['rules'][number],
  { importDerivedRoles = [] }: ResourcePolicy,
  shared: Shared,
): readonly (readonly [string, DerivedRoleIn | undefined])[] {
  if (roles.length + derivedRoles.length === 0) throw refusal(place, path, 'the rule is for nobody');
  const found = distinctRoles(roles).map((role): readonly [string, DerivedRoleIn | undefined] => [role, undefined]);
  for (const name of new Set(derivedRoles)) {
    const derived = shared.derivedRoles.get(name);
    if (derived === undefined || !importDerivedRoles.includes(derived.set))
      throw refusal(place, [...path, 'derivedRoles'], `the derived role \`${name}\` is not imported`);
    for (const parent of derived.parentRoles) found.push([parent, derived.when]);
  }
  return found;
}

function addKind(table: Table, { resource, version, scope = '' }: ResourcePolicy, rules: KindRules): KindRules {
  const kinds = valueOf(resourceScope(table, scope).versions, version, () => new Map<string, KindRules>());
  kinds.set(sanitized(resource), rules);
  return rules;
}

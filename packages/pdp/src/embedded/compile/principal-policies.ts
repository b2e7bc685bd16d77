import type { PrincipalPolicy } from '../load/document.js';
import { refusal, type Place } from '../load/place.js';
import { ByName, entryOf, valueOf } from './by-name.js';
import { conditionAt, policyNames, type Exports } from './expressions.js';
import { isPattern } from './glob.js';
import { policyName, sanitized } from './names.js';
import { needsConsent, outputsAt, withConsent } from './rules.js';
import { principalScope } from './scopes.js';
import type { PrincipalVersion, Row, Table } from './table.js';

/**
 * Adds the rows of a principal policy.
 *
 * @returns the policy's name
 * @throws PortcullisError `policies_invalid`
 */
export function addPrincipalPolicy(table: Table, place: Place, policy: PrincipalPolicy, exports: Exports): string {
  const { principal, version, scope = '', rules } = policy;
  const policyNameText = policyName('principal', principal, version, scope);
  const names = policyNames(place, ['principalPolicy'], exports, policy);
  const { principals, kinds: allKinds } = addVersion(table, policy);
  const { kinds } = valueOf(principals, principal, () => ({ kinds: new ByName<ByName<Row[]>>() }));
  const seen = new Set<string>();
  const once = (path: readonly PropertyKey[], what: string): void => {
    if (seen.has(what)) throw refusal(place, path, `the policy has ${what} twice`);
    seen.add(what);
  };
  for (const [position, { resource, actions }] of rules.entries()) {
    const path = ['principalPolicy', 'rules', position];
    once(path, `rules on \`${resource}\``);
    refuseOddKind(place, [...path, 'resource'], resource);
    entryOf(allKinds, resource, () => true as const);
    for (const [actionPosition, rule] of actions.entries()) {
      const actionPath = [...path, 'actions', actionPosition];
      const name = rule.name ?? `${resource}_rule-${String(actionPosition + 1).padStart(3, '0')}`;
      once(actionPath, `the rule \`${name}\``);
      once(actionPath, `a rule on \`${rule.action}\` of \`${resource}\``);
      const row = withConsent(needsConsent(policy), {
        effect: rule.effect === 'EFFECT_ALLOW' ? 'allow' : 'deny',
        source: `${policyNameText}#${name}`,
        condition: conditionAt(names, actionPath, rule.condition),
        parameters: names.parameters,
        derivedRole: undefined,
        ...outputsAt(names, actionPath, rule.output),
      });
      const rows = entryOf(
        entryOf(kinds, resource, () => new ByName<Row[]>()),
        rule.action,
        (): Row[] => [],
      );
      rows.push(row);
    }
  }
  return policyNameText;
}

/** Kinds that Cerbos would rename in one place and not in another. */
export function refuseOddKind(place: Place, path: readonly PropertyKey[], kind: string): void {
  if (isPattern(kind) ? /[-@/:]/.test(kind) : sanitized(kind) !== kind)
    throw refusal(place, path, `the kind \`${kind}\` is only supported here if it is made of words and dots`);
}

function addVersion(table: Table, { version, scope = '' }: PrincipalPolicy): PrincipalVersion {
  return valueOf(principalScope(table, scope).versions, version, () => ({
    principals: new Map(),
    kinds: new ByName(),
  }));
}

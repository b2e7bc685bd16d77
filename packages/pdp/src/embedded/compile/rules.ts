import type { OutputOf } from '../load/document.js';
import { expressionAt, negation, type PolicyNames } from './expressions.js';
import type { Row } from './table.js';

/** The permissions of a scope whose allows need the consent of a scope above. */
export const parentalConsent = 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS';

/** Whether a policy can only narrow what the scopes above it give. */
export function needsConsent({ scopePermissions }: { readonly scopePermissions?: string | undefined }): boolean {
  return scopePermissions === parentalConsent;
}

/** Roles, each once; beside `*`, others say nothing more. */
export function distinctRoles(roles: readonly string[]): readonly string[] {
  return roles.includes('*') ? ['*'] : [...new Set(roles)];
}

/** Where a scope needs consent, an allow on a condition is a denial where the condition is not met. */
export function withConsent(needed: boolean, row: Row): Row {
  const { condition } = row;
  if (!needed || row.effect === 'deny' || condition === undefined) return row;
  return { ...row, effect: 'deny', condition: negation(condition) };
}

export function outputsAt(
  { place, names }: PolicyNames,
  path: readonly PropertyKey[],
  output: OutputOf,
): Pick<Row, 'whenActivated' | 'whenConditionNotMet'> {
  const at = (member: 'ruleActivated' | 'conditionNotMet') => {
    const text = output?.when[member];
    return text === undefined ? undefined : expressionAt(place, [...path, 'output', 'when', member], text, names);
  };
  return { whenActivated: at('ruleActivated'), whenConditionNotMet: at('conditionNotMet') };
}

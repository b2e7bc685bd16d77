import { compareText } from '../cel/value.js';
import type { EffectiveRole } from '../compile/table.js';
import type { Ground } from './ground.js';
import type { Question } from './question.js';

/**
 * The names of the derived roles that the principal has: of those that the kind's base policy imports, which alone may
 * ask for them.
 */
export function effectiveRoles({ place, kind }: Ground, question: Question): readonly string[] {
  const { table, version, parentRoles } = place;
  const rules = table.resourceScopes.get('')?.versions.get(version)?.get(kind);
  const roles = question.principal.roles.flatMap((role) => [role, ...(parentRoles?.get(role) ?? [])]);
  const isFor = ({ parentRoles: parents }: EffectiveRole): boolean =>
    parents.some((role) => role === '*' || roles.includes(role));
  return (rules?.derivedRoles ?? [])
    .filter((derived) => isFor(derived) && question.meets(derived.when))
    .map(({ when }) => when.name)
    .sort(compareText);
}

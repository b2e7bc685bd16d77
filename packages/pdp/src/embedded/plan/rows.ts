import type { AllowRule, Row } from '../compile/table.js';
import { isKindOfPrincipals, kindRulesIn, takesRolePolicies, type Ground } from '../evaluate/ground.js';
import type { Question } from '../evaluate/question.js';
import { isKnown, lookUp, payForPatterns } from '../evaluate/look-up.js';

/** What one scope says to a question. */
export interface ScopeRules {
  /** Whether its allows need the consent of a scope above. */
  readonly needsConsent: boolean;
  readonly rows: readonly Row[];
  /** What role policies allow, each by its conditions: all have to be met; `nothing` where one allows nothing. */
  readonly restrictions: readonly AllowRule[] | 'nothing';
}

/** What the principal's own policies say, the most specific scope first. */
export function principalRules(ground: Ground, action: string, question: Question): readonly ScopeRules[] {
  const found: ScopeRules[] = [];
  const { principalScope, hasPrincipalPolicy, version } = ground.place;
  if (!hasPrincipalPolicy) return found;
  for (let scope = principalScope; scope !== undefined; scope = scope.above) {
    const rules = scope.versions.get(version)?.principals.get(question.principal.id);
    if (rules === undefined) continue;
    const rows = lookUp(rules.kinds, ground.kind, question).flatMap((actions) =>
      lookUp(actions, action, question).flat(),
    );
    found.push({ needsConsent: scope.needsConsent, rows, restrictions: [] });
  }
  return found;
}

/** What resource and role policies say for a role and those that it stands for, the most specific scope first. */
export function roleRules(ground: Ground, role: string, action: string, question: Question): readonly ScopeRules[] {
  const found: ScopeRules[] = [];
  const roles = [role, ...(ground.place.parentRoles?.get(role) ?? [])];
  for (let scope = ground.place.resourceScope; scope !== undefined; scope = scope.above) {
    const rules = kindRulesIn(scope, ground.place.version, ground.kind);
    const actions = rules === undefined ? [] : lookUp(rules.actions, action, question);
    const rows = actions.flatMap((byRole) => [...new Set([...roles, '*'])].flatMap((name) => byRole.get(name) ?? []));
    found.push({
      needsConsent: scope.needsConsent,
      rows,
      restrictions: restrictionsIn(ground, scope, roles, action, question),
    });
  }
  return found;
}

type Scope = NonNullable<Ground['place']['resourceScope']>;

/** What the role policies of a scope allow all of some roles. */
function restrictionsIn(
  ground: Ground,
  scope: Scope,
  roles: readonly string[],
  action: string,
  question: Question,
): ScopeRules['restrictions'] {
  const all: AllowRule[] = [];
  for (const role of roles) {
    const rules = restrictionsOf(ground, scope, role, action, question);
    if (rules === 'nothing') return 'nothing';
    all.push(...rules);
  }
  return all;
}

/** What the role policy of a role allows it: nothing where there is one that does not speak of the action. */
function restrictionsOf(
  ground: Ground,
  scope: Scope,
  role: string,
  action: string,
  question: Question,
): ScopeRules['restrictions'] {
  const kinds = takesRolePolicies(ground) ? scope.roles.get(role) : undefined;
  if (kinds === undefined) return [];
  const isSpokenOf =
    kindRulesIn(scope, ground.place.version, ground.kind) !== undefined ||
    isKnown(scope.roleKinds, ground.kind, question) ||
    isKindOfPrincipals(ground, scope.name, question);
  if (!isSpokenOf) return [];
  const rules = lookUp(kinds, ground.kind, question)
    .flat()
    .filter(({ actions }) => {
      payForPatterns(actions.length, action, question);
      return actions.some((matches) => matches(action));
    });
  return rules.length === 0 ? 'nothing' : rules;
}

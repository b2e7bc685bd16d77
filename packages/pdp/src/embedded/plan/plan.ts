import type { Ground } from '../evaluate/ground.js';
import type { Question } from '../evaluate/question.js';
import { Conditions } from './condition.js';
import { allOf, anyOf, noneOf, type Formula } from './logic.js';
import { principalRules, roleRules, type ScopeRules } from './rows.js';

/**
 * Plans an action on the resources of a kind: what `decide` decides, with the row left open.
 *
 * The condition is true for a row only if a check of it would allow. Where an expression errs for a row in a place that
 * is negated (a denial, `none`), a check counts it as false and the condition errs: the row is left out.
 *
 * @param question - its resource has the attributes that all rows share, and no others
 * @throws Unplannable
 */
export function plan(ground: Ground, question: Question, action: string): Formula {
  const conditions = new Conditions(question);
  const byRoles = anyOf(
    question.principal.roles.map((role) => within(roleRules(ground, role, action, question), false, conditions)),
  );
  return within(principalRules(ground, action, question), byRoles, conditions);
}

/** What scopes say, the most specific first: a denial or an allow decides, all else is left to the next one. */
function within(scopes: readonly ScopeRules[], otherwise: Formula, conditions: Conditions): Formula {
  return scopes.reduceRight<Formula>((above, { needsConsent, rows, restrictions }) => {
    if (restrictions === 'nothing') return false;
    const when = (effect: 'allow' | 'deny'): Formula =>
      anyOf(rows.filter((row) => row.effect === effect).map((row) => conditions.whenRow(row)));
    const allowed = needsConsent ? false : when('allow');
    return allOf([
      ...restrictions.map((rule) => conditions.whenMet(rule)),
      noneOf([when('deny')]),
      anyOf([allowed, above]),
    ]);
  }, otherwise);
}

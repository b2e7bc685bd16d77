import type { CheckRequest, Decision } from '@portcullis/core';
import { failed } from '../cel/cel-value.js';
import { allOf, valueOf } from '../compile/by-name.js';
import type { ConditionIn, ConditionTree, Row } from '../compile/table.js';
import { breaksSchemas, check, groundFor, principalOf, questionFor, type Rulebook } from './check.js';
import { decide, type Recorder } from './decide.js';
import { kindRulesIn, type Ground } from './ground.js';
import { Occasion } from './occasion.js';
import type { Question } from './question.js';

/** Why a decision is what it is. */
export interface Explanation {
  readonly decision: Decision;
  /** What decided, as one sentence. */
  readonly reason: string;
  /** The rule or the role policy that decided; `undefined` where nothing did, which denies. */
  readonly decidedBy: string | undefined;
  /** The rules for the kind and the action, in the order in which they were looked at; those that were not, at the end. */
  readonly rules: readonly RuleExplanation[];
  readonly rolePolicies: readonly RolePolicyExplanation[];
  /** The scopes whose allow needed one of a scope above. */
  readonly scopesWithoutConsent: readonly string[];
}

/** What became of a rule. */
export interface RuleExplanation {
  /** The policy and the rule, as `resource.ticket.vdefault#rule-001`. */
  readonly rule: string;
  readonly scope: string;
  readonly effect: 'allow' | 'deny';
  /** The derived role that it is for, and what its condition was. */
  readonly derivedRole: { readonly name: string; readonly condition: ConditionExplanation | undefined } | undefined;
  readonly outcome: 'decided' | 'met' | 'condition_not_met' | 'derived_role_not_met' | 'role_not_held' | 'not_reached';
  /** What the condition was, part by part; `undefined` where there is none, or nobody asked. */
  readonly condition: ConditionExplanation | undefined;
}

/** What a condition was: `error` counts as not met. */
export interface ConditionExplanation {
  /** The expression; or how the parts are taken together. */
  readonly text: string;
  readonly result: 'true' | 'false' | 'error' | 'not_a_boolean';
  readonly of: readonly ConditionExplanation[];
}

/** What a role policy said. */
export interface RolePolicyExplanation {
  readonly policy: string;
  readonly scope: string;
  readonly forbids: boolean;
}

/**
 * Decides on all that a request asks, and says why.
 *
 * @throws PortcullisError `pdp_unavailable` where the request is malformed
 */
export function explain(
  rulebook: Rulebook,
  request: CheckRequest,
  callId: string,
): readonly (readonly Explanation[])[] {
  const occasion = new Occasion();
  const decisions = check(rulebook, request, callId, occasion);
  // At the time of the decisions, so that it comes to the same; what it costs is not a part of what they cost.
  const again = new Occasion(occasion.nowMs);
  const principal = principalOf(request.principal);
  const { grounds, rejects } = rulebook;
  const place = grounds.placeOf(request.scope, (request.policyVersion ?? rulebook.policyVersion) || 'default');
  return request.questions.map(({ resource, actions }, index) => {
    const question = questionFor(rulebook, request, principal, resource, again);
    const ground = groundFor(grounds, place, question);
    const isRejected = rejects && breaksSchemas(ground, question, actions);
    return (decisions[index] ?? []).map((decision) =>
      isRejected
        ? { decision, reason: 'the attributes break the schema of the policy', ...nothing }
        : explanationOf(decision, ground, question),
    );
  });
}

const nothing = { decidedBy: undefined, rules: [], rolePolicies: [], scopesWithoutConsent: [] };

function explanationOf(decision: Decision, ground: Ground, question: Question): Explanation {
  const { action, effect, scope } = decision;
  if (!ground.place.hasPrincipalPolicy && !ground.hasResourcePolicy)
    return { decision, reason: `no policy is about \`${ground.kind}\``, ...nothing };
  const steps = new Steps(question);
  decide(ground, question, action, steps);
  const decidedBy = effect === 'allow' ? steps.allowedIn(scope) : steps.denied();
  const roles = rolesOf(ground, question);
  const unseen = rowsFor(ground, action).filter(({ row }) => !steps.has(row));
  const rules = [
    ...steps.rules,
    ...unseen.map(({ row, scope: at, roles: of }) =>
      unseenRule(row, at, of.some((role) => roles.has(role)) ? 'not_reached' : 'role_not_held'),
    ),
  ];
  const { rolePolicies, scopesWithoutConsent } = steps;
  return {
    decision,
    reason: reasonFor(effect, decidedBy, scopesWithoutConsent),
    decidedBy,
    rules,
    rolePolicies,
    scopesWithoutConsent,
  };
}

function reasonFor(effect: 'allow' | 'deny', decidedBy: string | undefined, unconsented: readonly string[]): string {
  if (decidedBy !== undefined) return `\`${decidedBy}\` ${effect === 'allow' ? 'allows' : 'denies'} it`;
  const consent = unconsented.map((scope) => `, and what the scope \`${scope}\` allows, no scope above it does`);
  return `no rule allows it${consent.join('')}`;
}

/** Keeps each step on the way to a verdict. */
class Steps implements Recorder {
  readonly rules: RuleExplanation[] = [];
  readonly rolePolicies: RolePolicyExplanation[] = [];
  readonly scopesWithoutConsent: string[] = [];
  readonly #seen = new Set<Row>();
  /** What denied first, for whichever role: it stands, unless another role is allowed. */
  #denial: string | undefined;
  readonly #question: Question;

  constructor(question: Question) {
    this.#question = question;
  }

  row(row: Row, scope: string, outcome: 'met' | 'condition_not_met' | 'derived_role_not_met'): void {
    // A rule for everybody is looked at with each role.
    if (this.#seen.has(row)) return;
    this.#seen.add(row);
    const { source: rule, effect } = row;
    const derivedRole =
      row.derivedRole === undefined
        ? undefined
        : { name: row.derivedRole.name, condition: conditionOf(row.derivedRole, this.#question) };
    const condition = outcome === 'derived_role_not_met' ? undefined : conditionOf(row, this.#question);
    this.rules.push({ rule, scope, effect, derivedRole, outcome, condition });
    if (outcome === 'met' && effect === 'deny') this.#denial ??= rule;
  }

  rolePolicy(policy: string, scope: string, forbids: boolean): void {
    if (this.rolePolicies.some((known) => known.policy === policy)) return;
    this.rolePolicies.push({ policy, scope, forbids });
    if (forbids) this.#denial ??= policy;
  }

  needsConsent(scope: string): void {
    if (!this.scopesWithoutConsent.includes(scope)) this.scopesWithoutConsent.push(scope);
  }

  has(row: Row): boolean {
    return this.#seen.has(row);
  }

  /** The rule that allows, in the scope that decided. */
  allowedIn(scope: string): string | undefined {
    return this.#mark((rule) => rule.effect === 'allow' && rule.scope === scope);
  }

  denied(): string | undefined {
    const denial = this.#denial;
    return denial === undefined ? undefined : (this.#mark(({ rule }) => rule === denial) ?? denial);
  }

  /** Marks the first rule that was met and is the one. */
  #mark(isTheOne: (rule: RuleExplanation) => boolean): string | undefined {
    const index = this.rules.findIndex((rule) => rule.outcome === 'met' && isTheOne(rule));
    const found = this.rules[index];
    if (found === undefined) return undefined;
    this.rules[index] = { ...found, outcome: 'decided' };
    return found.rule;
  }
}

/** A rule, the roles that it is for, and where. */
interface RowFor {
  readonly row: Row;
  readonly roles: string[];
  readonly scope: string;
}

/** All rules for the kind and the action. */
function rowsFor({ place: { resourceScope, version }, kind }: Ground, action: string): readonly RowFor[] {
  const rows = new Map<Row, RowFor>();
  for (let scope = resourceScope; scope !== undefined; scope = scope.above) {
    const { name } = scope;
    const rules = kindRulesIn(scope, version, kind);
    for (const byRole of rules === undefined ? [] : allOf(rules.actions, action))
      for (const [role, own] of byRole)
        for (const row of own) valueOf(rows, row, () => ({ row, roles: [], scope: name })).roles.push(role);
  }
  return [...rows.values()];
}

function rolesOf({ place: { parentRoles } }: Ground, { principal }: Question): ReadonlySet<string> {
  return new Set(['*', ...principal.roles.flatMap((role) => [role, ...(parentRoles?.get(role) ?? [])])]);
}

function unseenRule(row: Row, scope: string, outcome: 'not_reached' | 'role_not_held'): RuleExplanation {
  const derivedRole = row.derivedRole === undefined ? undefined : { name: row.derivedRole.name, condition: undefined };
  return { rule: row.source, scope, effect: row.effect, derivedRole, outcome, condition: undefined };
}

function conditionOf(conditionIn: ConditionIn, question: Question): ConditionExplanation | undefined {
  const { condition, parameters } = conditionIn;
  return condition === undefined ? undefined : treeOf(condition.tree, (tree) => question.evaluate(tree, parameters));
}

function treeOf(
  tree: ConditionTree,
  evaluate: (expression: Extract<ConditionTree, { readonly op: 'expr' }>['expression']) => unknown,
): ConditionExplanation {
  if (tree.op === 'expr') {
    const value = evaluate(tree.expression);
    const result = value === failed ? 'error' : typeof value === 'boolean' ? boolText(value) : 'not_a_boolean';
    return { text: tree.expression.text, result, of: [] };
  }
  const of = tree.of.map((part) => treeOf(part, evaluate));
  const isMet = { all: of.every(isTrue), any: of.some(isTrue), none: !of.some(isTrue) }[tree.op];
  return { text: tree.op, result: boolText(isMet), of };
}

function boolText(value: boolean): 'true' | 'false' {
  return value ? 'true' : 'false';
}

function isTrue({ result }: ConditionExplanation): boolean {
  return result === 'true';
}

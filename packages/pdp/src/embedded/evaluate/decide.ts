import type { CelResult } from '../cel/cel-value.js';
import { policyName } from '../compile/names.js';
import { rolePolicyName } from '../compile/role-policies.js';
import type { ByName } from '../compile/by-name.js';
import type { AllowRule, ByRole, ResourceScope, Row } from '../compile/table.js';
import { isKindOfPrincipals, kindRulesIn, takesRolePolicies, type Ground } from './ground.js';
import { isKnown, lookUp, payForPatterns } from './look-up.js';
import type { Question } from './question.js';

/** What was decided on one action. */
export interface Verdict {
  readonly effect: 'allow' | 'deny';
  /** The policy that decided; empty where there is none. */
  readonly policy: string;
  readonly scope: string;
  readonly outputs: readonly Output[];
}

/** What a rule said beside its effect. */
export interface Output {
  readonly source: string;
  readonly value: CelResult;
}

/** One action on its way to a verdict. */
interface Asking {
  readonly ground: Ground;
  readonly question: Question;
  readonly action: string;
  outputs: Output[] | undefined;
  /** What each scope says of the action, from the most specific one upwards: kept where several roles ask. */
  actions: (readonly ByRole[])[] | undefined;
  readonly recorder: Recorder | undefined;
}

/** Hears of each step on the way to a verdict; it changes nothing. */
export interface Recorder {
  /** A rule was looked at. */
  row(row: Row, scope: string, outcome: 'met' | 'condition_not_met' | 'derived_role_not_met'): void;
  /** A role policy was looked at. */
  rolePolicy(policy: string, scope: string, forbids: boolean): void;
  /** A scope allows, and needs the consent of a scope above. */
  needsConsent(scope: string): void;
}

const noOutputs: readonly never[] = [];

/**
 * Decides on one action: first by the principal's own policies, then for one role after the other, of which the first
 * that is allowed wins; within a role, the most specific scope that says something decides.
 *
 * @see internal/ruletable/check.go of https://github.com/cerbos/cerbos, whose semantics these are
 */
export function decide(ground: Ground, question: Question, action: string, recorder?: Recorder): Verdict {
  if (!ground.place.hasPrincipalPolicy && !ground.hasResourcePolicy) return verdict('deny', '', '');
  const asking: Asking = { ground, question, action, outputs: undefined, actions: undefined, recorder };
  const decided = decideByPrincipal(asking) ?? decideByRoles(asking) ?? verdict('deny', ground.resourcePolicy, '');
  return asking.outputs === undefined ? decided : { ...decided, outputs: asking.outputs };
}

function verdict(effect: 'allow' | 'deny', policy: string, scope: string): Verdict {
  return { effect, policy, scope, outputs: noOutputs };
}

/** What the principal's own policies say; nothing, if they leave it to others. */
function decideByPrincipal(asking: Asking): Verdict | undefined {
  const { ground, question, action } = asking;
  if (!ground.place.hasPrincipalPolicy) return undefined;
  for (let scope = ground.place.principalScope; scope !== undefined; scope = scope.above) {
    const rules = scope.versions.get(question.policyVersion)?.principals.get(question.principal.id);
    if (rules === undefined) continue;
    let allowed = false;
    for (const actions of lookUp(rules.kinds, ground.kind, question)) {
      for (const rows of lookUp(actions, action, question)) {
        const effect = apply(rows, asking, scope.name);
        if (effect === 'deny') return own('deny', scope.name, asking);
        allowed ||= effect === 'allow';
      }
    }
    if (allowed && !scope.needsConsent) return own('allow', scope.name, asking);
    if (allowed) asking.recorder?.needsConsent(scope.name);
  }
  return undefined;
}

function own(effect: 'allow' | 'deny', scope: string, { ground: { place }, question }: Asking): Verdict {
  const { version, principalScope } = place;
  return verdict(effect, policyName('principal', question.principal.id, version, principalScope?.name ?? ''), scope);
}

/** The first allow of a role; otherwise the first denial. */
function decideByRoles(asking: Asking): Verdict | undefined {
  let denied: Verdict | undefined;
  for (const role of asking.question.principal.roles) {
    const decided = decideForRole(asking, role);
    if (decided?.effect === 'allow') return decided;
    denied ??= decided;
  }
  return denied;
}

/** What one pass over the scopes, for one role, comes to. */
function decideForRole(asking: Asking, role: string): Verdict | undefined {
  const { ground } = asking;
  const { resourceScope, parentRoles, version } = ground.place;
  const policy = ground.resourcePolicy;
  const parents = parentRoles?.get(role);
  let depth = 0;
  for (let scope = resourceScope; scope !== undefined; scope = scope.above) {
    const rules = scope === resourceScope ? ground.actions : kindRulesIn(scope, version, ground.kind)?.actions;
    const actions = actionsIn(asking, rules, depth++);
    const own = decideInScope(asking, scope, rules, actions, role, true);
    let allowed = own === 'allow';
    let denied = own === 'deny' ? policy : own === 'forbid' ? rolePolicyName(role, scope.name) : undefined;
    if (parents !== undefined && denied === undefined) {
      for (const parent of parents) {
        const effect = decideInScope(asking, scope, rules, actions, parent, false);
        allowed ||= effect === 'allow';
        if (effect === 'deny') denied = policy;
        else if (effect === 'forbid') denied = rolePolicyName(parent, scope.name);
        if (denied !== undefined) break;
      }
    }
    if (denied !== undefined) return verdict('deny', denied, scope.name);
    if (allowed && !scope.needsConsent) return verdict('allow', policy, scope.name);
    if (allowed) asking.recorder?.needsConsent(scope.name);
  }
  return undefined;
}

/** What a scope says of the action, looked up once for all roles: patterns take their time. */
function actionsIn(asking: Asking, rules: ByName<ByRole> | undefined, depth: number): readonly ByRole[] {
  if (rules === undefined) return noOutputs;
  const known = asking.actions?.[depth];
  if (known !== undefined) return known;
  const found = lookUp(rules, asking.action, asking.question);
  if (asking.question.principal.roles.length > 1) (asking.actions ??= [])[depth] = found;
  return found;
}

/** What a scope says for one role; `forbid` is a role policy's. What is for everybody is looked at with the first role. */
function decideInScope(
  asking: Asking,
  scope: ResourceScope,
  rules: ByName<ByRole> | undefined,
  actions: readonly ByRole[],
  role: string,
  isFirst: boolean,
): 'allow' | 'deny' | 'forbid' | undefined {
  if (scope.roles.size > 0) {
    const isForbidden = forbids(asking, scope, rules, role);
    if (asking.recorder !== undefined && scope.roles.has(role))
      asking.recorder.rolePolicy(rolePolicyName(role, scope.name), scope.name, isForbidden);
    if (isForbidden) return 'forbid';
  }
  let allowed = false;
  for (const byRole of actions) {
    const own = byRole.get(role);
    if (own !== undefined) {
      const effect = apply(own, asking, scope.name);
      if (effect === 'deny') return 'deny';
      allowed ||= effect === 'allow';
    }
    const everybodys = isFirst && role !== '*' ? byRole.get('*') : undefined;
    if (everybodys !== undefined) {
      const effect = apply(everybodys, asking, scope.name);
      if (effect === 'deny') return 'deny';
      allowed ||= effect === 'allow';
    }
  }
  return allowed ? 'allow' : undefined;
}

/** Whether a role policy forbids: what it does not allow, and what it allows on a condition that is not met. */
function forbids(
  { ground, question, action }: Asking,
  scope: ResourceScope,
  rules: ByName<ByRole> | undefined,
  role: string,
): boolean {
  if (!takesRolePolicies(ground)) return false;
  const kinds = scope.roles.get(role);
  // Where no policy of the scope speaks of the kind, Cerbos leaves it to the scopes above; anybody's own policy counts.
  if (kinds === undefined) return false;
  const isSpokenOf =
    rules !== undefined ||
    isKnown(scope.roleKinds, ground.kind, question) ||
    isKindOfPrincipals(ground, scope.name, question);
  if (!isSpokenOf) return false;
  let any = false;
  for (const ofKind of lookUp(kinds, ground.kind, question)) {
    for (const rule of ofKind) {
      payForPatterns(rule.actions.length, action, question);
      if (!speaksOf(rule, action)) continue;
      if (!question.meets(rule)) return true;
      any = true;
    }
  }
  return !any;
}

function speaksOf({ actions }: AllowRule, action: string): boolean {
  return actions.some((matches) => matches(action));
}

/** Goes through rows: the first denial that is met ends it. */
function apply(rows: readonly Row[], asking: Asking, scope: string): 'allow' | 'deny' | undefined {
  const { question } = asking;
  let allowed = false;
  for (const row of rows) {
    const isForDerived = row.derivedRole === undefined || question.meets(row.derivedRole);
    const met = isForDerived && question.meets(row);
    asking.recorder?.row(row, scope, met ? 'met' : isForDerived ? 'condition_not_met' : 'derived_role_not_met');
    const said = met ? row.whenActivated : row.whenConditionNotMet;
    if (said !== undefined)
      (asking.outputs ??= []).push({ source: row.source, value: question.evaluate(said, row.parameters) });
    if (!met) continue;
    if (row.effect === 'deny') return 'deny';
    allowed = true;
  }
  return allowed ? 'allow' : undefined;
}

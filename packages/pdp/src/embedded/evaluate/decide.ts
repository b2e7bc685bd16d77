import type { CelResult } from '../cel/value.js';
import { eachOf, hasAny } from '../compile/by-name.js';
import { policyName, sanitized, scopeChain } from '../compile/names.js';
import { rolePolicyName } from '../compile/role-policies.js';
import type { AllowRule, ByName, ByRole, Row, Table } from '../compile/table.js';
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

/** What one pass over the scopes, for one role, came to. */
interface Finding {
  readonly effect: 'allow' | 'deny' | undefined;
  readonly policy: string;
  readonly scope: string;
}

/** Where a question is answered: what of the table can concern it. */
export interface Ground {
  readonly table: Table;
  readonly kind: string;
  readonly principalScopes: readonly string[];
  readonly principalPolicy: string;
  readonly resourceScopes: readonly string[];
  readonly resourcePolicy: string;
  /** Whether any policy can concern the question: without, there is no policy to name. */
  readonly anyPrincipalPolicy: boolean;
  readonly anyResourcePolicy: boolean;
}

/** Looks up what of the table can concern a question. */
export function groundOf(table: Table, { principal, resource, scope, policyVersion }: Question): Ground {
  const chain = scopeChain(scope);
  const kind = sanitized(resource.kind);
  const principalScopes = chain.filter((one) => table.principalScopes.has(one));
  const resourceScopes = chain.filter((one) => table.resourceScopes.has(one));
  const [firstPrincipal] = principalScopes;
  const [firstResource] = resourceScopes;
  return {
    table,
    kind,
    principalScopes,
    principalPolicy:
      firstPrincipal === undefined ? '' : policyName('principal', principal.id, policyVersion, firstPrincipal),
    resourceScopes,
    resourcePolicy:
      firstResource === undefined ? '' : policyName('resource', resource.kind, policyVersion, firstResource),
    anyPrincipalPolicy: principalScopes.some((one) => table.principals.get(policyVersion)?.has(one) === true),
    anyResourcePolicy: resourceScopes.some((one) => anyResourcePolicy(table, policyVersion, one, kind)),
  };
}

function anyResourcePolicy(table: Table, version: string, scope: string, kind: string): boolean {
  const kinds = table.resources.get(version)?.get(scope);
  if (kinds !== undefined && hasAny(kinds, kind)) return true;
  if (version !== rolePolicyVersion) return false;
  for (const rules of table.roles.get(scope)?.values() ?? []) if (hasAny(rules, kind)) return true;
  return false;
}

/** The version that role policies are of. */
const rolePolicyVersion = 'default';

/**
 * Decides on one action: first by the principal's own policies, then for one role after the other, of which the first
 * that is allowed wins; within a role, the most specific scope that says something decides.
 *
 * @see internal/ruletable/check.go of https://github.com/cerbos/cerbos, whose semantics these are
 */
export function decide(ground: Ground, question: Question, action: string): Verdict {
  if (!ground.anyPrincipalPolicy && !ground.anyResourcePolicy)
    return { effect: 'deny', policy: '', scope: '', outputs: [] };
  const outputs: Output[] = [];
  const own = decideByPrincipal(ground, question, action, outputs);
  if (own.effect !== undefined) return { effect: own.effect, policy: own.policy, scope: own.scope, outputs };
  let decided: Finding | undefined;
  for (const role of question.principal.roles) {
    const finding = decideForRole(ground, question, action, role, outputs);
    if (finding.effect === 'allow') return { effect: 'allow', policy: finding.policy, scope: finding.scope, outputs };
    if (decided?.effect === undefined) decided = finding;
  }
  return { effect: 'deny', policy: decided?.policy ?? '', scope: decided?.scope ?? '', outputs };
}

function decideByPrincipal(ground: Ground, question: Question, action: string, outputs: Output[]): Finding {
  const { table, kind, principalScopes, principalPolicy: policy } = ground;
  const scopes = table.principals.get(question.policyVersion);
  let allowed = false;
  for (const scope of principalScopes) {
    const kinds = scopes?.get(scope)?.get(question.principal.id);
    if (kinds === undefined) continue;
    const rows: Row[] = [];
    eachOf(kinds, kind, (actions) => eachOf(actions, action, (found) => rows.push(...found)));
    const effect = apply(rows, question, outputs);
    if (effect === 'deny') return { effect, policy, scope };
    allowed ||= effect === 'allow';
    if (allowed && !table.consentScopes.has(scope)) return { effect: 'allow', policy, scope };
    allowed = false;
  }
  return { effect: undefined, policy, scope: '' };
}

function decideForRole(ground: Ground, question: Question, action: string, role: string, outputs: Output[]): Finding {
  const { table, kind, resourceScopes, anyResourcePolicy: any, resourcePolicy } = ground;
  const policy = any ? resourcePolicy : '';
  const scopes = table.resources.get(question.policyVersion);
  const roles = [role, ...(table.parentRoles.get(question.scope)?.get(role) ?? [])];
  for (const scope of resourceScopes) {
    const kinds = scopes?.get(scope);
    let allowed = false;
    for (const [position, one] of roles.entries()) {
      if (forbids(ground, question, scope, one, action))
        return { effect: 'deny', policy: rolePolicyName(one, scope), scope };
      if (kinds === undefined) continue;
      // What is for everybody is looked at once, with the first role.
      const effect = apply(rowsFor(kinds, kind, action, position === 0 ? [one, '*'] : [one]), question, outputs);
      if (effect === 'deny') return { effect, policy, scope };
      allowed ||= effect === 'allow';
    }
    if (allowed && !table.consentScopes.has(scope)) return { effect: 'allow', policy, scope };
  }
  return { effect: undefined, policy, scope: '' };
}

function rowsFor(kinds: ByName<ByName<ByRole>>, kind: string, action: string, roles: readonly string[]): Row[] {
  const rows: Row[] = [];
  eachOf(kinds, kind, (actions) =>
    eachOf(actions, action, (byRole) => {
      for (const role of roles) {
        const found = byRole.get(role);
        if (found !== undefined) rows.push(...found);
      }
    }),
  );
  return rows;
}

/** Whether a role policy forbids: what it does not allow, and what it allows on a condition that is not met. */
function forbids({ table, kind }: Ground, question: Question, scope: string, role: string, action: string): boolean {
  if (question.policyVersion !== rolePolicyVersion) return false;
  const kinds = table.roles.get(scope)?.get(role);
  // Where no policy of the scope speaks of the kind, Cerbos leaves it to the scopes above; anybody's own policy counts.
  if (kinds === undefined) return false;
  const ofPrincipals = table.principalKinds.get(question.policyVersion)?.get(scope);
  const isSpokenOf = ofPrincipals !== undefined && hasAny(ofPrincipals, kind);
  if (!isSpokenOf && !anyResourcePolicy(table, question.policyVersion, scope, kind)) return false;
  const rules: AllowRule[] = [];
  eachOf(kinds, kind, (found) => rules.push(...found));
  const matching = rules.filter(({ actions }) => actions.some((matches) => matches(action)));
  return matching.length === 0 || !matching.every((rule) => question.meets(rule));
}

/** Goes through rows: the first denial that is met ends it. */
function apply(rows: readonly Row[], question: Question, outputs: Output[]): 'allow' | 'deny' | undefined {
  let allowed = false;
  for (const row of rows) {
    const met = (row.derivedRole === undefined || question.meets(row.derivedRole)) && question.meets(row);
    const said = met ? row.whenActivated : row.whenConditionNotMet;
    if (said !== undefined) outputs.push({ source: row.source, value: question.evaluate(said, row.parameters) });
    if (!met) continue;
    if (row.effect === 'deny') return 'deny';
    allowed = true;
  }
  return allowed ? 'allow' : undefined;
}

import {
  PlanExpression as CerbosExpression,
  PlanExpressionValue,
  PlanExpressionVariable,
  type CheckResourcesResponse,
  type CheckResourcesResult,
  type PlanExpressionOperand,
  type Principal as CerbosPrincipal,
  type ResourceCheck,
  type Value,
} from '@cerbos/core';
import {
  type Attributes,
  type AttributeValue,
  type CheckRequest,
  type Decision,
  type PlanExpression,
  type Principal,
  type Resource,
  type ResourceQuestion,
} from '@portcullis/core';
import { whyUnsayable } from '../client/why-unsayable.js';
import { obligationsOf } from '../obligations.js';
import { refused, unavailable } from '../unavailable.js';

/** The name of the engine in decisions. */
export const engineName = 'cerbos';

/**
 * The role of a principal that has none in the tenant. Cerbos refuses a request without roles; no policy should name
 * this one, and `*` in a rule means it too.
 */
export const noRole = 'none';

/**
 * The principal, as Cerbos takes it.
 *
 * @throws PortcullisError `pdp_unavailable` for what would arrive as another
 */
export function toPrincipal(principal: Principal, scope: string, policyVersion: string): CerbosPrincipal {
  requireSayable('the principal', principal.attr, [principal.id, ...principal.roles, scope, policyVersion]);
  return {
    id: principal.id,
    roles: principal.roles.length === 0 ? [noRole] : [...principal.roles],
    attr: principal.attr as Record<string, Value>,
    scope,
    policyVersion,
  };
}

/**
 * A question, as Cerbos takes it. The attribute `tenant` is always the resource's owner, whatever else was said.
 *
 * @throws PortcullisError `pdp_unavailable` for what would arrive as another
 */
export function toResourceCheck(
  { resource, actions }: ResourceQuestion,
  scope: string,
  policyVersion: string,
): ResourceCheck {
  const { kind, id } = resource;
  return {
    resource: { kind, id, attr: toResourceAttributes(resource, [id, ...actions]), scope, policyVersion },
    actions: [...actions],
  };
}

/**
 * The attributes of a resource, or of all that a plan is about, and `tenant` with them.
 *
 * @param texts - what else is said of it
 * @throws PortcullisError `pdp_unavailable` for what would arrive as another, also in the kind or in `texts`
 */
export function toResourceAttributes(
  { kind, attr = {}, tenant }: Pick<Resource, 'kind' | 'attr' | 'tenant'>,
  texts: readonly string[],
): Record<string, Value> {
  requireSayable('the resource', attr, [kind, tenant, ...texts]);
  return { ...(attr as Record<string, Value>), tenant };
}

/**
 * The wire is UTF-8, in which every half of a surrogate pair is the same character: without this the owner `a\ud800`
 * would be the principal `a\ud801`.
 */
function requireSayable(what: string, attr: Attributes, texts: readonly string[]): void {
  const why = whyUnsayable(attr) ?? whyUnsayable(texts);
  if (why !== undefined) throw refused(`the question cannot be asked: ${what} holds ${why}`);
}

/**
 * Reads an answer by position, and only if it is complete: every resource as it was asked, every action, and nothing
 * that is neither allow nor deny.
 *
 * @throws PortcullisError `pdp_unavailable`
 */
export function toDecisions(
  request: CheckRequest,
  questions: readonly ResourceQuestion[],
  response: CheckResourcesResponse,
  policyVersion: string,
  durationMs: number,
): readonly (readonly Decision[])[] {
  if (response.results.length !== questions.length)
    throw unavailable('the number of results differs from the number of questions');
  return questions.map((question, index) => {
    const result = response.results[index];
    if (result?.resource.kind !== question.resource.kind || result.resource.id !== question.resource.id) {
      throw unavailable('a result is for another resource than was asked');
    }
    if (result.outputs.some((output) => output.value === undefined)) {
      // An output that could not be computed may have been an obligation.
      return question.actions.map((action) =>
        toDecision(request, question, action, result, response.cerbosCallId, policyVersion, durationMs, true),
      );
    }
    return question.actions.map((action) =>
      toDecision(request, question, action, result, response.cerbosCallId, policyVersion, durationMs, false),
    );
  });
}

function toDecision(
  request: CheckRequest,
  { resource }: ResourceQuestion,
  action: string,
  result: CheckResourcesResult,
  callId: string,
  policyVersion: string,
  durationMs: number,
  brokenOutput: boolean,
): Decision {
  const effect: unknown = Object.hasOwn(result.actions, action) ? result.actions[action] : undefined;
  if (effect !== 'EFFECT_ALLOW' && effect !== 'EFFECT_DENY') throw unavailable('an action has no effect in the answer');
  const metadata = result.metadata?.actions[action];
  const outputs = result.outputs
    .filter((output) => output.action === action || output.action === '')
    .map((output) => ({ source: output.source, action, value: output.value ?? null }));
  return {
    effect: effect === 'EFFECT_ALLOW' ? 'allow' : 'deny',
    action,
    resource: { kind: resource.kind, id: resource.id },
    policy: metadata?.matchedPolicy === 'NO_MATCH' ? '' : (metadata?.matchedPolicy ?? ''),
    policyVersion,
    scope: metadata?.matchedScope ?? request.scope,
    outputs,
    obligations: brokenOutput
      ? [...obligationsOf(outputs), { id: 'output', type: 'malformed', properties: {} }]
      : obligationsOf(outputs),
    callId,
    durationMs,
    engine: engineName,
  };
}

/**
 * A query plan's condition, as core says it.
 *
 * @throws PortcullisError `pdp_unavailable` for a condition of an unknown shape
 */
export function toPlanExpression(operand: PlanExpressionOperand): PlanExpression {
  if (operand instanceof CerbosExpression) {
    return { type: 'operation', operator: operand.operator, operands: operand.operands.map(toPlanExpression) };
  }
  if (operand instanceof PlanExpressionVariable) return { type: 'variable', name: operand.name };
  if (operand instanceof PlanExpressionValue) return { type: 'value', value: operand.value as AttributeValue };
  throw unavailable('the plan has an operand of an unknown shape');
}

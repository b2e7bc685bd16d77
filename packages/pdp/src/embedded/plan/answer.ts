import type { Plan, PlanRequest } from '@portcullis/core';
import { unavailable } from '../../unavailable.js';
import { readAttributes } from '../evaluate/attributes.js';
import { breaks, principalOf, type Rulebook } from '../evaluate/check.js';
import { engine } from '../evaluate/decisions.js';
import { groundOf } from '../evaluate/ground.js';
import { Question } from '../evaluate/question.js';
import { malformation } from '../evaluate/request.js';
import { outcomeOf, plan } from './plan.js';
import { Unplannable } from './unplannable.js';

/**
 * Plans what a request asks.
 *
 * @throws PortcullisError `pdp_unavailable` where the request is malformed, or a policy depends on the row in a way that
 * no plan can say; the detail names the rule and the construct
 */
export function answerPlan(rulebook: Rulebook, request: PlanRequest, callId: string): Plan {
  const startedAt = performance.now();
  const { kind, action, tenant, attr, scope } = request;
  const policyVersion = request.policyVersion ?? rulebook.policyVersion;
  const resource = { kind, id: '*', tenant };
  const wrong = malformation({ ...request, questions: [{ resource, actions: [action] }] }, policyVersion);
  if (wrong !== undefined) throw unavailable(wrong);
  const question = new Question({
    principal: principalOf(request.principal),
    resource: { kind, id: '*', attr: readAttributes({ ...attr, tenant }) },
    scope,
    policyVersion: policyVersion || 'default',
    globals: rulebook.globals,
  });
  const outcome = plannable(() => outcomeFor(rulebook, question, action));
  return { callId, durationMs: performance.now() - startedAt, engine, ...outcome };
}

function outcomeFor({ table, rejects }: Rulebook, question: Question, action: string) {
  const ground = groundOf(table, question);
  const { schemas } = ground;
  if (!rejects || schemas === undefined) return plan(ground, question, action);
  if (breaks(schemas.principal, question.principal.attr, [action])) return outcomeOf(false);
  if (schemas.resource !== undefined && !schemas.resource.ignoredActions.some((matches) => matches(action)))
    throw new Unplannable(`\`${ground.resourcePolicy}\` has a schema for what is listed`);
  return plan(ground, question, action);
}

function plannable<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Unplannable) throw unavailable(`no plan: ${error.message}`, error);
    throw error;
  }
}

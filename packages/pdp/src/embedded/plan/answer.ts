import type { Plan, PlanExpression, PlanRequest } from '@portcullis/core';
import { refused, unavailable } from '../../unavailable.js';
import type { AttributeSchema } from '../compile/table.js';
import { AskedResource } from '../evaluate/asked-resource.js';
import { breaks, principalOf, type Rulebook } from '../evaluate/check.js';
import { engine } from '../evaluate/decisions.js';
import type { Ground } from '../evaluate/ground.js';
import { Question } from '../evaluate/question.js';
import { malformation } from '../evaluate/request.js';
import { allOf, metBy, type Formula } from './logic.js';
import { plan } from './plan.js';
import { keepsTo } from './schema.js';
import { at, Unplannable } from './unplannable.js';

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
  if (wrong !== undefined) throw refused(wrong);
  const question = new Question({
    principal: principalOf(request.principal),
    resource: new AskedResource({ ...resource, attr }),
    scope,
    policyVersion: policyVersion || 'default',
    globals: rulebook.globals,
  });
  const outcome = plannable(() => outcomeFor(rulebook, question, action));
  return { callId, durationMs: performance.now() - startedAt, engine, ...outcome };
}

/** For which resources something is allowed. */
type PlanOutcome =
  | { readonly outcome: 'always_allowed' | 'always_denied' }
  | { readonly outcome: 'conditional'; readonly condition: PlanExpression };

function outcomeOf(formula: Formula): PlanOutcome {
  if (typeof formula === 'boolean') return { outcome: formula ? 'always_allowed' : 'always_denied' };
  return { outcome: 'conditional', condition: formula.expression };
}

function outcomeFor({ grounds, rejects }: Rulebook, question: Question, action: string): PlanOutcome {
  const ground = grounds.groundOf(
    grounds.placeOf(question.scope, question.policyVersion),
    question.resource.kind,
    question,
  );
  const { schemas } = ground;
  const allowed = plan(ground, question, action);
  if (!rejects || schemas === undefined || allowed === false) return outcomeOf(allowed);
  if (breaks(schemas.principal, question.principal.attr, [action], question.work)) return outcomeOf(false);
  return outcomeOf(allOf([keptBy(schemas.resource, ground, question, action), allowed]));
}

/** Rows that break their schema are denied whatever the rules say. */
function keptBy(schema: AttributeSchema | undefined, ground: Ground, question: Question, action: string): Formula {
  if (schema === undefined || schema.ignoredActions.some((matches) => matches(action))) return true;
  return at(`the schema of \`${ground.resourcePolicy}\``, () =>
    metBy(keepsTo(schema.document, question.resource.attr)),
  );
}

function plannable<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Unplannable) throw unavailable(`no plan: ${error.message}`, error);
    throw error;
  }
}

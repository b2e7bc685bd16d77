import {
  PortcullisError,
  principalOf,
  type Attributes,
  type AttributeValue,
  type Decision,
  type Plan,
  type PolicyDecisionPoint,
  type Principal,
  type ResourceQuestion,
  type TenantContext,
} from '@portcullis/core';
import { toResourceQuestion, type Question } from '../mapping/question.js';

/**
 * Asks the PDP several questions of one principal in one request.
 *
 * @returns one decision a question, in the same order
 * @throws PortcullisError `cross_tenant` before anything is asked; `pdp_unavailable`; `mapping_error`
 */
export async function ask(
  pdp: PolicyDecisionPoint,
  questions: readonly Question[],
  context: TenantContext,
  signal: AbortSignal | undefined,
): Promise<readonly Decision[]> {
  const asked = questions.map((question) => toResourceQuestion(question, context));
  return askResources(pdp, asked, context, signal, principalFor(questions, context));
}

/** As `ask`, for questions that are in the PDP's words already, with one action each. */
async function askResources(
  pdp: PolicyDecisionPoint,
  questions: readonly ResourceQuestion[],
  context: TenantContext,
  signal: AbortSignal | undefined,
  principal: Principal = principalOf(context),
): Promise<readonly Decision[]> {
  if (questions.length === 0) return [];
  const answers = await pdp.check(
    { principal, scope: context.tenant.id, questions, requestId: context.requestId },
    signal === undefined ? {} : { signal },
  );
  if (answers.length !== questions.length) throw incomplete();
  return answers.map((decisions) => {
    const [decision] = decisions;
    if (decision === undefined || decisions.length !== 1) throw incomplete();
    return decision;
  });
}

/** All resources of a kind, as one question is asked about them. */
export interface PlanQuestion {
  readonly kind: string;
  readonly action: string;
  /** Attributes that all of them share. */
  readonly attr?: Attributes | undefined;
}

/**
 * Asks the PDP for which resources of a kind an action is permitted.
 *
 * @throws PortcullisError `pdp_unavailable`
 */
export function askPlan(
  pdp: PolicyDecisionPoint,
  { kind, action, attr }: PlanQuestion,
  context: TenantContext,
  signal: AbortSignal | undefined,
): Promise<Plan> {
  return pdp.plan(
    {
      principal: principalOf(context),
      scope: context.tenant.id,
      kind,
      action,
      tenant: context.tenant.id,
      attr,
      requestId: context.requestId,
    },
    signal === undefined ? {} : { signal },
  );
}

function incomplete(): PortcullisError {
  return new PortcullisError('pdp_unavailable', undefined, { detail: 'the engine did not answer every question' });
}

/** A mapping may describe its subject further; it cannot rewrite what the gate says of it. */
function principalFor(questions: readonly Question[], context: TenantContext): Principal {
  const principal = principalOf(context);
  const extra: Record<string, AttributeValue> = {};
  for (const { subject } of questions) if (subject !== undefined) Object.assign(extra, subject);
  if (Object.keys(extra).length === 0) return principal;
  for (const name of Object.keys(extra)) {
    if (Object.hasOwn(principal.attr, name)) {
      throw new PortcullisError('mapping_error', `subject.properties: \`${name}\` is reserved`, {
        data: { field: `subject.properties.${name}` },
      });
    }
  }
  return { ...principal, attr: { ...extra, ...principal.attr } };
}

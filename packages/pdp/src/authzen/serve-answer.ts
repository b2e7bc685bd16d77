import type { AttributeValue, CallOptions, Decision, PolicyDecisionPoint, PortcullisError } from '@portcullis/core';
import { answersByPosition } from '../client/answers-by-position.js';
import { canonicalKey } from '../client/canonical-key.js';
import { unavailable } from '../unavailable.js';
import type { Semantic, ServedQuestion, ServedRequest } from './serve-question.js';
import { wireNames } from './wire.js';

/**
 * Asks the engine about every evaluation: one request for each principal, scope and version.
 *
 * @returns the decisions, by position
 * @throws PortcullisError `pdp_unavailable` where the engine fails, or leaves one out
 */
export async function decide(
  pdp: PolicyDecisionPoint,
  questions: readonly ServedQuestion[],
  requestId: string,
  options: CallOptions,
): Promise<readonly Decision[]> {
  const groups = new Map<string, number[]>();
  questions.forEach(({ principal, scope, policyVersion }, index) => {
    // Not JSON's text, which is the same for values that an engine tells apart. What has no key is asked alone.
    const key = canonicalKey([principal, scope, policyVersion]) ?? `alone ${String(index)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  });
  const decided = new Map<number, Decision>();
  await Promise.all(
    [...groups.values()].map(async (group) => {
      for (const [index, decision] of await decideGroup(pdp, questions, group, requestId, options))
        decided.set(index, decision);
    }),
  );
  return questions.map((_question, index) => {
    const decision = decided.get(index);
    if (decision === undefined) throw incomplete();
    return decision;
  });
}

async function decideGroup(
  pdp: PolicyDecisionPoint,
  questions: readonly ServedQuestion[],
  group: readonly number[],
  requestId: string,
  options: CallOptions,
): Promise<readonly (readonly [number, Decision])[]> {
  const asked = group.flatMap((index) => questions[index] ?? []);
  const [first] = asked;
  if (first === undefined) return [];
  const { principal, scope, policyVersion } = first;
  const request = {
    principal,
    scope,
    policyVersion,
    requestId,
    questions: asked.map(({ resource, action }) => ({ resource, actions: [action] })),
  };
  const rows = answersByPosition(request, await pdp.check(request, options));
  return group.map((index, position) => {
    const [decision] = rows[position] ?? [];
    const effect: unknown = decision?.effect;
    if (decision === undefined || (effect !== 'allow' && effect !== 'deny')) throw incomplete();
    return [index, decision];
  });
}

function incomplete(): PortcullisError {
  return unavailable('the engine left an evaluation out');
}

/** The answer in AuthZEN's words. */
export function toAnswer(
  { questions, semantic }: ServedRequest,
  decisions: readonly Decision[],
  mayExplain: boolean,
): AttributeValue {
  const answers = decisions.map((decision, index) =>
    toEvaluation(decision, questions[index], mayExplain && questions[index]?.wantsMeta === true),
  );
  const [first] = answers;
  if (semantic !== undefined) return { evaluations: cut(answers, decisions, semantic) };
  if (first === undefined) throw incomplete();
  return first;
}

/** A short-circuit ends with the decision that made it. @see AuthZEN Authorization API 1.0, "Evaluations semantics" */
function cut<T>(answers: readonly T[], decisions: readonly Decision[], semantic: Semantic): readonly T[] {
  switch (semantic) {
    case 'execute_all':
      return answers;
    case 'deny_on_first_deny':
      return upTo(answers, decisions, 'deny');
    case 'permit_on_first_permit':
      return upTo(answers, decisions, 'allow');
  }
}

function upTo<T>(answers: readonly T[], decisions: readonly Decision[], effect: Decision['effect']): readonly T[] {
  const last = decisions.findIndex((decision) => decision.effect === effect);
  return last < 0 ? answers : answers.slice(0, last + 1);
}

/** Obligations are part of the answer; the policy that decided is told to those alone who may know it, and ask. */
function toEvaluation(decision: Decision, question: ServedQuestion | undefined, explain: boolean): AttributeValue {
  const context: Record<string, AttributeValue> = {};
  if (decision.obligations.length > 0)
    context['obligations'] = decision.obligations.map(({ id, type, properties }) => ({ id, type, properties }));
  if (explain && question !== undefined) context[wireNames.response] = explanation(decision, question);
  const permitted = decision.effect === 'allow';
  return Object.keys(context).length === 0 ? { decision: permitted } : { decision: permitted, context };
}

/** In the shape of the Cerbos PDP's own. */
function explanation(decision: Decision, { action, resource, scope }: ServedQuestion): AttributeValue {
  return {
    results: [
      {
        resource: { kind: resource.kind, id: resource.id, policyVersion: decision.policyVersion, scope },
        actions: { [action]: decision.effect === 'allow' ? 'EFFECT_ALLOW' : 'EFFECT_DENY' },
        meta: { actions: { [action]: { matchedPolicy: decision.policy, matchedScope: decision.scope } } },
        outputs: decision.outputs.map(({ source, value }) => ({ action, src: source, val: value })),
      },
    ],
  };
}

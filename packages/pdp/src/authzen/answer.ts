import type { Attributes, AttributeValue, Decision, Obligation, PolicyOutput } from '@portcullis/core';
import { z } from 'zod';
import { malformedObligation, obligationsOf } from '../obligations.js';
import { unavailable } from '../unavailable.js';
import type { Evaluation } from './question.js';
import { attributesSchema, isObject, wireNames } from './wire.js';

const evaluationSchema = z.object({ decision: z.boolean(), context: attributesSchema.optional() });
const evaluationsSchema = z.object({ evaluations: z.array(evaluationSchema) });
type Answer = z.infer<typeof evaluationSchema>;

const metaSchema = z.object({
  matchedPolicy: z.string().optional(),
  matchedScope: z.string().optional(),
});
const outputSchema = z.object({
  action: z.string().default(''),
  src: z.string().default(''),
  val: z.custom<AttributeValue>().optional(),
});
const explanationSchema = z.object({
  results: z.array(
    z.object({
      resource: z.object({ kind: z.string(), id: z.string() }),
      actions: attributesSchema,
      meta: z.object({ actions: attributesSchema.default({}) }).default({ actions: {} }),
      outputs: z.array(outputSchema).default([]),
    }),
  ),
});

/** What every decision of one call has in common. */
export interface AboutCall {
  readonly scope: string;
  readonly policyVersion: string;
  readonly callId: string;
  readonly durationMs: number;
  readonly engine: string;
  /** Whether an answer that does not say which policy decided is refused. */
  readonly requireMeta: boolean;
}

/**
 * Reads the answer to a single evaluation.
 *
 * @throws PortcullisError `pdp_unavailable` for anything but a decision
 */
export function readSingle(evaluation: Evaluation, body: AttributeValue, about: AboutCall): Decision {
  const read = evaluationSchema.safeParse(body);
  if (!read.success) throw unavailable('the answer is not a decision');
  return toDecision(evaluation, read.data, about);
}

/**
 * Reads the answers to a batch, by position and only if there is one to each.
 *
 * @throws PortcullisError `pdp_unavailable`
 */
export function readBatch(
  evaluations: readonly Evaluation[],
  body: AttributeValue,
  about: AboutCall,
): readonly Decision[] {
  const read = evaluationsSchema.safeParse(body);
  if (!read.success) throw unavailable('the answer is not a list of decisions');
  const answers = read.data.evaluations;
  if (answers.length !== evaluations.length)
    throw unavailable(`${String(answers.length)} decisions on ${String(evaluations.length)} evaluations`);
  return evaluations.map((evaluation, index) => {
    const answer = answers[index];
    if (answer === undefined) throw unavailable('an evaluation has no decision');
    return toDecision(evaluation, answer, about);
  });
}

function toDecision(evaluation: Evaluation, { decision, context = {} }: Answer, about: AboutCall): Decision {
  // "Could not be evaluated" is not "no": an operator has to be able to tell them apart.
  if (Object.hasOwn(context, 'error')) throw unavailable('an evaluation failed at the PDP');
  const { name: action } = evaluation.action;
  const { type: kind, id } = evaluation.resource;
  const explained = explanationOf(evaluation, decision, context, about.requireMeta);
  return {
    effect: decision ? 'allow' : 'deny',
    action,
    resource: { kind, id },
    policy: explained.policy,
    policyVersion: about.policyVersion,
    scope: explained.scope ?? about.scope,
    outputs: explained.outputs,
    obligations: together(namedObligations(context), explained.obligations),
    callId: about.callId,
    durationMs: about.durationMs,
    engine: about.engine,
  };
}

interface Explanation {
  readonly policy: string;
  readonly scope: string | undefined;
  readonly outputs: readonly PolicyOutput[];
  readonly obligations: readonly Obligation[];
}

/** What the Cerbos PDP says beside a decision. Its obligations are outputs, and come in no other way. */
function explanationOf(evaluation: Evaluation, decision: boolean, context: Attributes, required: boolean): Explanation {
  if (!Object.hasOwn(context, wireNames.response)) {
    if (required) throw unavailable(`the answer has no \`${wireNames.response}\`, and with it no obligations`);
    return { policy: '', scope: undefined, outputs: [], obligations: [] };
  }
  const read = explanationSchema.safeParse(context[wireNames.response]);
  if (!read.success) throw unavailable(`the answer’s \`${wireNames.response}\` is malformed`);
  const { type, id } = evaluation.resource;
  const found = read.data.results.filter(({ resource }) => resource.kind === type && resource.id === id);
  const [result] = found;
  if (result === undefined || found.length > 1)
    throw unavailable('the explanation is not of the resource that was asked');
  const { name: action } = evaluation.action;
  const effect = Object.hasOwn(result.actions, action) ? result.actions[action] : undefined;
  if (effect !== (decision ? 'EFFECT_ALLOW' : 'EFFECT_DENY'))
    throw unavailable('the explanation contradicts the decision');
  const meta = metaSchema.safeParse(Object.hasOwn(result.meta.actions, action) ? result.meta.actions[action] : {});
  if (!meta.success) throw unavailable(`the answer’s \`${wireNames.response}\` is malformed`);
  const outputs = result.outputs
    .filter((output) => output.action === action || output.action === '')
    .map((output) => ({ source: output.src, action, value: output.val ?? null }));
  // An output that could not be computed may have been an obligation.
  const broken = result.outputs.some((output) => output.val === undefined);
  // Of the base scope, the empty one, JSON of a protocol buffer says nothing.
  const { matchedPolicy = '', matchedScope = '' } = meta.data;
  return {
    policy: matchedPolicy === 'NO_MATCH' ? '' : matchedPolicy,
    scope: matchedScope,
    outputs,
    obligations: broken ? [...obligationsOf(outputs), malformed('output')] : obligationsOf(outputs),
  };
}

/**
 * Obligations of the draft profile: `context.obligations`, a list of `{ id, type, properties }`. One that cannot be
 * read becomes one that nobody can carry out: it must not get lost.
 */
function namedObligations(context: Attributes): readonly Obligation[] {
  if (!Object.hasOwn(context, 'obligations')) return [];
  const list = context['obligations'];
  if (!Array.isArray(list)) return [malformed('obligations')];
  return list.map((item: AttributeValue, index) => {
    const where = `obligations#${String(index)}`;
    if (!isObject(item)) return malformed(where);
    const { id = where, type, properties = {} } = item;
    if (typeof id !== 'string' || typeof type !== 'string' || type === '' || !isObject(properties))
      return malformed(where);
    return { id, type, properties };
  });
}

/** A PDP that says the same obligation in both ways means it once. */
function together(named: readonly Obligation[], computed: readonly Obligation[]): readonly Obligation[] {
  const wordOf = ({ id, type, properties }: Obligation): string => JSON.stringify([id, type, properties]);
  const seen = new Set(named.map(wordOf));
  return [...named, ...computed.filter((obligation) => !seen.has(wordOf(obligation)))];
}

function malformed(id: string): Obligation {
  return { id, type: malformedObligation, properties: {} };
}

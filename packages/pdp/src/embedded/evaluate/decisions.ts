import type { Action, AttributeValue, Decision, PolicyOutput, Resource } from '@portcullis/core';
import { unavailable } from '../../unavailable.js';
import { malformedObligation, obligationsOf } from '../../obligations.js';
import { outputOf } from '../cel/json.js';
import { failed, type CelValue } from '../cel/cel-value.js';
import { Work } from '../cel/work.js';
import type { Output, Verdict } from './decide.js';
import type { Occasion } from './occasion.js';

/** The name of the engine in decisions. */
export const engine = 'embedded';

/** What all decisions on a request share. */
export interface Answering {
  readonly policyVersion: string;
  readonly policyRevision: string;
  readonly callId: string;
  /** How long it took to decide on all of them. */
  readonly durationMs: number;
  readonly occasion: Occasion;
}

const nothing: readonly never[] = Object.freeze([]);

/** The decisions on one resource, in the order of its actions. */
export function toDecisions(
  { kind, id }: Resource,
  actions: readonly Action[],
  verdicts: readonly Verdict[],
  { policyVersion, policyRevision, callId, durationMs, occasion }: Answering,
): readonly Decision[] {
  // An output that could not be computed may have been an obligation, on whichever action.
  let isBroken = false;
  for (const { outputs } of verdicts) isBroken ||= outputs.length > 0 && outputs.some(hasFailed);
  const decisions = new Array<Decision>(actions.length);
  for (let position = 0; position < actions.length; position++) {
    const action = actions[position];
    const verdict = verdicts[position];
    if (action === undefined || verdict === undefined) throw unavailable('an action was not decided on');
    const { effect, policy, scope, outputs: said } = verdict;
    const outputs = said.length === 0 ? nothing : said.map((output) => toOutput(output, action, occasion.work));
    const obligations = said.length === 0 ? nothing : obligationsOf(outputs);
    decisions[position] = {
      effect,
      action,
      resource: { kind, id },
      policy,
      policyVersion,
      policyRevision,
      scope,
      outputs,
      obligations: isBroken
        ? [...obligations, { id: 'output', type: malformedObligation, properties: {} }]
        : obligations,
      callId,
      durationMs,
      engine,
    };
  }
  return decisions;
}

function hasFailed({ value }: Output): boolean {
  return value === failed;
}

function toOutput({ source, value }: Output, action: string, work: Work): PolicyOutput {
  return { source, action, value: value === failed ? null : toJson(value, work) };
}

/** A value as JSON, as Cerbos writes it. */
export function toJson(value: CelValue, work = new Work()): AttributeValue {
  return outputOf(value, work);
}

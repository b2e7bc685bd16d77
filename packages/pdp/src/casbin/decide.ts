import { randomUUID } from 'node:crypto';
import type { CheckRequest, Decision, Plan, PlanExpression, PlanRequest } from '@portcullis/core';
import { refused, unavailable } from '../unavailable.js';
import { MissingAttribute, type Attributed } from './attributes.js';
import { lineText, type PolicyLine } from './line.js';
import type { CheckedModel } from './model.js';
import type { Found, PolicySet } from './policy-set.js';
import { isCrossTenant, isShaped, malformation, objectOf, subjectsOf, type Mapping } from './question.js';

/** The name of the engine in decisions. */
export const engine = 'casbin';

/** What was decided on one action, and why. */
export interface Explanation {
  readonly effect: Decision['effect'];
  readonly action: string;
  readonly resource: Decision['resource'];
  /** The line that decided; absent where none matched. */
  readonly line?: PolicyLine;
  /** Why casbin was not asked, or what it could not read. */
  readonly reason?: string;
}

/**
 * Decides on everything in a request.
 *
 * @throws TypeError for an action that is asked twice
 * @throws PortcullisError `pdp_unavailable`
 */
export function explain(
  policies: PolicySet,
  request: CheckRequest,
  mapping: Mapping,
): readonly (readonly Explanation[])[] {
  if (!isShaped(request)) throw refused('the request is malformed');
  const { principal, scope, questions } = request;
  // The caller would not know which answer is which.
  for (const { actions } of questions)
    if (new Set(actions).size !== actions.length) throw new TypeError('an action is asked twice on one resource');
  const wrong = malformation(request, mapping) ?? mixedUp(policies, request, mapping);
  if (wrong !== undefined) throw refused(wrong);
  return questions.map(({ resource, actions }) =>
    actions.map((action) => ({
      action,
      resource: { kind: resource.kind, id: resource.id },
      ...(isCrossTenant(scope, principal, resource.tenant)
        ? { effect: 'deny', reason: 'the resource is another tenant’s' }
        : one(policies, { principal, resource }, action, mapping)),
    })),
  );
}

/** The decisions of the port, for what was found. */
export function decisions(
  found: readonly (readonly Explanation[])[],
  { scope }: CheckRequest,
  { startedAt, policyRevision }: { readonly startedAt: number; readonly policyRevision: string },
): readonly (readonly Decision[])[] {
  const callId = randomUUID();
  const durationMs = performance.now() - startedAt;
  return found.map((row) =>
    row.map(({ effect, action, resource, line }) => ({
      effect,
      action,
      resource,
      policy: line === undefined ? '' : lineText(line),
      policyVersion: 'default',
      policyRevision,
      scope: line === undefined ? '' : scope,
      outputs: [],
      obligations: [],
      callId,
      durationMs,
      engine,
    })),
  );
}

/**
 * Which resources of a kind are allowed: all, none, or those with some ids.
 *
 * @throws PortcullisError `pdp_unavailable` where it depends on the resource
 */
export function plan(policies: PolicySet, model: CheckedModel, request: PlanRequest, mapping: Mapping): Plan {
  const startedAt = performance.now();
  const { principal, scope, kind, action, tenant } = request;
  const resource = { kind, id: '*', tenant, ...(request.attr === undefined ? {} : { attr: request.attr }) };
  const asked = { ...request, questions: [{ resource, actions: [action] }] };
  if (!isShaped(asked)) throw refused('the request is malformed');
  const wrong = malformation(asked, mapping) ?? mixedUp(policies, request, mapping);
  if (wrong !== undefined) throw refused(wrong);
  return {
    ...(isCrossTenant(scope, principal, tenant)
      ? { outcome: 'always_denied' }
      : outcomeOf(policies, model, { principal, resource }, action, mapping)),
    callId: randomUUID(),
    durationMs: performance.now() - startedAt,
    engine,
  };
}

type Outcome =
  | { readonly outcome: 'always_allowed' | 'always_denied' }
  | { readonly outcome: 'conditional'; readonly condition: PlanExpression };

function outcomeOf(
  policies: PolicySet,
  { matcher }: CheckedModel,
  { principal, resource }: Attributed,
  action: string,
  mapping: Mapping,
): Outcome {
  if (matcher.readsResource || (mapping.object !== 'kind' && !matcher.comparesObjectsOnly))
    throw unavailable('casbin has no query plans, and the matcher reads the resource');
  const isAllowed = (id: string): boolean =>
    one(policies, { principal, resource: { ...resource, id } }, action, mapping).effect === 'allow';
  // The ids that lines name are asked one by one, and of all others one that no line can name.
  const others = isAllowed(unnamed);
  const prefix = `${resource.kind}:`;
  const named = mapping.object === 'kind' ? [] : [...policies.objectsIn(resource.tenant)];
  const ids = named.filter((object) => object.startsWith(prefix)).map((object) => object.slice(prefix.length));
  const different = ids.filter((id) => isAllowed(id) !== others).sort();
  if (different.length === 0) return { outcome: others ? 'always_allowed' : 'always_denied' };
  const listed: PlanExpression = {
    type: 'operation',
    operator: 'in',
    operands: [
      { type: 'variable', name: 'request.resource.id' },
      { type: 'value', value: different },
    ],
  };
  return {
    outcome: 'conditional',
    condition: others ? { type: 'operation', operator: 'not', operands: [listed] } : listed,
  };
}

/** An id that no line and no resource has. */
const unnamed = '\u0001unnamed';

/** A principal whose id is the name of a role would have that role. */
function mixedUp(
  policies: PolicySet,
  { principal, scope }: Pick<CheckRequest, 'principal' | 'scope'>,
  mapping: Mapping,
): string | undefined {
  return mapping.subject === 'id' && policies.isRole(scope, principal.id)
    ? 'the principal’s id is the name of a role'
    : undefined;
}

function one(
  policies: PolicySet,
  about: Attributed,
  action: string,
  mapping: Mapping,
): Pick<Explanation, 'effect' | 'line' | 'reason'> {
  const { resource, principal } = about;
  const object = objectOf(resource, mapping);
  let denied: Found | undefined;
  try {
    for (const { subject, names } of subjectsOf(principal, mapping)) {
      const found = policies.ask({ tenant: resource.tenant, object, action, subject, subjects: names, about });
      if (found.allowed) return { effect: 'allow', ...lineOf(found) };
      denied = denied?.line === undefined ? found : denied;
    }
  } catch (error) {
    // A condition on what is not there does not hold, and the lines after it are not asked: one of them may deny.
    if (error instanceof MissingAttribute) return { effect: 'deny', reason: error.message };
    throw unavailable('casbin cannot decide', error);
  }
  return { effect: 'deny', ...(denied === undefined ? {} : lineOf(denied)) };
}

function lineOf({ line }: Found): Pick<Explanation, 'line'> {
  return line === undefined ? {} : { line: { ptype: line.ptype, values: line.values, place: line.place } };
}

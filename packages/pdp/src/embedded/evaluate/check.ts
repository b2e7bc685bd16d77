import type { CheckRequest, Decision, Principal, Resource } from '@portcullis/core';
import { refused } from '../../unavailable.js';
import type { PrincipalValue } from '../cel/expression.js';
import type { CelMap } from '../cel/cel-value.js';
import type { Work } from '../cel/work.js';
import type { AttributeSchema } from '../compile/table.js';
import { AskedResource } from './asked-resource.js';
import { readAttributes } from './attributes.js';
import { decide, type Verdict } from './decide.js';
import { toDecisions } from './decisions.js';
import { effectiveRoles } from './effective-roles.js';
import type { Ground, Grounds, Place } from './ground.js';
import { payForPatterns } from './look-up.js';
import { Occasion } from './occasion.js';
import { Question } from './question.js';
import { malformation } from './request.js';

/** The role of a principal that has none in the tenant, as in the Cerbos adapter: `*` in a rule means it too. */
const roleOfNobody: readonly string[] = ['none'];

/** What questions are answered by. */
export interface Rulebook {
  readonly grounds: Grounds;
  readonly revision: string;
  /** The policy version that is asked for where the request says none. */
  readonly policyVersion: string;
  /** Whether attributes that break their schema are a denial. */
  readonly rejects: boolean;
  readonly globals: CelMap;
}

/** A mistake of the calling code, and no failure of the engine: it would not know which answer is which. */
export class RepeatedAction extends TypeError {
  constructor() {
    super('an action is asked twice on one resource');
  }
}

function repeatsAction({ questions }: CheckRequest): boolean {
  return questions.some(({ actions }) => Array.isArray(actions) && new Set(actions).size !== actions.length);
}

/**
 * Decides on all that a request asks.
 *
 * @throws RepeatedAction
 * @throws PortcullisError `pdp_unavailable` where the request is malformed
 */
export function check(
  rulebook: Rulebook,
  request: CheckRequest,
  callId: string,
  occasion = new Occasion(),
): readonly (readonly Decision[])[] {
  const { grounds, revision: policyRevision } = rulebook;
  const policyVersion = request.policyVersion ?? rulebook.policyVersion;
  const known = grounds.knownPlace(request.scope, policyVersion);
  const wrong = malformation(request, policyVersion, known !== undefined);
  if (wrong !== undefined) throw repeatsAction(request) ? new RepeatedAction() : refused(wrong);
  const principal = principalOf(request.principal);
  const { questions } = request;
  if (questions.length > 1) occasion.startTiming();
  const place = known ?? grounds.placeOf(request.scope, policyVersion || 'default');
  // Filled by their length: lists that grow, and what goes through them by functions, cost as much as deciding.
  const verdicts = new Array<readonly Verdict[]>(questions.length);
  let at = 0;
  for (const { resource, actions } of questions) {
    const question = questionFor(rulebook, request, principal, resource, occasion);
    verdicts[at++] = verdictsOn(grounds, place, question, actions, rulebook.rejects);
  }
  const { durationMs } = occasion;
  const answering = { policyVersion, policyRevision, callId, durationMs, occasion };
  const answers = new Array<readonly Decision[]>(questions.length);
  at = 0;
  for (const { resource, actions } of questions)
    answers[at] = toDecisions(resource, actions, verdicts[at++] ?? [], answering);
  return answers;
}

/** A request's question about one resource. */
export function questionFor(
  { policyVersion, globals }: Rulebook,
  request: CheckRequest,
  principal: PrincipalValue,
  resource: Resource,
  occasion: Occasion,
): Question {
  return new Question({
    principal,
    resource: new AskedResource(resource),
    scope: request.scope,
    policyVersion: (request.policyVersion ?? policyVersion) || 'default',
    globals,
    occasion,
  });
}

/** A principal as expressions see it. */
export function principalOf(principal: Principal): PrincipalValue {
  const attr = readAttributes(principal.attr);
  return principal.roles.length > 0
    ? { id: principal.id, roles: principal.roles, attr }
    : { id: principal.id, roles: roleOfNobody, attr };
}

/** Where a question is answered; from here on, it may be asked which derived roles are effective. */
export function groundFor(grounds: Grounds, place: Place, question: Question): Ground {
  const ground = grounds.groundOf(place, question.resource.kind, question);
  if (place.table.readsRuntime) question.findEffectiveRoles = () => effectiveRoles(ground, question);
  return ground;
}

/** What is said on each of the actions. */
export function verdictsOn(
  grounds: Grounds,
  place: Place,
  question: Question,
  actions: readonly string[],
  rejects: boolean,
): readonly Verdict[] {
  const ground = groundFor(grounds, place, question);
  if (rejects && breaksSchemas(ground, question, actions))
    return actions.map(() => ({ effect: 'deny', policy: ground.resourcePolicy, scope: '', outputs: [] }));
  const verdicts = new Array<Verdict>(actions.length);
  let at = 0;
  for (const action of actions) verdicts[at++] = decide(ground, question, action);
  return verdicts;
}

/** Whether attributes break the schemas of the policy that the question is for. */
export function breaksSchemas({ schemas }: Ground, question: Question, actions: readonly string[]): boolean {
  if (schemas === undefined) return false;
  const { principal, resource, work } = question;
  return (
    breaks(schemas.principal, principal.attr, actions, work) || breaks(schemas.resource, resource.attr, actions, work)
  );
}

export function breaks(
  schema: AttributeSchema | undefined,
  attributes: CelMap,
  actions: readonly string[],
  work: Work,
): boolean {
  if (schema === undefined) return false;
  const { ignoredActions } = schema;
  const isIgnored = (action: string): boolean => {
    payForPatterns(ignoredActions.length, action, { work });
    return ignoredActions.some((matches) => matches(action));
  };
  return !actions.every(isIgnored) && !schema.accepts(attributes, work);
}

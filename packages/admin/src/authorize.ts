import {
  PortcullisError,
  principalOf,
  type Action,
  type Attributes,
  type Decision,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import type { Caller, MemberCaller, OperatorCaller, Subject } from './caller.js';
import type { Authorization } from './endpoint.js';
import type { AdminOperators } from './ports.js';

/** Who decides: the PDP, and for operators their service, which asks the PDP and keeps the operators' trail. */
export interface Deciders {
  readonly pdp: PolicyDecisionPoint;
  readonly operators: AdminOperators | undefined;
}

/** What is decided on. */
export interface Question {
  readonly authorize: Authorization;
  readonly caller: Caller;
  readonly subject: Subject | undefined;
  /** `Identity.key` of the user that the request is about. */
  readonly member: string | undefined;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** What was decided. */
export interface Verdict {
  /** The first is the one that counts, the others are those of `also`. None where an operator asks. */
  readonly decisions: readonly Decision[];
  /** `undefined`: permitted. */
  readonly refusal: PortcullisError | undefined;
  /** Whether the caller may do one of the actions of `also`. */
  may(action: Action): Promise<boolean>;
}

/**
 * Decides a request by one question to the PDP.
 *
 * @throws PortcullisError `pdp_unavailable`, `audit_unavailable`
 */
export async function decide(deciders: Deciders, question: Question): Promise<Verdict> {
  const { authorize, caller, subject } = question;
  switch (authorize.on) {
    case 'nobody':
    case 'oneself':
    case 'operator':
      // Of itself an identity is an authority; and what an operator does with a grant, its service decides.
      return { decisions: [], refusal: undefined, may: () => Promise.resolve(false) };
    case 'platform':
      if (caller.kind !== 'operator') throw new TypeError('only operators ask about the platform');
      return askAsOperator(deciders, question, caller, authorize.action);
    case 'tenant':
      if (subject === undefined) throw new TypeError('the path names no tenant');
      if (caller.kind === 'operator') return askAsOperator(deciders, question, caller, authorize.action);
      if (caller.kind !== 'member') throw new TypeError('an identity alone has no principal');
      return askAsMember(deciders, question, caller, subject, authorize);
  }
}

async function askAsMember(
  { pdp }: Deciders,
  question: Question,
  { context }: MemberCaller,
  subject: Subject,
  { action, also = [], neverActing }: Extract<Authorization, { on: 'tenant' }>,
): Promise<Verdict> {
  const actions = [action, ...also];
  const resource = { kind: 'tenant', id: subject.id, tenant: subject.id, attr: attributesOf(question) };
  const answers = await pdp.check(
    {
      principal: principalOf(context),
      scope: context.tenant.id,
      questions: [{ resource, actions }],
      requestId: question.requestId,
    },
    { signal: question.signal },
  );
  const [decisions = []] = answers;
  const complete = decisions.length === actions.length && decisions.every((each, at) => each.action === actions[at]);
  if (answers.length !== 1 || !complete)
    throw new PortcullisError('pdp_unavailable', undefined, { detail: 'the engine did not answer every question' });
  const isAllowed = ({ effect, obligations }: Decision): boolean => effect === 'allow' && obligations.length === 0;
  const may = (wanted: Action): Promise<boolean> =>
    Promise.resolve(decisions.some((decision) => decision.action === wanted && isAllowed(decision)));
  const [first] = decisions;
  const refuse = (refusal: PortcullisError): Verdict => ({ decisions, refusal, may });
  if (first?.effect !== 'allow') return refuse(denied('policy does not allow it'));
  // Nothing here can carry an obligation out: a permit under one is none.
  if (!isAllowed(first)) return refuse(new PortcullisError('obligation_failed'));
  // Said once more, and not by policy: who acts by a grant leaves nobody with rights that outlive it.
  if (neverActing === true && context.impersonation !== undefined)
    return refuse(denied('not by an operator who acts in the tenant'));
  return { decisions, refusal: undefined, may };
}

async function askAsOperator(
  { operators }: Deciders,
  question: Question,
  { identity, reason }: OperatorCaller,
  action: Action,
): Promise<Verdict> {
  const { subject, requestId } = question;
  const ask = async (wanted: Action): Promise<PortcullisError | undefined> => {
    if (operators === undefined) return denied('there are no operators here');
    try {
      const tenant = subject?.id;
      await operators.authorize(identity, { action: wanted, tenant, attr: attributesOf(question), reason, requestId });
      return undefined;
    } catch (error) {
      if (error instanceof PortcullisError && (error.code === 'denied' || error.code === 'obligation_failed'))
        return error;
      throw error;
    }
  };
  return {
    decisions: [],
    refusal: await ask(action),
    may: async (wanted) => (await ask(wanted)) === undefined,
  };
}

function attributesOf({ member, subject }: Question): Attributes {
  const tenant = subject?.tenant;
  return {
    ...(tenant === undefined ? {} : { status: tenant.status.state, plan: tenant.plan }),
    ...(member === undefined ? {} : { member }),
  };
}

function denied(detail: string): PortcullisError {
  return new PortcullisError('denied', undefined, { detail });
}

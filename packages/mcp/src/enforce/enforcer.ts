import {
  evaluatePlan,
  PortcullisError,
  type Decision,
  type Limiter,
  type Plan,
  type PolicyDecisionPoint,
  type TenantContext,
} from '@portcullis/core';
import type { ApprovalChannel, Approvals } from '../approval/approval.js';
import { needsApproval } from '../approval/approval.js';
import type { RpcRequest } from '../message.js';
import type { ToolRule } from '../tool/catalog.js';
import { ask, askPlan, type PlanQuestion } from './ask.js';
import { asRefusal } from './as-refusal.js';
import { asLimitError } from './count-request.js';
import type { Exchange, Verdict } from './exchange.js';
import { carryOut, type ObligationHandlers } from './obligations.js';
import { methodQuestions, toolQuestions, type StorageFor } from './questions.js';
import { requireScopes, type ScopeImplications } from './scopes.js';
import { visibilityQuestions } from './visibility.js';
import type { Question } from '../mapping/question.js';
import type { Recorder } from './record.js';
import { NotConnected } from './not-connected.js';

/** What the enforcer decides with. */
export interface EnforcerOptions {
  readonly pdp: PolicyDecisionPoint;
  readonly storageFor: StorageFor;
  readonly obligations: ObligationHandlers;
  readonly approvals: Approvals;
  readonly recorder: Recorder;
  readonly limiter: Limiter | undefined;
  readonly scopeImplies: ScopeImplications;
}

/** What the enforcer has to know of the server behind it. */
export interface ServerView {
  /** The rule of a tool. Asked for tool calls and lists only. */
  ruleOf(name: string): ToolRule | Promise<ToolRule>;
  readonly channel: ApprovalChannel;
  /** The client cannot be asked yet, and will be able to be: an approval is put off. */
  readonly deferApproval?: boolean | undefined;
}

/** The policy enforcement point: a verdict on each request. */
export interface Enforcer {
  /** Never rejects: whatever goes wrong is a refusal. The verdict has been recorded when this resolves. */
  decide(request: RpcRequest, exchange: Exchange, server: ServerView): Promise<Verdict>;
  /**
   * Of the named tools, those that the caller could call.
   *
   * @throws PortcullisError `pdp_unavailable`
   */
  visibleTools(
    rules: ReadonlyMap<string, ToolRule>,
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<string>>;
  /** Whether each question is permitted, asked in one batch. Rejects with `pdp_unavailable`. */
  allowed(
    questions: readonly Question[],
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<readonly boolean[]>;
  /** Whether there is any resource of a kind that the action is permitted on. Rejects with `pdp_unavailable`. */
  possible(question: PlanQuestion, context: TenantContext, signal: AbortSignal | undefined): Promise<boolean>;
}

/**
 * Makes the enforcement point of a gate.
 *
 * The order of refusals is fixed: tenant isolation, then policy, then scope, then obligations. A client is asked to
 * step up only where policy would let it through.
 */
export function enforcer(options: EnforcerOptions): Enforcer {
  const { pdp, recorder } = options;

  async function judge(
    request: RpcRequest,
    exchange: Exchange,
    server: ServerView,
    decisions: Decision[],
    seen: { tool?: string },
  ): Promise<Verdict> {
    const { context, signal } = exchange;
    const isCall = request.method === 'tools/call';
    // A request that cannot be mapped by the table is refused before a tool is looked up.
    const general = methodQuestions(request, context);
    if (general === undefined) return { kind: 'pass' };

    let scopes: readonly string[] = [];
    let questions = general;
    if (isCall) {
      const name = String(request.params?.['name']);
      requireAllowedTool(name, context);
      const rule = await server.ruleOf(name);
      if (rule.source !== 'default' || rule.isUnknown !== true) seen.tool = name;
      scopes = rule.source === 'typed' || rule.source === 'declared' ? rule.scopes : [];
      try {
        questions = await toolQuestions(rule, request, context, options.storageFor, signal);
      } catch (error) {
        // What is wrong with the arguments of a tool is told only to those who may know that the tool exists.
        if (rule.source !== 'default' && !(await visibleTools(new Map([[name, rule]]), context, signal)).has(name)) {
          throw new PortcullisError('denied', undefined, {
            detail: 'the tool is hidden from this caller',
            cause: error,
          });
        }
        throw error;
      }
    }
    decisions.push(...(await ask(pdp, questions, context, signal)));
    if (!decisions.every((decision) => decision.effect === 'allow') || decisions.length !== questions.length) {
      // Obligations of a denial are carried out as well; their failure changes nothing: it is a denial already.
      await carryOut(
        decisions.filter((decision) => decision.effect === 'deny'),
        options.obligations,
        request,
        context,
      ).catch(() => []);
      throw new PortcullisError('denied');
    }
    requireScopes(scopes, context.identity.scopes, options.scopeImplies);
    const obligations = await carryOut(decisions, options.obligations, request, context);
    if (!needsApproval(decisions)) return { kind: 'permit', request, forward: request, decisions, obligations };
    if (server.deferApproval === true && server.channel.era === 'legacy') return { kind: 'defer' };
    const outcome = await options.approvals.require(decisions, request, context, server.channel);
    if (outcome.kind === 'answer') return outcome;
    return {
      kind: 'permit',
      request,
      forward: outcome.forward,
      decisions,
      obligations,
      approved: { wrapState: outcome.wrapState },
    };
  }

  /** A tool call that may run takes its place among those that do; where there is none left, it may not. */
  async function withPlace(verdict: Verdict, context: TenantContext): Promise<Verdict> {
    if (verdict.kind !== 'permit' || verdict.request.method !== 'tools/call' || options.limiter === undefined)
      return verdict;
    try {
      return { ...verdict, place: await options.limiter.call(context) };
    } catch (error) {
      throw asLimitError(error);
    }
  }

  async function visibleTools(
    rules: ReadonlyMap<string, ToolRule>,
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<string>> {
    const candidates: Candidate[] = [];
    const checks: Question[] = [];
    const plans = new Map<string, Promise<boolean>>();
    for (const [name, rule] of rules) {
      const questions = isAllowedTool(name, context) ? visibilityQuestions(name, rule, context) : undefined;
      if (questions === undefined) continue;
      const planKeys: string[] = [];
      for (const question of questions.plan) {
        const key = planKey(question);
        if (!plans.has(key)) plans.set(key, possible(question, context, signal));
        planKeys.push(key);
      }
      const from = checks.length;
      for (const question of questions.check) checks.push(question);
      candidates.push({ name, from, to: checks.length, planKeys });
    }
    const [permissions, planned] = await Promise.all([permitted(checks, context, signal), Promise.all(plans.values())]);
    const outcomes = new Map([...plans.keys()].map((key, index) => [key, planned[index] === true]));
    const visible = new Set<string>();
    for (const { name, from, to, planKeys } of candidates) {
      let passes = planKeys.every((key) => outcomes.get(key) === true);
      for (let position = from; position < to; position++) passes &&= permissions[position] === true;
      if (passes) visible.add(name);
    }
    return visible;
  }

  /**
   * Which of many questions are permitted. Those that differ in the id alone are answered by one query plan, which
   * says for which ids the answer is yes; what the plan cannot say for certain is asked one by one, in one request. An
   * engine that prefers checks is asked about all of them in that way.
   */
  async function permitted(
    questions: readonly Question[],
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<readonly boolean[]> {
    if (pdp.prefersChecks === true)
      return (await ask(pdp, questions, context, signal)).map(({ effect }) => effect === 'allow');
    const answers = await plannedAnswers(questions, context, signal);
    const open = questions.filter((_question, index) => answers[index] === undefined);
    const decisions = await ask(pdp, open, context, signal);
    let next = 0;
    return questions.map((_question, index) => answers[index] ?? decisions[next++]?.effect === 'allow');
  }

  /** What query plans say of questions that differ in the id alone; nothing of the others. */
  async function plannedAnswers(
    questions: readonly Question[],
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<readonly (boolean | undefined)[]> {
    const groups = new Map<string, { readonly asked: PlanQuestion; readonly positions: number[] }>();
    for (const [position, { subject, context: circumstances, action, resource }] of questions.entries()) {
      if (subject !== undefined || circumstances !== undefined || action.properties !== undefined) continue;
      const asked = { kind: resource.type, action: action.name, attr: resource.properties };
      const key = planKey(asked);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { asked, positions: [position] });
      else group.positions.push(position);
    }
    const answers: (boolean | undefined)[] = questions.map(() => undefined);
    await Promise.all(
      [...groups.values()]
        .filter(({ positions }) => positions.length >= planFrom)
        .map(async ({ asked, positions }) => {
          const plan = await askPlan(pdp, asked, context, signal);
          for (const position of positions) {
            const question = questions[position];
            if (question !== undefined) answers[position] = planAnswer(plan, question, context);
          }
        }),
    );
    return answers;
  }

  async function possible(
    question: PlanQuestion,
    context: TenantContext,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return (await askPlan(pdp, question, context, signal)).outcome !== 'always_denied';
  }

  return {
    visibleTools,
    possible,
    allowed: permitted,
    async decide(request, exchange, server) {
      const decisions: Decision[] = [];
      const seen: { tool?: string } = {};
      let verdict: Verdict;
      try {
        verdict = await withPlace(await judge(request, exchange, server, decisions, seen), exchange.context);
      } catch (error) {
        if (error instanceof NotConnected) return { kind: 'defer' };
        verdict = { kind: 'refuse', error: asRefusal(error), decisions, tool: seen.tool };
      }
      if (verdict.kind === 'defer') return verdict;
      const recorded = await recorder.decision(request, exchange, verdict, decisions);
      if (verdict.kind === 'permit' && recorded.kind !== 'permit') void verdict.place?.release();
      return recorded;
    },
  };
}

/** A tool that may be shown: where its own are among all checks, and which plans are its own. */
interface Candidate {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly planKeys: readonly string[];
}

/** From how many questions of one kind and action on a plan is asked for: it costs about as much as two checks. */
const planFrom = 4;

function planKey({ kind, action, attr }: PlanQuestion): string {
  return JSON.stringify([kind, action, attr ?? null]);
}

function planAnswer(plan: Plan, { resource }: Question, context: TenantContext): boolean | undefined {
  switch (plan.outcome) {
    case 'always_allowed':
      return true;
    case 'always_denied':
      return false;
    case 'conditional':
      return evaluatePlan(plan.condition, {
        id: resource.id,
        attr: { ...resource.properties, tenant: context.tenant.id },
      });
  }
}

/** Absent, the tenant has all tools; empty, it has none. */
function isAllowedTool(name: string, context: TenantContext): boolean {
  return context.tenant.settings.allowedTools?.includes(name) ?? true;
}

function requireAllowedTool(name: string, context: TenantContext): void {
  if (!isAllowedTool(name, context)) {
    throw new PortcullisError('denied', undefined, { detail: 'the tool is not among the tenant’s allowed tools' });
  }
}

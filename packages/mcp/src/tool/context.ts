import {
  PortcullisError,
  principalOf,
  type Attributes,
  type Decision,
  type Identity,
  type Plan,
  type PolicyDecisionPoint,
  type Principal,
  type Tenant,
  type TenantContext,
} from '@portcullis/core';
import { asRefusal } from '../enforce/as-refusal.js';
import { ask, askPlan } from '../enforce/ask.js';
import type { Question } from '../mapping/question.js';
import type { RunningCall } from '../enforce/exchange.js';

/** A resource that a handler asks about, once it has loaded it. */
export interface ResourceQuery {
  readonly kind: string;
  readonly id: string;
  /** Attributes that policies may compare. `tenant` is added by the gate. */
  readonly attr?: Attributes | undefined;
}

/** What a tool's handler works with. Everything in it is for one caller in one tenant. */
export interface ToolContext<Storage> {
  readonly tenant: Tenant;
  readonly principal: Principal;
  readonly identity: Identity;
  /** The sealed context, for storage adapters and the like. */
  readonly context: TenantContext;
  /** Correlates everything that happens for this request. */
  readonly requestId: string;
  /** The tenant's own storage, and nobody else's. */
  readonly storage: Storage;
  /** The decisions that let this call run. */
  readonly decisions: readonly Decision[];
  /** Ends with the request. */
  readonly signal: AbortSignal | undefined;
  /**
   * Requires one more permission, for what is known only after a record was loaded.
   *
   * @throws PortcullisError `denied`, `cross_tenant`, `obligation_failed`, `pdp_unavailable`. Left alone, it becomes the answer of the call.
   * @example
   * ```text
   * await ctx.authorize('update', { kind: 'document', id, attr: { owner: document.owner } });
   *   asks: may auth0#auth0|alice (roles member) `update` document `doc-1` { tenant: acme, owner: … } in scope acme?
   * ```
   */
  readonly authorize: (action: string, resource: ResourceQuery) => Promise<Decision>;
  /**
   * Keeps the resources that the action is permitted on, asked as one question.
   *
   * @param describe - the resource behind an item
   * @throws PortcullisError `cross_tenant`, `pdp_unavailable`
   */
  readonly filter: <Item>(
    action: string,
    items: readonly Item[],
    describe: (item: Item) => ResourceQuery,
  ) => Promise<readonly Item[]>;
  /**
   * Asks for which resources of a kind the action is permitted, before any is loaded: for a list whose rows come from
   * a database. `planToSql` of `@portcullis/storage/plan` makes the answer a WHERE clause.
   *
   * A plan knows no obligations: where the policy attaches some to the action, use `filter`, which leaves such items out.
   *
   * @throws PortcullisError `pdp_unavailable`
   * @example
   * ```text
   * await ctx.plan('read', 'document');
   *   asks: which documents of acme may auth0#auth0|alice (roles member) `read`?
   *   answers: { outcome: 'conditional', condition: classification != "secret" or author == "auth0#auth0|alice" }
   * ```
   */
  readonly plan: (action: string, kind: string) => Promise<Plan>;
}

/** Records a decision that a handler asked for. */
export type DecisionRecorder = (
  decisions: readonly Decision[],
  call: RunningCall,
  error?: PortcullisError,
) => Promise<void>;

/** Makes the context of a running call. */
export function toolContext<Storage>(
  call: RunningCall,
  storage: Storage,
  pdp: PolicyDecisionPoint,
  record: DecisionRecorder,
): ToolContext<Storage> {
  const { context, signal } = call.exchange;

  /** Refuses, on record. */
  async function refuse(error: PortcullisError, decisions: readonly Decision[]): Promise<never> {
    await record(decisions, call, error);
    throw error;
  }

  async function asked(questions: readonly Question[]): Promise<readonly Decision[]> {
    try {
      return await ask(pdp, questions, context, signal);
    } catch (error) {
      return refuse(asRefusal(error), []);
    }
  }

  return {
    tenant: context.tenant,
    principal: principalOf(context),
    identity: context.identity,
    context,
    requestId: context.requestId,
    storage,
    decisions: call.permit.decisions,
    signal,
    async authorize(action, resource) {
      const [decision] = await asked([questionOf(action, resource)]);
      if (decision?.effect !== 'allow') {
        return refuse(new PortcullisError('denied'), decision === undefined ? [] : [decision]);
      }
      // Nobody is left to carry out an obligation in the middle of a handler.
      if (decision.obligations.length > 0) {
        const detail = 'an obligation on a question that a handler asked';
        return refuse(new PortcullisError('obligation_failed', undefined, { detail }), [decision]);
      }
      await record([decision], call);
      return decision;
    },
    async plan(action, kind) {
      let plan: Plan;
      try {
        plan = await askPlan(pdp, { kind, action }, context, signal);
      } catch (error) {
        return refuse(asRefusal(error), []);
      }
      await record([decisionOf(plan, action, kind, context)], call);
      return plan;
    },
    async filter(action, items, describe) {
      const decisions = await asked(items.map((item) => questionOf(action, describe(item))));
      return items.filter(
        (_item, index) => decisions[index]?.effect === 'allow' && decisions[index].obligations.length === 0,
      );
    },
  };
}

/** A plan, as it is recorded: whether there is any resource of the kind that it lets through. */
function decisionOf(plan: Plan, action: string, kind: string, { tenant }: TenantContext): Decision {
  return {
    effect: plan.outcome === 'always_denied' ? 'deny' : 'allow',
    action,
    resource: { kind, id: '*' },
    policy: '',
    policyVersion: 'default',
    scope: tenant.id,
    outputs: [],
    obligations: [],
    callId: plan.callId,
    durationMs: plan.durationMs,
    engine: plan.engine,
  };
}

function questionOf(action: string, { kind, id, attr }: ResourceQuery): Question {
  return { action: { name: action }, resource: { type: kind, id, properties: attr } };
}

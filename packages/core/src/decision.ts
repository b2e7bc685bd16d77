import type { AttributeValue, Attributes } from './attributes.js';
import type { TenantId } from './tenant-id.js';

/** Who asks: a user id, the roles in this tenant, and attributes. */
export interface Principal {
  readonly id: string;
  readonly roles: readonly string[];
  readonly attr: Attributes;
}

/** What is asked about. */
export interface Resource {
  readonly kind: string;
  readonly id: string;
  /** The tenant that owns it. Policies read it as the attribute `tenant`. */
  readonly tenant: TenantId;
  readonly attr?: Attributes | undefined;
}

/** What somebody wants to do. */
export type Action = string;

export type Effect = 'allow' | 'deny';

/**
 * Something that must be done for a permit to hold (or along with a denial).
 *
 * @see the AuthZEN obligations profile (draft)
 */
export interface Obligation {
  readonly id: string;
  readonly type: string;
  readonly properties: Attributes;
}

/** A value that a policy rule computed beside its effect. */
export interface PolicyOutput {
  /** The rule it came from. */
  readonly source: string;
  readonly action: Action;
  readonly value: AttributeValue;
}

/** The answer to one action on one resource. A denial is a value; only an enforcing call throws. */
export interface Decision {
  readonly effect: Effect;
  readonly action: Action;
  readonly resource: { readonly kind: string; readonly id: string };
  /** The policy that decided, as the engine names it; empty when no policy matched. */
  readonly policy: string;
  /** The policy version that was asked for. */
  readonly policyVersion: string;
  /** Which policies decided, as a text that no other set of policies has; where the engine says so. */
  readonly policyRevision?: string | undefined;
  /** The scope at which it was decided. */
  readonly scope: string;
  readonly outputs: readonly PolicyOutput[];
  readonly obligations: readonly Obligation[];
  /** The engine's own id of the call. */
  readonly callId: string;
  /**
   * How long the engine took for the request that the question was in, in milliseconds; 0 from an engine of this process
   * for a few microseconds, which it does not time.
   */
  readonly durationMs: number;
  /** The engine that answered. */
  readonly engine: string;
}

/** Several actions on one resource. */
export interface ResourceQuestion {
  readonly resource: Resource;
  readonly actions: readonly Action[];
}

/** One question: a principal, and all that it wants to know. */
export interface CheckRequest {
  readonly principal: Principal;
  /** The policy scope: the tenant's. */
  readonly scope: string;
  /** @defaultValue `"default"`, the engine's */
  readonly policyVersion?: string | undefined;
  readonly questions: readonly ResourceQuestion[];
  readonly requestId?: string | undefined;
}

/** A question about all resources of a kind: for which of them is it allowed? */
export interface PlanRequest {
  readonly principal: Principal;
  readonly scope: string;
  readonly policyVersion?: string | undefined;
  readonly kind: string;
  readonly action: Action;
  readonly tenant: TenantId;
  /** Attributes that all of them share. */
  readonly attr?: Attributes | undefined;
  readonly requestId?: string | undefined;
}

/** An expression over a resource's attributes: Cerbos's query-plan operators. */
export type PlanExpression =
  | { readonly type: 'operation'; readonly operator: string; readonly operands: readonly PlanExpression[] }
  | { readonly type: 'variable'; readonly name: string }
  | { readonly type: 'value'; readonly value: AttributeValue };

/** The answer to a plan request. */
export type Plan = {
  readonly callId: string;
  /** How long the engine took, in milliseconds. */
  readonly durationMs: number;
  readonly engine: string;
} & (
  | { readonly outcome: 'always_allowed' }
  | { readonly outcome: 'always_denied' }
  | { readonly outcome: 'conditional'; readonly condition: PlanExpression }
);

/** Options of a single call. */
export interface CallOptions {
  /** Ends the call early; the outcome is `pdp_unavailable`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The engine behind the gate: a port with an adapter for each engine.
 *
 * `check` answers by position: `answer[i][j]` is the decision on `questions[i].actions[j]`. Whatever it cannot answer
 * fully it does not answer at all: every failure is a PortcullisError `pdp_unavailable`, and never an allow.
 */
export interface PolicyDecisionPoint {
  readonly engine: string;
  /**
   * Whether many checks are better than one plan for a list: because they take no round trip, or because the engine has
   * no plans. @defaultValue `false`
   */
  readonly prefersChecks?: boolean | undefined;
  check(request: CheckRequest, options?: CallOptions): Promise<readonly (readonly Decision[])[]>;
  plan(request: PlanRequest, options?: CallOptions): Promise<Plan>;
  close(): Promise<void>;
}

import type {
  AttributeValue,
  Author,
  ErrorCode,
  Impersonation,
  LifecycleAction,
  TenantContext,
} from '@portcullis/core';

/** The mark of what an operator does in a tenant that it does not belong to. The operator is the actor. */
export interface AuditedImpersonation {
  readonly grant: string;
  readonly kind: Impersonation['kind'];
  /** `Identity.key` of the second person; always there for `break_glass`. */
  readonly approvedBy?: string | undefined;
  /** The operator's own words. */
  readonly reason: string;
}

/** Who acted: stable keys only, no names and no addresses. */
export interface AuditActor {
  /** `Identity.key`. */
  readonly id: string;
  readonly provider: string;
  /** `system`: no person and no client, but a job of the platform's own. */
  readonly kind: 'user' | 'client' | 'system';
  /** The client (the agent) that held the token. */
  readonly client?: string | undefined;
  /** The delegation chain of the token's `act` claim, the present actor first. */
  readonly delegation: readonly string[];
  /** Present where the actor is an operator who acts in somebody else's tenant. */
  readonly impersonation?: AuditedImpersonation | undefined;
}

interface Common {
  readonly requestId: string;
  readonly actor?: AuditActor | undefined;
  readonly tenant?: string | undefined;
  /** The MCP method, where there is one. */
  readonly method?: string | undefined;
  /** The tool or prompt, or the URI of the resource. */
  readonly name?: string | undefined;
  /** The code of the refusal or failure. */
  readonly code?: ErrorCode | undefined;
  /** For operators: why. */
  readonly reason?: string | undefined;
  /** Since the request arrived, in milliseconds. */
  readonly latencyMs: number;
}

/** What the engine said of one question. */
export interface AuditedDecision {
  readonly effect: 'allow' | 'deny';
  readonly action: string;
  readonly resource: { readonly kind: string; readonly id: string };
  readonly policy: string;
  readonly policyVersion: string;
  /** Which policies decided, where the engine says so. */
  readonly policyRevision?: string | undefined;
  readonly scope: string;
  readonly engine: string;
  readonly callId: string;
  /** The time the engine took, in milliseconds. */
  readonly durationMs: number;
  readonly obligations: readonly string[];
}

/** The verdict on one request, recorded before anything runs. */
export interface DecisionEntry extends Common {
  readonly type: 'decision';
  /** The verdict on the request as a whole. */
  readonly effect: 'allow' | 'deny';
  readonly decisions: readonly AuditedDecision[];
  /** A resource of another tenant was named. */
  readonly crossTenant?: boolean | undefined;
  /** What was recorded of the arguments, as configured. */
  readonly arguments?: unknown;
}

/** What became of a request that was allowed to run. */
export interface OutcomeEntry extends Common {
  readonly type: 'outcome';
  /** `error`: the handler failed, or answered with an error. `abandoned`: the caller left before the answer. */
  readonly outcome: 'ok' | 'error' | 'denied' | 'abandoned';
}

/** A request that was refused before there was anything to decide. */
export interface RefusalEntry extends Common {
  readonly type: 'refusal';
  readonly effect: 'deny';
  readonly code: ErrorCode;
  /** For a bad token: the rule that it broke. */
  readonly rule?: string | undefined;
  /** How many refusals this entry stands for, of the same actor and code; absent for one. The rest is that of the last. */
  readonly times?: number | undefined;
}

/** An operator opened the storage of a tenant that it does not belong to. */
export interface OperatorAccessEntry extends Common {
  readonly type: 'operator_access';
  readonly effect: 'allow';
  /** The tenant whose storage was opened. */
  readonly tenant: string;
  /** The adapter, as `postgres/row-level-security`. */
  readonly storage: string;
  /** The operator's own words. */
  readonly reason: string;
  /** When the operator's right ends: ISO 8601. */
  readonly expiresAt: string;
}

/** A step of a tenant's life (provisioning, removal, restoration), recorded before it is taken. */
export interface LifecycleEntry extends Common {
  readonly type: 'lifecycle';
  readonly effect: 'allow';
  readonly tenant: string;
  readonly action: LifecycleAction;
  /** The same for all steps of one job. */
  readonly job: string;
  /** As `provision:schema`, `suspend`, `archive`, `remove:keys`. */
  readonly step: string;
  /** The operator's own words. */
  readonly reason: string;
  /** When the operator's right ends: ISO 8601. */
  readonly expiresAt: string;
}

/** A change of what the platform is configured with, recorded before it is made. */
export interface ConfigurationEntry extends Common {
  readonly type: 'configuration';
  readonly effect: 'allow';
  /** As `tenant.update`, `member.add`. */
  readonly action: string;
  /** What is changed: the id of the member, the role and so on. */
  readonly target: string;
  /** The members that differ, as they were; `null` for what is new. Secrets are taken out. */
  readonly before: AttributeValue;
  /** The members that differ, as they will be; `null` for what is removed. */
  readonly after: AttributeValue;
  /** Present, and true, where an operator makes the change by virtue of being one. */
  readonly byOperator?: boolean | undefined;
}

/** What an operator does, or tries to do, by virtue of being one; recorded before it is done. */
export interface OperatorEntry extends Common {
  readonly type: 'operator';
  readonly effect: 'allow' | 'deny';
  /** As `tenants.list`, `grant.request`, `grant.use`. */
  readonly action: string;
  /** Of a denial: what the operator was not told. */
  readonly detail?: string | undefined;
  readonly grant?: string | undefined;
  readonly grantKind?: Impersonation['kind'] | undefined;
  readonly approvedBy?: string | undefined;
  /** When the right ends: ISO 8601. */
  readonly expiresAt?: string | undefined;
}

/** One record of the audit log. */
export type AuditEntry =
  | DecisionEntry
  | OutcomeEntry
  | RefusalEntry
  | OperatorAccessEntry
  | LifecycleEntry
  | ConfigurationEntry
  | OperatorEntry;

/** The actor of an identity, of a context (with the mark of an operator in it), or of a job of the system's own. */
export function auditActor(of: Author | TenantContext, impersonation?: Impersonation): AuditActor {
  if ('system' in of) return { id: `system#${of.system}`, provider: 'system', kind: 'system', delegation: [] };
  const identity = 'identity' in of ? of.identity : of;
  const mark = 'identity' in of ? of.impersonation : impersonation;
  return {
    id: identity.key,
    provider: identity.provider,
    kind: identity.kind,
    ...(identity.clientId === undefined ? {} : { client: identity.clientId }),
    delegation: identity.actors.map((actor) => actor.subject),
    ...(mark === undefined ? {} : { impersonation: audited(mark) }),
  };
}

function audited({ grant, kind, approvedBy, reason }: Impersonation): AuditedImpersonation {
  return { grant, kind, ...(approvedBy === undefined ? {} : { approvedBy }), reason };
}

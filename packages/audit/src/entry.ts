import { type ErrorCode, type Identity, type LifecycleAction, type TenantContext } from '@portcullis/core';

/** Who acted: stable keys only, no names and no addresses. */
export interface AuditActor {
  /** `Identity.key`. */
  readonly id: string;
  readonly provider: string;
  readonly kind: 'user' | 'client';
  /** The client (the agent) that held the token. */
  readonly client?: string | undefined;
  /** The delegation chain of the token's `act` claim, the present actor first. */
  readonly delegation: readonly string[];
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

/** One record of the audit log. */
export type AuditEntry = DecisionEntry | OutcomeEntry | RefusalEntry | OperatorAccessEntry | LifecycleEntry;

/** The actor of an identity, or of a context's identity. */
export function auditActor(of: Identity | TenantContext): AuditActor {
  const identity = 'identity' in of ? of.identity : of;
  return {
    id: identity.key,
    provider: identity.provider,
    kind: identity.kind,
    ...(identity.clientId === undefined ? {} : { client: identity.clientId }),
    delegation: identity.actors.map((actor) => actor.subject),
  };
}

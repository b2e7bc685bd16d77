import { auditActor, type AuditedDecision, type AuditEntry, type AuditSink } from '@portcullis/audit';
import { PortcullisError, type Decision, type Identity, type TenantId } from '@portcullis/core';
import type { Caller } from './caller.js';

/** One request, as it is recorded. */
export interface RecordedRequest {
  readonly requestId: string;
  /** The endpoint's method and path, with the names of its parameters. */
  readonly method: string;
  /** The path as it was sent. */
  readonly name: string;
  readonly tenant: TenantId | undefined;
  /** `performance.now()` when it arrived. */
  readonly startedAt: number;
}

/** Writes what the administration API does into the audit log. */
export interface Recorder {
  /** Records a permit. Rejects with `audit_unavailable`: then nothing runs. */
  permit(request: RecordedRequest, caller: Caller, decisions: readonly Decision[]): Promise<void>;
  /** Records a refusal that was decided. Never rejects. */
  denial(
    request: RecordedRequest,
    who: Caller | Identity,
    error: PortcullisError,
    decisions: readonly Decision[],
  ): Promise<void>;
  /** Records a request that was refused before it was known who sends it. Never rejects. */
  refusal(request: RecordedRequest, error: PortcullisError): Promise<void>;
  /** Records what became of a permitted request. Never rejects. */
  outcome(request: RecordedRequest, caller: Caller, end: RequestEnd): Promise<void>;
}

/** What became of a permitted request. */
interface RequestEnd {
  /** `undefined`: it was carried out. */
  readonly error: PortcullisError | undefined;
  /** It was answered as an earlier one with its idempotency key, and nothing was done. */
  readonly replayed: boolean;
}

/** What the recorder writes to. */
export interface RecorderOptions {
  readonly audit: AuditSink;
  readonly onError: (error: Error) => void;
}

/** Makes the recorder of an administration API. */
export function recorder({ audit, onError }: RecorderOptions): Recorder {
  /** A record that is not a condition for running: a failure is told to the operator. */
  async function tell(record: () => Promise<void>): Promise<void> {
    try {
      await record();
    } catch (error) {
      onError(error instanceof Error ? error : new Error('the audit record cannot be written'));
    }
  }

  return {
    async permit(request, caller, decisions) {
      try {
        await audit.record({
          type: 'decision',
          effect: 'allow',
          ...described(request, caller),
          decisions: decisions.map(audited),
        });
      } catch (error) {
        onError(error instanceof Error ? error : new Error('the audit record cannot be written'));
        throw error instanceof PortcullisError
          ? error
          : new PortcullisError('audit_unavailable', undefined, { cause: error });
      }
    },
    denial: (request, who, error, decisions) =>
      tell(() =>
        audit.record({
          type: 'decision',
          effect: 'deny',
          ...described(request, who),
          ...reasonOf(error),
          ...(error.code === 'cross_tenant' ? { crossTenant: true } : {}),
          decisions: decisions.map(audited),
        }),
      ),
    refusal: (request, error) =>
      tell(() =>
        audit.record({
          type: 'refusal',
          effect: 'deny',
          ...described(request, undefined),
          ...reasonOf(error),
          ...(typeof error.data['rule'] === 'string' ? { rule: error.data['rule'] } : {}),
        }),
      ),
    outcome: (request, caller, { error, replayed }) =>
      tell(() =>
        audit.record({
          type: 'outcome',
          outcome: error === undefined ? 'ok' : 'error',
          ...described(request, caller),
          // An operator's own words are in the record of the permit.
          ...(replayed ? { reason: 'replayed: carried out as an earlier request' } : {}),
          ...(error === undefined ? {} : reasonOf(error)),
        }),
      ),
  };
}

function described(
  { requestId, method, name, tenant, startedAt }: RecordedRequest,
  who: Caller | Identity | undefined,
): Pick<AuditEntry, 'requestId' | 'actor' | 'tenant' | 'method' | 'name' | 'reason' | 'latencyMs'> {
  return {
    requestId,
    ...(who === undefined ? {} : { actor: auditActor(actorOf(who)) }),
    ...(tenant === undefined ? {} : { tenant }),
    method,
    name: name.slice(0, 500),
    ...(who !== undefined && isCaller(who) && who.kind === 'operator' ? { reason: who.reason } : {}),
    latencyMs: round(performance.now() - startedAt),
  };
}

function isCaller(who: Caller | Identity): who is Caller {
  return 'identity' in who;
}

function actorOf(who: Caller | Identity): Parameters<typeof auditActor>[0] {
  if (!isCaller(who)) return who;
  return who.kind === 'member' ? who.context : who.identity;
}

function reasonOf(error: PortcullisError): { readonly code: PortcullisError['code']; readonly reason: string } {
  return { code: error.code, reason: error.detail ?? error.message };
}

function audited(decision: Decision): AuditedDecision {
  const { effect, action, resource, policy, policyVersion, policyRevision } = decision;
  const { scope, engine, callId, durationMs, obligations } = decision;
  return {
    effect,
    action,
    resource,
    policy,
    policyVersion,
    ...(policyRevision === undefined ? {} : { policyRevision }),
    scope,
    engine,
    callId,
    durationMs: round(durationMs),
    obligations: obligations.map(({ type }) => type),
  };
}

/** Milliseconds to the microsecond. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

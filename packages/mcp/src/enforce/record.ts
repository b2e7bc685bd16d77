import {
  auditActor,
  recordedArguments,
  type AuditEntry,
  type AuditedDecision,
  type AuditSink,
  type RecordArguments,
} from '@portcullis/audit';
import { PortcullisError, type Decision, type Identity, type TenantContext } from '@portcullis/core';
import { isObject, type RpcMessage, type RpcRequest } from '../message.js';
import type { Exchange, RunningCall, Verdict } from './exchange.js';

/** Writes what the gate does into the audit log. */
export interface Recorder {
  /** Records a verdict; one that allows and cannot be recorded becomes a refusal. */
  decision(request: RpcRequest, exchange: Exchange, verdict: Verdict, decisions: readonly Decision[]): Promise<Verdict>;
  /** Records a decision that a handler asked for. Rejects where it has to be recorded and cannot be. */
  readonly inHandler: (decisions: readonly Decision[], call: RunningCall, error?: PortcullisError) => Promise<void>;
  /** Records what became of a call; `undefined` when the caller left. */
  outcome(request: RpcRequest, exchange: Exchange, call: RunningCall, answer: RpcMessage | undefined): Promise<void>;
  /** Records a request that was refused before there was anything to decide. */
  refusal(
    error: PortcullisError,
    requestId: string,
    who: Identity | TenantContext | undefined,
    latencyMs: number,
  ): Promise<void>;
}

/** How the recorder behaves. */
export interface RecorderOptions {
  readonly audit: AuditSink;
  readonly onFailure: 'deny' | 'allow';
  readonly recordArguments: RecordArguments;
  readonly onError: (error: Error) => void;
}

/** Makes the recorder of a gate. */
export function recorder({ audit, onFailure, recordArguments, onError }: RecorderOptions): Recorder {
  /** A record that is not a condition for running: a failure is told to the operator. */
  async function tell(entry: AuditEntry): Promise<void> {
    try {
      await audit.record(entry);
    } catch (error) {
      onError(error instanceof Error ? error : new Error('the audit record cannot be written'));
    }
  }

  async function recorded(entry: AuditEntry): Promise<PortcullisError | undefined> {
    try {
      await audit.record(entry);
      return undefined;
    } catch (error) {
      onError(error instanceof Error ? error : new Error('the audit record cannot be written'));
      if (onFailure === 'allow') return undefined;
      return error instanceof PortcullisError
        ? error
        : new PortcullisError('audit_unavailable', undefined, { cause: error });
    }
  }

  return {
    async decision(request, exchange, verdict, decisions) {
      if (verdict.kind === 'pass' || verdict.kind === 'defer') return verdict;
      const entry: AuditEntry = {
        type: 'decision',
        effect: verdict.kind === 'permit' ? 'allow' : 'deny',
        ...described(request, exchange),
        ...(verdict.kind === 'refuse' ? reasonOf(verdict.error) : {}),
        ...(verdict.kind === 'answer' ? { code: 'approval_required' as const, reason: 'a person is being asked' } : {}),
        decisions: decisions.map(audited),
        arguments: recordedArguments(request.params?.['arguments'], recordArguments),
        ...(verdict.kind === 'refuse' && verdict.error.code === 'cross_tenant' ? { crossTenant: true } : {}),
      };
      if (verdict.kind === 'refuse') {
        await tell(entry);
        return verdict;
      }
      const failure = await recorded(entry);
      return failure === undefined ? verdict : { kind: 'refuse', error: failure, decisions };
    },
    async inHandler(decisions, { exchange, permit }, error) {
      const entry: AuditEntry = {
        type: 'decision',
        effect: error === undefined ? 'allow' : 'deny',
        ...described(permit.request, exchange),
        ...(error === undefined ? {} : reasonOf(error)),
        ...(error?.code === 'cross_tenant' ? { crossTenant: true } : {}),
        decisions: decisions.map(audited),
      };
      if (error !== undefined) return tell(entry);
      const failure = await recorded(entry);
      if (failure !== undefined) throw failure;
    },
    outcome: (request, exchange, call, answer) =>
      tell({
        type: 'outcome',
        outcome: outcomeOf(call, answer),
        ...described(request, exchange),
        ...(call.refusal === undefined ? {} : reasonOf(call.refusal)),
      }),
    refusal: (error, requestId, who, latencyMs) =>
      tell({
        type: 'refusal',
        effect: 'deny',
        requestId,
        ...(who === undefined ? {} : { actor: auditActor(who) }),
        ...(who !== undefined && 'tenant' in who ? { tenant: who.tenant.id } : {}),
        ...reasonOf(error),
        ...(typeof error.data['rule'] === 'string' ? { rule: error.data['rule'] } : {}),
        latencyMs: round(latencyMs),
      }),
  };
}

function described(
  request: RpcRequest,
  { context, startedAt }: Exchange,
): Pick<AuditEntry, 'requestId' | 'actor' | 'tenant' | 'method' | 'name' | 'latencyMs'> {
  const name = request.params?.['name'] ?? request.params?.['uri'];
  return {
    requestId: context.requestId,
    actor: auditActor(context),
    tenant: context.tenant.id,
    method: request.method.slice(0, 200),
    ...(typeof name === 'string' ? { name: name.slice(0, 500) } : {}),
    latencyMs: round(performance.now() - startedAt),
  };
}

function reasonOf(error: PortcullisError): { readonly code: PortcullisError['code']; readonly reason: string } {
  return { code: error.code, reason: error.detail ?? error.message };
}

function audited(decision: Decision): AuditedDecision {
  const { effect, action, resource, policy, policyVersion, scope, engine, callId, durationMs, obligations } = decision;
  return {
    effect,
    action,
    resource,
    policy,
    policyVersion,
    scope,
    engine,
    callId,
    durationMs: round(durationMs),
    obligations: obligations.map(({ type }) => type),
  };
}

function outcomeOf(call: RunningCall, answer: RpcMessage | undefined): 'ok' | 'error' | 'denied' | 'abandoned' {
  if (call.refusal !== undefined) return 'denied';
  if (answer === undefined) return 'abandoned';
  if (answer.error !== undefined) return 'error';
  return isObject(answer.result) && answer.result['isError'] === true ? 'error' : 'ok';
}

/** Milliseconds to the microsecond. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

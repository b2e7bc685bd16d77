import {
  auditActor,
  recordedArguments,
  type AuditEntry,
  type AuditedDecision,
  type AuditSink,
  type RecordArguments,
  type RefusalEntry,
} from '@portcullis/audit';
import {
  PortcullisError,
  type Clock,
  type Decision,
  type Identity,
  type TenantContext,
  type UsageOutcome,
  type UsageRecorder,
} from '@portcullis/core';
import { methodRow } from '../mapping/table.js';
import { isObject, type RpcMessage, type RpcRequest } from '../message.js';
import type { Exchange, RunningCall, Verdict } from './exchange.js';
import { RepeatedRefusals } from './repeated-refusals.js';

/** Writes what the gate does into the audit log. */
export interface Recorder {
  /** Records a verdict; one that allows and cannot be recorded becomes a refusal. */
  decision(request: RpcRequest, exchange: Exchange, verdict: Verdict, decisions: readonly Decision[]): Promise<Verdict>;
  /** Records a decision that a handler asked for. Rejects where it has to be recorded and cannot be. */
  readonly inHandler: (decisions: readonly Decision[], call: RunningCall, error?: PortcullisError) => Promise<void>;
  /** Records what became of a call; `undefined` when the caller left. */
  outcome(request: RpcRequest, exchange: Exchange, call: RunningCall, answer: RpcMessage | undefined): Promise<void>;
  /**
   * Records a request that was refused before there was anything to decide.
   *
   * @returns the refusal as it is to be told now: less of its wait is left
   */
  refusal(
    error: PortcullisError,
    requestId: string,
    who: Identity | TenantContext | undefined,
    latencyMs: number,
  ): Promise<PortcullisError>;
  /** Records what was gathered and not recorded yet. */
  flush(): Promise<void>;
}

/** How the recorder behaves. */
export interface RecorderOptions {
  readonly audit: AuditSink;
  readonly onFailure: 'deny' | 'allow';
  readonly recordArguments: RecordArguments;
  readonly usage: UsageRecorder | undefined;
  readonly clock: Clock;
  readonly onError: (error: Error) => void;
}

/** Makes the recorder of a gate. */
export function recorder({ audit, onFailure, recordArguments, usage, clock, onError }: RecorderOptions): Recorder {
  function count(context: TenantContext, tool: string, outcome: UsageOutcome, latencyMs: number): void {
    usage?.record({
      tenant: context.tenant.id,
      user: context.identity.key,
      tool: tool.slice(0, 500),
      outcome,
      latencyMs,
      at: clock(),
    });
  }

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

  const repeated = new RepeatedRefusals(tell);

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
        count(exchange.context, toolOf(request, verdict.tool), outcomeOfRefusal(verdict.error), elapsed(exchange));
        return verdict;
      }
      const failure = await recorded(entry);
      if (failure === undefined) return verdict;
      count(exchange.context, toolOf(request, undefined), 'error', elapsed(exchange));
      return { kind: 'refuse', error: failure, decisions };
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
    async outcome(request, exchange, call, answer) {
      const outcome = outcomeOf(call, answer);
      count(
        exchange.context,
        toolOf(request, nameOf(request)),
        outcome === 'ok' ? 'allowed' : outcome === 'denied' ? outcomeOfRefusal(call.refusal) : 'error',
        elapsed(exchange),
      );
      await tell({
        type: 'outcome',
        outcome,
        ...described(request, exchange),
        ...(call.refusal === undefined ? {} : reasonOf(call.refusal)),
      });
    },
    async refusal(error, requestId, who, latencyMs) {
      const startedAt = performance.now();
      if (who !== undefined && 'tenant' in who) count(who, '(refused)', outcomeOfRefusal(error), latencyMs);
      const entry: RefusalEntry = {
        type: 'refusal',
        effect: 'deny',
        requestId,
        ...(who === undefined ? {} : { actor: auditActor(who) }),
        ...(who !== undefined && 'tenant' in who ? { tenant: who.tenant.id } : {}),
        ...reasonOf(error),
        ...(typeof error.data['rule'] === 'string' ? { rule: error.data['rule'] } : {}),
        latencyMs: round(latencyMs),
      };
      await (error.code === 'rate_limited' && who !== undefined ? repeated.refused(entry, waitOf(error)) : tell(entry));
      return asOfNow(error, performance.now() - startedAt);
    },
    flush: () => repeated.flush(),
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

function elapsed({ startedAt }: Exchange): number {
  return performance.now() - startedAt;
}

function waitOf(error: PortcullisError): number | undefined {
  const wait = error.data['retryAfterMs'];
  return typeof wait === 'number' ? wait : undefined;
}

/** The same refusal some time later. */
function asOfNow(error: PortcullisError, passedMs: number): PortcullisError {
  const wait = waitOf(error);
  if (wait === undefined) return error;
  const { code, message, detail, cause, data } = error;
  const retryAfterMs = Math.max(0, Math.ceil(wait - passedMs));
  return new PortcullisError(code, message, {
    ...(detail === undefined ? {} : { detail }),
    cause,
    data: { ...data, retryAfterMs },
  });
}

function nameOf(request: RpcRequest): string | undefined {
  const name = request.params?.['name'];
  return typeof name === 'string' ? name : undefined;
}

/**
 * What a request is counted under: the tool, or the method. A name that the caller made up is none: it could fill the
 * counters with names.
 */
function toolOf(request: RpcRequest, tool: string | undefined): string {
  if (request.method === 'tools/call') return tool ?? '(unknown)';
  return methodRow(request.method) !== undefined ? request.method : '(unknown)';
}

function outcomeOfRefusal(error: PortcullisError | undefined): UsageOutcome {
  switch (error?.code) {
    case 'rate_limited':
    case 'quota_exceeded':
    case 'concurrency_exceeded':
    case 'limit_exceeded':
      return 'limited';
    default:
      return (error?.httpStatus ?? 403) >= 500 ? 'error' : 'denied';
  }
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

import type { CallPlace, Decision, Obligation, PortcullisError, TenantContext } from '@portcullis/core';
import type { RpcId, RpcRequest } from '../message.js';

/** One caller's request in progress: what the edge established, and the verdicts on its JSON-RPC messages. */
export interface Exchange {
  readonly context: TenantContext;
  /** Verdicts that were reached before the message got to the server, each used once. */
  readonly tickets: Map<RpcId, Verdict>;
  readonly signal: AbortSignal | undefined;
  /** `performance.now()` when it arrived. */
  readonly startedAt: number;
}

/** Something the caller could not be asked before, as the answer to a request. */
export interface Answer {
  readonly kind: 'answer';
  readonly result: Readonly<Record<string, unknown>>;
}

/** An obligation that is being carried out, and what is left of it to do on the result. */
export interface CarriedObligation {
  readonly obligation: Obligation;
  readonly onResult?: ((result: unknown) => unknown) | undefined;
}

/** The call may run. */
export interface Permit {
  readonly kind: 'permit';
  readonly request: RpcRequest;
  readonly decisions: readonly Decision[];
  readonly obligations: readonly CarriedObligation[];
  /** The message to hand on: the request without what was only for the gate. */
  readonly forward: RpcRequest;
  /** The call's place among those of its tenant that run; given back when the call is over. */
  readonly place?: CallPlace | undefined;
  /** Present when a person approved the call: wraps the state of further rounds. */
  readonly approved?: { readonly wrapState: (inner: string | undefined) => Promise<string> } | undefined;
}

/** The call may not run. */
interface RefusalVerdict {
  readonly kind: 'refuse';
  readonly error: PortcullisError;
  readonly decisions: readonly Decision[];
  /** The tool that was called, where there is one of that name. */
  readonly tool?: string | undefined;
}

/** What the gate says of one request; `defer` when it can only be said on the connection itself. */
export type Verdict = { readonly kind: 'pass' } | { readonly kind: 'defer' } | Permit | RefusalVerdict | Answer;

/** The call that is running: how handlers find their context. */
export interface RunningCall {
  readonly exchange: Exchange;
  readonly permit: Permit;
  /** A refusal that the handler ran into; it replaces whatever the handler's server makes of it. */
  refusal: PortcullisError | undefined;
  /** How many handlers run for it: a caller that leaves does not end them. */
  handlers: number;
  /** It was answered, or its caller has left. */
  isOver: boolean;
}

/** Gives the place of a call back once it is over and nothing runs for it any more. */
export function leaveIfDone({ handlers, isOver, permit }: RunningCall): void {
  if (handlers === 0 && isOver) void permit.place?.release();
}

/** Gives back the places of permits that were never taken up. */
export function leaveUnused({ tickets }: Exchange): void {
  for (const verdict of tickets.values()) if (verdict.kind === 'permit') void verdict.place?.release();
}

const running = new WeakMap<object, RunningCall>();

/** Binds a running call to the authentication info that its handler will be given. */
export function bindCall(authInfo: object, call: RunningCall): void {
  running.set(authInfo, call);
}

/** The running call behind the authentication info that a handler was given; there is none but the guard's. */
export function callOf(authInfo: object | undefined): RunningCall | undefined {
  return authInfo === undefined ? undefined : running.get(authInfo);
}

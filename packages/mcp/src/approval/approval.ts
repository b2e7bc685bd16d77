import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { PortcullisError, type Clock, type Decision, type TenantContext } from '@portcullis/core';
import { canonicalJson } from '@portcullis/audit';
import { isObject, type RpcRequest } from '../message.js';
import type { Answer } from '../enforce/exchange.js';
import { humanApproval } from '../enforce/obligations.js';
import type { ApprovalStore } from './store.js';

/** How the caller's client can be asked. */
export interface ApprovalChannel {
  /** `modern`: the call is answered with an input-required result (2026-07-28). `legacy`: an elicitation request (2025). */
  readonly era: 'modern' | 'legacy';
  /** Whether the client declared that it can show a form. */
  readonly canElicit: boolean;
  /** Sends an elicitation and waits for the answer; only where the connection can carry one. */
  readonly elicit?: ((params: Readonly<Record<string, unknown>>) => Promise<unknown>) | undefined;
}

/** How approvals are kept. */
export interface ApprovalOptions {
  /** At least 32 bytes. All replicas need the same. @defaultValue random, for a single process */
  readonly key?: Uint8Array | undefined;
  /** How long an approval may take, in milliseconds. @defaultValue 300000 */
  readonly ttlMs?: number | undefined;
  readonly store: ApprovalStore;
  readonly clock: Clock;
}

/** The outcome of asking: approved (and what to hand on), or an answer that asks the client. */
type ApprovalOutcome =
  | {
      readonly kind: 'approved';
      readonly forward: RpcRequest;
      readonly wrapState: (inner: string | undefined) => Promise<string>;
    }
  | Answer;

/** The key of our request among a call's `inputRequests`. */
const inputKey = 'portcullis_approval';
const tokenType = 'portcullis-approval+jwt';

/** Asks a person before a call runs. */
export interface Approvals {
  /**
   * @throws PortcullisError `approval_required` when the person said no, the state is forged, expired, used already or
   * for another call, or the client cannot show the question
   */
  require(
    decisions: readonly Decision[],
    request: RpcRequest,
    context: TenantContext,
    channel: ApprovalChannel,
  ): Promise<ApprovalOutcome>;
}

/** Whether any of the decisions asks for a person's approval. */
export function needsApproval(decisions: readonly Decision[]): boolean {
  return decisions.some((decision) => decision.obligations.some((obligation) => obligation.type === humanApproval));
}

/**
 * Human approval as an obligation.
 *
 * An approval is bound to exactly this principal, tenant, tool and arguments, and to the question that was shown: if
 * the record changed so that policy would ask otherwise, it does not count. It is used once, and expires. What goes
 * through the client is a signed state (HS256), so that no replica has to remember a pending question.
 *
 * @see MCP 2026-07-28, multi-round-trip requests, server requirements 4 and 5
 */
export function approvals(options: ApprovalOptions): Approvals {
  const key = options.key ?? randomBytes(32);
  if (key.byteLength < 32) throw new PortcullisError('config_invalid', 'approvals.key: must have at least 32 bytes');
  const ttlMs = options.ttlMs ?? 300_000;

  const seal = (binding: string, claims: Readonly<Record<string, unknown>>): Promise<string> =>
    new SignJWT({ ...claims, binding })
      .setProtectedHeader({ alg: 'HS256', typ: tokenType })
      .setJti(randomUUID())
      .setExpirationTime(Math.floor((options.clock() + ttlMs) / 1000))
      .sign(key);

  const open = async (state: string, binding: string): Promise<Readonly<Record<string, unknown>>> => {
    const { payload } = await jwtVerify(state, key, {
      algorithms: ['HS256'],
      typ: tokenType,
      requiredClaims: ['jti', 'exp', 'binding'],
      currentDate: new Date(options.clock()),
      clockTolerance: 0,
    }).catch((cause: unknown) => {
      throw refused('the approval is not valid or has expired', cause);
    });
    if (payload['binding'] !== binding) throw refused('the approval is for another call');
    if (
      payload.jti === undefined ||
      payload.exp === undefined ||
      !(await options.store.use(payload.jti, payload.exp * 1000))
    ) {
      throw refused('the approval was used already');
    }
    return payload;
  };

  return {
    async require(decisions, request, context, channel) {
      const message = messageOf(decisions, request);
      const binding = bindingOf(request, context, message);
      const approved = (forward: RpcRequest): ApprovalOutcome => ({
        kind: 'approved',
        forward,
        wrapState: (inner) => seal(binding, { approved: true, ...(inner === undefined ? {} : { inner }) }),
      });

      if (channel.era === 'modern') {
        const state = request.params?.['requestState'];
        if (typeof state === 'string') {
          const opened = await open(state, binding);
          const { forward, answer } = takeAnswer(request, opened['inner']);
          if (opened['approved'] === true || saysYes(answer)) return approved(forward);
          throw refused('the call was not approved');
        }
        if (!channel.canElicit) throw refused('the client cannot show the question');
        return {
          kind: 'answer',
          result: {
            resultType: 'input_required',
            inputRequests: { [inputKey]: { method: 'elicitation/create', params: formOf(message) } },
            requestState: await seal(binding, {}),
          },
        };
      }
      if (channel.elicit === undefined || !channel.canElicit) throw refused('the client cannot show the question');
      const answer = await channel.elicit(formOf(message)).catch((cause: unknown) => {
        throw refused('the client did not answer the question', cause);
      });
      if (!saysYes(answer)) throw refused('the call was not approved');
      return approved(request);
    },
  };
}

function refused(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('approval_required', undefined, { detail, cause });
}

/** A digest of everything that an approval is for, and of what the person read. */
function bindingOf(request: RpcRequest, context: TenantContext, message: string): string {
  const approvedCall = [
    context.identity.key,
    context.identity.clientId ?? null,
    context.tenant.id,
    request.method,
    request.params?.['name'] ?? null,
    request.params?.['arguments'] ?? {},
    message,
  ];
  return createHash('sha256').update(canonicalJson(approvedCall)).digest('base64url');
}

/** What the person is asked: the policy's words, which may quote the record that the call is about. */
function messageOf(decisions: readonly Decision[], request: RpcRequest): string {
  const messages = decisions
    .flatMap((decision) => decision.obligations)
    .filter((obligation) => obligation.type === humanApproval)
    .map((obligation) => obligation.properties['message'])
    .filter((message) => typeof message === 'string');
  const name = request.params?.['name'];
  return messages.length > 0 ? messages.join('\n') : `Approve ${typeof name === 'string' ? name : request.method}?`;
}

function formOf(message: string): Readonly<Record<string, unknown>> {
  return {
    mode: 'form',
    message,
    requestedSchema: {
      type: 'object',
      properties: { approve: { type: 'boolean', title: 'Approve', description: message } },
      required: ['approve'],
    },
  };
}

function saysYes(answer: unknown): boolean {
  return (
    isObject(answer) &&
    answer['action'] === 'accept' &&
    isObject(answer['content']) &&
    answer['content']['approve'] === true
  );
}

/** Takes our part out of a retried request: the handler must see only its own. */
function takeAnswer(request: RpcRequest, inner: unknown): { readonly forward: RpcRequest; readonly answer: unknown } {
  const { requestState: _state, inputResponses, ...params } = request.params ?? {};
  const responses: Record<string, unknown> = isObject(inputResponses) ? { ...inputResponses } : {};
  const answer = responses[inputKey];
  const rest = Object.fromEntries(Object.entries(responses).filter(([name]) => name !== inputKey));
  return {
    answer,
    forward: {
      ...request,
      params: {
        ...params,
        ...(Object.keys(rest).length > 0 ? { inputResponses: rest } : {}),
        ...(typeof inner === 'string' ? { requestState: inner } : {}),
      },
    },
  };
}

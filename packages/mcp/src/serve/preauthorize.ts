import { PortcullisError, type AttributeValue } from '@portcullis/core';
import type { Enforcer, ServerView } from '../enforce/enforcer.js';
import type { Exchange } from '../enforce/exchange.js';
import { isObject, isRequest, type RpcMessage, type RpcRequest } from '../message.js';
import { refusalMessage } from '../transport/guard.js';

/** What answers a request before the server gets it. */
export type EarlyAnswer =
  | { readonly kind: 'message'; readonly message: RpcMessage }
  /** A refusal that is HTTP's to say: a step-up challenge, or when to retry. */
  | { readonly kind: 'challenge'; readonly error: PortcullisError; readonly id: string | number };

/**
 * Refuses a POST whose body could not be read as JSON.
 *
 * @throws PortcullisError `json_invalid`, `media_type_unsupported`
 * @see JSON-RPC 2.0, section 5.1 (parse error); RFC 9110, section 15.5.16
 */
export function requireJson(request: Request, body: AttributeValue | undefined): void {
  if (request.method !== 'POST' || body !== undefined) return;
  const isSaidToBe = /^application\/json\b/i.test(request.headers.get('content-type') ?? '');
  throw new PortcullisError(isSaidToBe ? 'json_invalid' : 'media_type_unsupported');
}

/** The most messages that one body may carry, as in the MCP SDK. */
const maxBatch = 100;

/** How many messages a body counts for: at least one, and of a batch that is too large to be read no more than it may have. */
export function messagesIn(body: AttributeValue | undefined): number {
  return Array.isArray(body) ? Math.min(Math.max(body.length, 1), maxBatch) : 1;
}

/**
 * The requests in a body. Two that share an id could be answered with each other's answers.
 *
 * @throws PortcullisError `request_invalid`
 */
export function requestsIn(body: AttributeValue | undefined): readonly RpcRequest[] {
  const messages: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (messages.length > maxBatch) throw new PortcullisError('request_invalid', 'the batch has too many messages');
  const requests = messages.filter((message) => isRequestOf(message));
  if (new Set(requests.map(({ id }) => id)).size !== requests.length) {
    throw new PortcullisError('request_invalid', 'two requests of the batch share an id');
  }
  return requests;
}

/**
 * Whether a value from outside is a request. Its method and id make it one; of the members of an `RpcMessage` the others
 * are read one by one and never trusted.
 */
function isRequestOf(value: unknown): value is RpcRequest {
  if (!isObject(value)) return false;
  const { method, id } = value;
  return isRequest({
    jsonrpc: '2.0',
    method: typeof method === 'string' ? method : undefined,
    id: typeof id === 'string' || typeof id === 'number' ? id : undefined,
  });
}

/** Refusals whose HTTP status and headers say what the client is to do. */
function isForHttp({ code }: PortcullisError): boolean {
  switch (code) {
    case 'scope_insufficient':
    case 'quota_exceeded':
    case 'concurrency_exceeded':
    case 'limits_unavailable':
      return true;
    default:
      return false;
  }
}

/**
 * Decides on the requests of one HTTP body before the server sees it. Permits become tickets that the guard takes up;
 * the refusal of a single request is the answer of the whole exchange.
 */
export async function preauthorize(
  requests: readonly RpcRequest[],
  exchange: Exchange,
  enforcer: Enforcer,
  viewOf: (request: RpcRequest) => ServerView,
  denials: 'error' | 'tool_result',
): Promise<EarlyAnswer | undefined> {
  for (const request of requests) {
    const verdict = await enforcer.decide(request, exchange, viewOf(request));
    if (verdict.kind === 'defer') continue;
    if (requests.length === 1 && verdict.kind === 'refuse') {
      return isForHttp(verdict.error)
        ? { kind: 'challenge', error: verdict.error, id: request.id }
        : { kind: 'message', message: refusalMessage(request, verdict.error, denials) };
    }
    if (requests.length === 1 && verdict.kind === 'answer') {
      return { kind: 'message', message: { jsonrpc: '2.0', id: request.id, result: verdict.result } };
    }
    exchange.tickets.set(request.id, verdict);
  }
  return undefined;
}

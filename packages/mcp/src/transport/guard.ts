import { PortcullisError } from '@portcullis/core';
import { isObject, isRequest, isResponse, type RpcId, type RpcMessage, type RpcRequest } from '../message.js';
import type { ApprovalChannel } from '../approval/approval.js';
import { asRefusal } from '../enforce/as-refusal.js';
import type { Enforcer, ServerView } from '../enforce/enforcer.js';
import {
  bindCall,
  leaveIfDone,
  type Exchange,
  type Permit,
  type RunningCall,
  type Verdict,
} from '../enforce/exchange.js';
import type { Recorder } from '../enforce/record.js';
import { registeredRule, ruleOfSchema, type ToolRule } from '../tool/catalog.js';
import { filterList } from './filter-list.js';

/** A transport of either generation of the MCP SDK: the members that the guard uses. */
export interface TransportLike {
  start(): Promise<void>;
  send(message: RpcMessage, options?: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: RpcMessage, extra?: MessageExtra) => void) | undefined;
  sessionId?: string | undefined;
  setProtocolVersion?: ((version: string) => void) | undefined;
  setSupportedProtocolVersions?: ((versions: string[]) => void) | undefined;
}

/** What a transport tells about a message. */
export interface MessageExtra {
  readonly authInfo?: object | undefined;
  readonly classification?: unknown;
}

/** What the guard works with. */
export interface GuardOptions {
  readonly enforcer: Enforcer;
  readonly recorder: Recorder;
  /** How denials of tool calls are answered. */
  readonly denials: 'error' | 'tool_result';
  /** The server instances whose registered tools count: an `McpServer` and the `Server` inside it. */
  readonly servers: readonly object[];
  /**
   * Who a message is from. A rejection refuses the message. May answer at once, so that a message whose verdict was
   * reached before is handed on in the same turn.
   */
  readonly exchangeOf: (extra: MessageExtra | undefined) => Exchange | Promise<Exchange>;
  /** Whether the connection can carry requests to the client. */
  readonly duplex: boolean;
  readonly onError: (error: Error) => void;
}

interface Pending {
  readonly request: RpcRequest;
  readonly call: RunningCall | undefined;
  readonly exchange: Exchange;
  readonly extra: MessageExtra | undefined;
}

const eraKey = 'io.modelcontextprotocol/protocolVersion';
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const internalIds = 'portcullis:';

/**
 * Stands between a transport and a server, and is all that the server ever sees of the transport: no message gets to
 * it without a verdict, and no list leaves it unfiltered. It rests on the public transport interface alone, and so
 * serves both generations of the SDK, every transport, and every way of registering a tool.
 */
export class GuardedTransport implements TransportLike {
  readonly #inner: TransportLike;
  readonly #options: GuardOptions;
  readonly #pending = new Map<RpcId, Pending>();
  readonly #deciding = new Set<RpcId>();
  /** The gate's own requests that wait for an answer: the client's answers count to those of the client alone. */
  readonly #askedOfClient = new Map<RpcId, (message: RpcMessage) => void>();
  readonly #askedOfServer = new Map<RpcId, (message: RpcMessage) => void>();
  #definitions: Promise<ReadonlyMap<string, unknown>> | undefined;
  #capabilities: unknown;
  #nextId = 0;

  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: ((message: RpcMessage, extra?: MessageExtra) => void) | undefined;
  readonly setProtocolVersion: ((version: string) => void) | undefined;
  readonly setSupportedProtocolVersions: ((versions: string[]) => void) | undefined;

  constructor(inner: TransportLike, options: GuardOptions) {
    this.#inner = inner;
    this.#options = options;
    this.setProtocolVersion = inner.setProtocolVersion?.bind(inner);
    this.setSupportedProtocolVersions = inner.setSupportedProtocolVersions?.bind(inner);
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  async start(): Promise<void> {
    const inner = this.#inner;
    const { onclose, onerror } = inner;
    inner.onmessage = (message, extra) => {
      this.#receive(message, extra);
    };
    inner.onclose = () => {
      onclose?.();
      this.#abandon();
      this.onclose?.();
    };
    inner.onerror = (error) => {
      onerror?.(error);
      this.onerror?.(error);
    };
    await inner.start();
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async send(message: RpcMessage, options?: Readonly<Record<string, unknown>>): Promise<void> {
    if (message.method === 'notifications/tools/list_changed') this.#definitions = undefined;
    if (!isResponse(message)) {
      await this.#inner.send(message, options);
      return;
    }
    const question = this.#askedOfServer.get(message.id);
    if (question !== undefined) {
      this.#askedOfServer.delete(message.id);
      question(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (pending === undefined) {
      // The guard asked for no such answer: the server invents one, or answers twice.
      this.#options.onError(
        new Error(`the server answered request ${String(message.id).slice(0, 80)}, which is not open`),
      );
      return;
    }
    await this.#inner.send(await this.#finish(message, pending), options);
  }

  /** What is known of the server behind this connection. */
  view(request: RpcRequest, exchange: Exchange): ServerView {
    const view = this.#view(request, exchange, undefined);
    return { ...view, channel: approvalChannel(request, this.#capabilities) };
  }

  /** Decides on one inbound message. */
  #receive(message: RpcMessage, extra: MessageExtra | undefined): void {
    if (isResponse(message)) {
      this.#receiveResponse(message, extra);
      return;
    }
    let exchange: Exchange | Promise<Exchange>;
    try {
      exchange = this.#options.exchangeOf(extra);
    } catch (error) {
      exchange = Promise.reject(asRefusal(error));
    }
    if (!isRequest(message)) {
      // A notification asks for nothing and is not put to the PDP, but one from nobody is dropped.
      void Promise.resolve(exchange).then(
        () => this.onmessage?.(message, extra),
        (error: unknown) => {
          this.#options.onError(asRefusal(error));
        },
      );
      return;
    }
    if (this.#pending.has(message.id) || this.#deciding.has(message.id) || String(message.id).startsWith(internalIds)) {
      void this.#refuse(message, new PortcullisError('request_invalid', 'the request id is in use'));
      return;
    }
    const ticket = exchange instanceof Promise ? undefined : exchange.tickets.get(message.id);
    if (!(exchange instanceof Promise) && ticket !== undefined) {
      exchange.tickets.delete(message.id);
      this.#deliver(message, ticket, exchange, extra);
      return;
    }
    this.#deciding.add(message.id);
    void this.#decide(message, exchange, extra)
      .catch((error: unknown) => this.#refuse(message, asRefusal(error)))
      .finally(() => this.#deciding.delete(message.id));
  }

  async #decide(
    message: RpcRequest,
    from: Exchange | Promise<Exchange>,
    extra: MessageExtra | undefined,
  ): Promise<void> {
    const exchange = await from;
    if (message.method === 'initialize' && isObject(message.params))
      this.#capabilities = message.params['capabilities'];
    const verdict = await this.#options.enforcer.decide(message, exchange, this.#view(message, exchange, extra));
    this.#deliver(message, verdict, exchange, extra);
  }

  #deliver(message: RpcRequest, verdict: Verdict, exchange: Exchange, extra: MessageExtra | undefined): void {
    switch (verdict.kind) {
      case 'pass':
        this.#pending.set(message.id, { request: message, call: undefined, exchange, extra });
        this.onmessage?.(message, extra);
        return;
      case 'permit': {
        if (verdict.request.method !== message.method || verdict.request.id !== message.id) {
          void verdict.place?.release();
          void this.#refuse(
            message,
            new PortcullisError('denied', undefined, { detail: 'the verdict is for another request' }),
          );
          return;
        }
        const call: RunningCall = { exchange, permit: verdict, refusal: undefined, handlers: 0, isOver: false };
        this.#pending.set(message.id, { request: message, call, exchange, extra });
        // What the edge authorized is what runs; a transport may have re-parsed the message in between.
        const forward = verdict.forward === verdict.request ? message : verdict.forward;
        // A handler finds its call by the info that it is given: one object for each call.
        const authInfo = { ...(extra?.authInfo ?? anonymous) };
        bindCall(authInfo, call);
        this.onmessage?.(forward, { ...extra, authInfo });
        return;
      }
      case 'defer':
        void this.#refuse(
          message,
          new PortcullisError('pdp_unavailable', undefined, { detail: 'no verdict was reached' }),
        );
        return;
      case 'refuse':
        void this.#refuse(message, verdict.error);
        return;
      case 'answer':
        void this.#reply({ jsonrpc: '2.0', id: message.id, result: verdict.result });
        return;
    }
  }

  /** An answer of the client's: to a question of ours, or to one of the server's. */
  #receiveResponse(message: RpcMessage & { readonly id: RpcId }, extra: MessageExtra | undefined): void {
    const question = this.#askedOfClient.get(message.id);
    if (question === undefined) {
      if (String(message.id).startsWith(internalIds))
        this.#options.onError(
          new Error(`the client answered \`${String(message.id).slice(0, 80)}\`, which it was not asked`),
        );
      else this.onmessage?.(message, extra);
      return;
    }
    this.#askedOfClient.delete(message.id);
    question(message);
  }

  async #refuse(message: RpcRequest, error: PortcullisError): Promise<void> {
    await this.#reply(refusalMessage(message, error, this.#options.denials));
  }

  /**
   * Answers in a later turn: the SDK's per-request transport maps an error that is sent while a message is being
   * handed in to an HTTP failure, and a denial is an answer.
   */
  async #reply(message: RpcMessage): Promise<void> {
    await Promise.resolve();
    await this.#inner.send(message, { relatedRequestId: message.id }).catch((error: unknown) => {
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** What leaves the server: filtered, with obligations applied, and recorded. */
  async #finish(message: RpcMessage, pending: Pending): Promise<RpcMessage> {
    const { request, call, exchange } = pending;
    if (call === undefined) return message;
    let answer = message;
    try {
      if (call.refusal !== undefined) answer = refusalMessage(request, call.refusal, this.#options.denials);
      else if (message.error === undefined) answer = await this.#shape(message, pending, call.permit);
    } catch (error) {
      call.refusal = asRefusal(error);
      answer = refusalMessage(request, call.refusal, this.#options.denials);
    }
    call.isOver = true;
    leaveIfDone(call);
    await this.#options.recorder.outcome(request, exchange, call, answer);
    return answer;
  }

  async #shape(message: RpcMessage, { request, exchange, extra }: Pending, permit: Permit): Promise<RpcMessage> {
    let result = message.result;
    if (isObject(result) && result['resultType'] === 'input_required' && permit.approved !== undefined) {
      const inner = result['requestState'];
      result = {
        ...result,
        requestState: await permit.approved.wrapState(typeof inner === 'string' ? inner : undefined),
      };
    }
    result = await filterList(request.method, result, {
      enforcer: this.#options.enforcer,
      exchange,
      ruleOf: (name, definition) =>
        this.#registeredRule(name) ?? ruleOfSchema(isObject(definition) ? definition['inputSchema'] : undefined),
      modern: isModern(request, extra),
    });
    for (const { onResult } of permit.obligations) if (onResult !== undefined) result = onResult(result);
    return { ...message, result };
  }

  #view(message: RpcRequest, exchange: Exchange, extra: MessageExtra | undefined): ServerView {
    return {
      ruleOf: async (name) =>
        this.#registeredRule(name) ?? ruleOfSchema((await this.#toolSchemas(message, exchange, extra)).get(name)),
      channel: this.#channel(message, extra),
    };
  }

  #registeredRule(name: string): ToolRule | undefined {
    for (const server of this.#options.servers) {
      const rule = registeredRule(server, name);
      if (rule !== undefined) return rule;
    }
    return undefined;
  }

  #channel(message: RpcRequest, extra: MessageExtra | undefined): ApprovalChannel {
    const channel = approvalChannel(message, this.#capabilities, extra);
    if (channel.era === 'modern' || !this.#options.duplex) return channel;
    return {
      ...channel,
      elicit: async (params) => {
        const answer = await this.#request(message, 'elicitation/create', params);
        if (answer.error !== undefined) throw new Error(`the client refused: ${String(answer.error.code)}`);
        return answer.result;
      },
    };
  }

  /** Sends a request of the gate's own to the client. */
  async #request(cause: RpcRequest, method: string, params: Readonly<Record<string, unknown>>): Promise<RpcMessage> {
    const id = this.#internalId();
    const answered = new Promise<RpcMessage>((resolve) => this.#askedOfClient.set(id, resolve));
    await this.#inner.send({ jsonrpc: '2.0', id, method, params }, { relatedRequestId: cause.id });
    return answered;
  }

  /** The input schemas of all tools, by asking the server itself; kept until the list changes. */
  #toolSchemas(
    cause: RpcRequest,
    exchange: Exchange,
    extra: MessageExtra | undefined,
  ): Promise<ReadonlyMap<string, unknown>> {
    this.#definitions ??= this.#listTools(cause, exchange, extra);
    this.#definitions.catch(() => (this.#definitions = undefined));
    return this.#definitions;
  }

  async #listTools(
    cause: RpcRequest,
    exchange: Exchange,
    extra: MessageExtra | undefined,
  ): Promise<ReadonlyMap<string, unknown>> {
    const schemas = new Map<string, unknown>();
    let cursor: unknown;
    for (let page = 0; page < maxPages; page++) {
      const result = await this.#probe(cause, 'tools/list', typeof cursor === 'string' ? { cursor } : {}, extra);
      const tools = isObject(result) ? result['tools'] : undefined;
      if (Array.isArray(tools)) {
        for (const tool of tools)
          if (isObject(tool) && typeof tool['name'] === 'string') schemas.set(tool['name'], tool['inputSchema']);
      }
      cursor = isObject(result) ? result['nextCursor'] : undefined;
      if (typeof cursor !== 'string') return schemas;
    }
    throw new PortcullisError('mapping_error', undefined, {
      detail: `the server lists tools on more than ${String(maxPages)} pages (${exchange.context.requestId})`,
    });
  }

  /** Puts a request of the gate's own to the server; the answer never leaves the guard. */
  #probe(
    cause: RpcRequest,
    method: string,
    params: Readonly<Record<string, unknown>>,
    extra: MessageExtra | undefined,
  ): Promise<unknown> {
    const id = this.#internalId();
    const meta = isObject(cause.params?.['_meta']) ? cause.params['_meta'] : undefined;
    const { progressToken: _token, ...envelope } = meta ?? {};
    const answered = new Promise<RpcMessage>((resolve) => this.#askedOfServer.set(id, resolve));
    this.onmessage?.(
      { jsonrpc: '2.0', id, method, params: meta === undefined ? params : { ...params, _meta: envelope } },
      extra,
    );
    return answered.then((answer) => answer.result);
  }

  #internalId(): string {
    return `${internalIds}${String(this.#nextId++)}`;
  }

  /** The connection is gone: what was still running is recorded as such. */
  #abandon(): void {
    for (const { request, call, exchange } of this.#pending.values()) {
      if (call === undefined) continue;
      call.isOver = true;
      leaveIfDone(call);
      void this.#options.recorder.outcome(request, exchange, call, undefined);
    }
    this.#pending.clear();
    for (const asked of [this.#askedOfClient, this.#askedOfServer]) {
      for (const question of asked.values())
        question({ jsonrpc: '2.0', error: { code: -32000, message: 'connection closed' } });
      asked.clear();
    }
  }
}

/** For connections that carry no authentication info, as stdio. */
const anonymous = { token: '', clientId: '', scopes: [] };

const maxPages = 100;

/** The JSON-RPC answer to a refused request. */
export function refusalMessage(
  request: RpcRequest,
  error: PortcullisError,
  denials: 'error' | 'tool_result',
): RpcMessage {
  const answer = error.toPublic();
  if (denials === 'tool_result' && request.method === 'tools/call' && error.httpStatus === 403) {
    return {
      jsonrpc: '2.0',
      id: request.id,
      result: {
        content: [{ type: 'text', text: answer.message }],
        isError: true,
        // Results of the 2026-07-28 revision say that they are complete.
        ...(isModern(request, undefined) ? { resultType: 'complete' } : {}),
        _meta: { 'portcullis/error': answer.data },
      },
    };
  }
  return { jsonrpc: '2.0', id: request.id, error: answer };
}

function isModern(message: RpcRequest, extra: MessageExtra | undefined): boolean {
  const { classification } = extra ?? {};
  if (isObject(classification)) return classification['era'] === 'modern';
  return isObject(message.params?.['_meta']) && Object.hasOwn(message.params['_meta'], eraKey);
}

/** How the client of a request can be asked, as far as the request and the handshake tell. */
export function approvalChannel(message: RpcRequest, handshake: unknown, extra?: MessageExtra): ApprovalChannel {
  const modern = isModern(message, extra);
  const meta = message.params?.['_meta'];
  const capabilities = modern && isObject(meta) ? meta[capabilitiesKey] : handshake;
  const elicitation = isObject(capabilities) ? capabilities['elicitation'] : undefined;
  // An empty object means form mode; `url` alone does not.
  const canElicit = isObject(elicitation) && (Object.keys(elicitation).length === 0 || isObject(elicitation['form']));
  return { era: modern ? 'modern' : 'legacy', canElicit };
}

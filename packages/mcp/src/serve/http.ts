import type { McpServerFactory, ServerNotifier } from '@modelcontextprotocol/server';
import { PortcullisError, type AttributeValue, type Limiter, type TenantId } from '@portcullis/core';
import type { Admission, ConnectionInfo, Edge } from '@portcullis/http';
import type { Enforcer } from '../enforce/enforcer.js';
import type { CountRequest } from '../enforce/count-request.js';
import { leaveUnused, type Exchange } from '../enforce/exchange.js';
import type { Recorder } from '../enforce/record.js';
import { isObject, type RpcMessage } from '../message.js';
import { guardServer, type GuardedServer } from '../transport/guard-server.js';
import type { GuardOptions } from '../transport/guard.js';
import { authInfoFor, exchangeOf, openExchange } from './exchanges.js';
import { messagesIn, preauthorize, requestsIn, requireJson, type EarlyAnswer } from './preauthorize.js';
import { Sessions, type SessionOptions } from './sessions.js';
import { TenantHandlers } from './tenant-handlers.js';
import { watchStream, type StreamWatch } from './watch.js';

/** What an endpoint is served with, beyond the server factory. */
export interface HttpOptions {
  /**
   * How clients of the 2025 protocol era are served: each request by a fresh server, in sessions, or not at all.
   *
   * @defaultValue `stateless`
   */
  readonly legacy?: 'stateless' | 'sessions' | 'reject' | undefined;
  readonly sessions?: SessionOptions | undefined;
  /** How many tenants' handlers are kept at one time, those with open exchanges not counted. @defaultValue 1000 */
  readonly maxTenants?: number | undefined;
}

/** A guarded MCP endpoint, as a fetch-standard handler. */
export interface McpEndpoint {
  /** Serves one request. A bound property: it can be passed around. */
  readonly fetch: (request: Request, connection?: ConnectionInfo) => Promise<Response>;
  /** Publishes change notifications to the open subscriptions of one tenant, and of no other. */
  notify(tenant: TenantId): Promise<ServerNotifier>;
  /** Ends all sessions and open exchanges. */
  close(): Promise<void>;
}

/** What the endpoint is made of. */
export interface HttpParts {
  readonly edge: Edge;
  readonly resource: string;
  readonly enforcer: Enforcer;
  readonly recorder: Recorder;
  readonly countRequest: CountRequest;
  readonly limiter: Limiter | undefined;
  readonly denials: 'error' | 'tool_result';
  readonly watch: StreamWatch;
  readonly onError: (error: Error) => void;
}

/** How an answer that was found before the server was reached leaves the factory. */
class AnsweredEarly extends Error {
  readonly answer: EarlyAnswer;
  constructor(answer: EarlyAnswer) {
    super('answered by the gate');
    this.answer = answer;
  }
}

/** An exchange over HTTP, with the body it came in and the answer the gate found, if any. */
interface HttpExchange {
  readonly body: AttributeValue | undefined;
  early: EarlyAnswer | undefined;
}

/**
 * Serves a guarded MCP server over streamable HTTP, for both protocol eras.
 *
 * Each tenant has an SDK handler of its own, so that no subscription bus is shared between tenants, and each request a
 * server instance of its own (CVE-2026-25536 was one transport shared by two callers).
 */
export function serveHttp(factory: McpServerFactory, parts: HttpParts, options: HttpOptions): McpEndpoint {
  const sdk = import('@modelcontextprotocol/server');
  // The rejection is seen by whoever awaits the module; this keeps an unused endpoint from ending the process.
  sdk.catch(() => undefined);
  const inProgress = new WeakMap<Exchange, HttpExchange>();
  const sessions = new Sessions(options.sessions ?? {}, parts.watch.clock, parts.limiter, parts.onError);
  const legacy = options.legacy ?? 'stateless';

  const guardOptions = (duplex: boolean): Omit<GuardOptions, 'servers'> => ({
    enforcer: parts.enforcer,
    recorder: parts.recorder,
    denials: parts.denials,
    duplex,
    onError: parts.onError,
    exchangeOf: (extra) => {
      const exchange = exchangeOf(extra?.authInfo);
      if (exchange === undefined) throw new PortcullisError('token_missing');
      return exchange;
    },
  });

  /** Makes a server for one request, and decides on the request before the SDK hands it over. */
  const guardedFactory: McpServerFactory = async (context) => {
    const exchange = exchangeOf(context.authInfo);
    const http = exchange === undefined ? undefined : inProgress.get(exchange);
    if (exchange === undefined || http === undefined) throw new PortcullisError('token_missing');
    const product = await factory(context);
    const guarded = guardServer(product, guardOptions(false));
    const early = await preauthorize(
      requestsIn(http.body),
      exchange,
      parts.enforcer,
      (request) => guarded.view(request),
      parts.denials,
    );
    if (early !== undefined) {
      http.early = early;
      throw new AnsweredEarly(early);
    }
    return product;
  };

  const handlers = sdk.then(
    ({ createMcpHandler }) =>
      new TenantHandlers(
        () =>
          createMcpHandler(guardedFactory, {
            legacy: legacy === 'sessions' ? 'reject' : legacy,
            onerror: (error) => {
              if (!(error instanceof AnsweredEarly)) parts.onError(error);
            },
          }),
        options.maxTenants ?? 1000,
      ),
  );
  handlers.catch(() => undefined);

  async function serve(admission: Admission, exchange: Exchange, onEnd: (() => void)[]): Promise<Response> {
    const { context, body, request } = admission;
    const http: HttpExchange = { body, early: undefined };
    inProgress.set(exchange, http);
    await parts.countRequest(context, messagesIn(body));
    requireJson(request, body);
    requestsIn(body);
    const authInfo = authInfoFor(exchange, parts.resource, parts.edge.metadata.url);
    const { isLegacyRequest } = await sdk;
    if (legacy === 'sessions' && (await isLegacyRequest(request, body)))
      return serveSession(admission, exchange, authInfo);
    const { handler, done } = (await handlers).use(context.tenant.id);
    onEnd.push(done);
    const response = await handler.fetch(request, { authInfo, ...(body === undefined ? {} : { parsedBody: body }) });
    return http.early === undefined ? response : earlyResponse(http.early, admission);
  }

  async function serveSession(admission: Admission, exchange: Exchange, authInfo: object): Promise<Response> {
    const { context, request, body } = admission;
    const handleOptions = { authInfo: authInfo as never, ...(body === undefined ? {} : { parsedBody: body }) };
    const requests = requestsIn(body);
    const sessionId = request.headers.get('mcp-session-id');
    if (sessionId !== null) {
      const session = sessions.find(sessionId, context);
      const early = await decideOn(session.guarded, requests, exchange);
      if (early !== undefined) return earlyResponse(early, admission);
      const response = await session.transport.handleRequest(request, handleOptions);
      if (request.method === 'DELETE') await sessions.end(sessionId);
      return response;
    }
    if (!requests.some(({ method }) => method === 'initialize')) {
      throw new PortcullisError('session_unknown', 'a session id is required');
    }
    const { WebStandardStreamableHTTPServerTransport } = await sdk;
    const product = await factory({ era: 'legacy', requestInfo: request });
    const guarded = guardServer(product, guardOptions(true));
    const id = sessions.newId();
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id });
    await product.connect(transport);
    const early = await decideOn(guarded, requests, exchange);
    if (early !== undefined) {
      await transport.close();
      return earlyResponse(early, admission);
    }
    try {
      await sessions.open({ id, transport: transport, guarded }, context);
    } catch (error) {
      await transport.close();
      throw error;
    }
    return transport.handleRequest(request, handleOptions);
  }

  function decideOn(
    guarded: GuardedServer,
    requests: ReturnType<typeof requestsIn>,
    exchange: Exchange,
  ): Promise<EarlyAnswer | undefined> {
    // `initialize` has to pass the connection itself, which keeps what the client can do.
    const decidable = requests.filter(({ method }) => method !== 'initialize');
    return preauthorize(
      decidable,
      exchange,
      parts.enforcer,
      (request) => ({ ...(guarded.transport?.view(request, exchange) ?? guarded.view(request)), deferApproval: true }),
      parts.denials,
    );
  }

  function earlyResponse(early: EarlyAnswer, { requestId }: Admission): Response {
    if (early.kind === 'challenge') return parts.edge.refuse(early.error, early.id, requestId);
    return rpcResponse(early.message);
  }

  return {
    fetch: async (request, connection) => {
      const admitted = await parts.edge.admit(request, connection);
      if (admitted instanceof Response) return admitted;
      const exchange = openExchange(admitted.context, admitted.startedAt, admitted.request.signal);
      const onEnd = [
        () => {
          leaveUnused(exchange);
        },
      ];
      const end = (): void => {
        for (const part of onEnd.splice(0)) part();
      };
      try {
        return watchStream(await serve(admitted, exchange, onEnd), admitted.context, parts.watch, end);
      } catch (error) {
        end();
        const refusal =
          error instanceof PortcullisError
            ? error
            : new PortcullisError('pdp_unavailable', undefined, { cause: error });
        if (!(error instanceof PortcullisError))
          parts.onError(error instanceof Error ? error : new Error(String(error)));
        const told = await parts.recorder.refusal(
          refusal,
          admitted.requestId,
          admitted.context,
          performance.now() - admitted.startedAt,
        );
        return parts.edge.refuse(told, rpcIdOf(admitted.body), admitted.requestId);
      }
    },
    notify: async (tenant) => {
      const { handler, done } = (await handlers).use(tenant);
      done();
      return handler.notify;
    },
    close: async () => {
      const closing = [
        sessions.close(),
        handlers.then(
          (all) => all.close(),
          () => undefined,
        ),
        parts.recorder.flush(),
      ];
      // One that fails leaves none of the others open.
      for (const outcome of await Promise.allSettled(closing))
        if (outcome.status === 'rejected')
          parts.onError(outcome.reason instanceof Error ? outcome.reason : new Error(String(outcome.reason)));
    },
  };
}

/** An answer inside the JSON-RPC exchange: HTTP itself went well. */
function rpcResponse(message: RpcMessage): Response {
  return new Response(JSON.stringify(message), {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  });
}

function rpcIdOf(body: AttributeValue | undefined): string | number | undefined {
  const id = isObject(body) ? body['id'] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

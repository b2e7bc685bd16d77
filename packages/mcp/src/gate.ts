import type {
  CallToolResult,
  InputRequiredResult,
  McpServer,
  McpServerFactory,
  RegisteredTool,
  ServerContext,
  StandardSchemaWithJSON,
  ToolAnnotations,
} from '@modelcontextprotocol/server';
import type { StdioServerHandle } from '@modelcontextprotocol/server/stdio';
import { PortcullisError, systemClock, type TenantContext } from '@portcullis/core';
import { edge } from '@portcullis/http';
import { approvals } from './approval/approval.js';
import { memoryApprovalStore } from './approval/store.js';
import { enforcer } from './enforce/enforcer.js';
import { asRefusal } from './enforce/as-refusal.js';
import { callOf, leaveIfDone, type Exchange } from './enforce/exchange.js';
import { countsRequests, type CountRequest } from './enforce/count-request.js';
import { recorder } from './enforce/record.js';
import { serveHttp, type HttpOptions, type McpEndpoint } from './serve/http.js';
import { openExchange } from './serve/exchanges.js';
import type { GateOptions } from './serve/options.js';
import { serveStdioGuarded, type StdioPrincipal } from './serve/stdio.js';
import { isDeclared, type Authorize } from './tool/authorize.js';
import { declaredRule, registerRule, typedRule, type ToolRule } from './tool/catalog.js';
import { toolContext, type ToolContext } from './tool/context.js';
import { toToolResult } from './tool/result.js';
import { guardServer, type GuardableServer, type GuardedServer } from './transport/guard-server.js';
import type { GuardOptions } from './transport/guard.js';

/** What a tool is called with: the output of its schema. */
export type ToolArguments<Schema> = Schema extends StandardSchemaWithJSON
  ? StandardSchemaWithJSON.InferOutput<Schema>
  : Record<string, never>;

/** A tool, and what it needs to be allowed to do. */
export interface ToolConfig<Schema extends StandardSchemaWithJSON | undefined, Storage> {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema?: Schema;
  readonly outputSchema?: StandardSchemaWithJSON | undefined;
  readonly annotations?: ToolAnnotations | undefined;
  /**
   * What the tool needs to be allowed to do. There is no tool without: `'default'` says aloud that the question is
   * COAZ-MCP's default one, `tools/call` on the tool of this name.
   */
  readonly authorize: Authorize<ToolArguments<Schema>, Storage> | 'default';
}

/** What a handler may return: a tool result, or a value that becomes one. */
export type ToolOutput = CallToolResult | InputRequiredResult | string | number | boolean | object | null;

/** A tool's code. It runs only after the gate has permitted the call. */
export type ToolHandler<Schema, Storage> = (
  args: ToolArguments<Schema>,
  context: ToolContext<Storage>,
) => ToolOutput | Promise<ToolOutput>;

/** The gate in front of an MCP server. */
export interface Gate<Storage> {
  /**
   * Registers a tool together with its authorization.
   *
   * @example
   * ```text
   * gate.tool(server, 'document_read', {
   *   inputSchema: z.object({ id: z.string() }),
   *   authorize: { kind: 'document', action: 'read', resource: ({ id }) => ({ id }) },
   * }, ({ id }, ctx) => ctx.storage.documents.get(id));
   * ```
   */
  tool<Schema extends StandardSchemaWithJSON | undefined = undefined>(
    server: McpServer,
    name: string,
    config: ToolConfig<Schema, Storage>,
    handler: ToolHandler<Schema, Storage>,
  ): RegisteredTool;
  /** Serves over streamable HTTP: a fetch-standard handler with everything in front. */
  serve(factory: McpServerFactory, options?: HttpOptions): McpEndpoint;
  /** Serves over stdio, for the principal that the operator names. */
  stdio(factory: McpServerFactory, principal: StdioPrincipal, transport?: unknown): Promise<StdioServerHandle>;
  /**
   * Guards a server for a transport that is wired by hand. `contextOf` says, for each message, who it is from.
   */
  guard(server: GuardableServer, contextOf: (authInfo: object | undefined) => Promise<TenantContext>): GuardedServer;
  /**
   * Records the refusals that were gathered and not recorded yet. For the end of a process that served over stdio,
   * the v1 SDK, or a transport wired by hand; `close` of an endpoint does it.
   */
  flush(): Promise<void>;
  /** The parts that adapters to other SDKs build on. */
  readonly parts: GateParts;
}

/** What an adapter to another SDK builds on. */
export interface GateParts {
  readonly edge: ReturnType<typeof edge>;
  readonly guard: Omit<GuardOptions, 'servers' | 'exchangeOf' | 'duplex'>;
  readonly resource: string;
  /** Counts requests against the limits. Rejects with `rate_limited`, `limits_unavailable`. */
  readonly countRequest: CountRequest;
  /** Runs a tool's handler inside a permitted call. */
  runTool(
    name: string,
    authInfo: object | undefined,
    args: unknown,
    handler: (args: never, context: ToolContext<never>) => unknown,
  ): Promise<unknown>;
}

/**
 * Makes a gate: every MCP request behind it is authenticated, resolved to a tenant, decided by the PDP, run in the
 * tenant's own storage and recorded.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```text
 * const gate = portcullis({ identity, tenants, pdp, audit, storage, resource, authorizationServers });
 * const endpoint = gate.serve(() => notesServer(gate));
 * ```
 */
export function portcullis<Storage = undefined>(options: GateOptions<Storage>): Gate<Storage> {
  const clock = options.clock ?? systemClock;
  const onError =
    options.onError ??
    ((error: Error) => {
      console.error('portcullis:', error.message);
    });
  const denials = options.denials ?? 'error';
  const storageFor = (context: TenantContext): Storage => options.storage?.(context) as Storage;

  const record = recorder({
    audit: options.audit,
    onFailure: options.auditFailure ?? 'deny',
    recordArguments: options.recordArguments ?? 'none',
    usage: options.usage,
    clock,
    onError,
  });
  const enforce = enforcer({
    pdp: options.pdp,
    storageFor,
    obligations: options.obligations ?? {},
    scopeImplies: options.scopeImplies ?? {},
    recorder: record,
    limiter: options.limiter,
    approvals: approvals({
      key: options.approvals?.key,
      ttlMs: options.approvals?.ttlMs,
      store: options.approvals?.store ?? memoryApprovalStore(clock),
      clock,
    }),
  });
  const httpEdge = edge({
    identity: options.identity,
    tenants: options.tenants,
    resource: options.resource,
    authorizationServers: options.authorizationServers,
    scopesSupported: options.scopesSupported,
    resourceName: options.resourceName,
    allowedOrigins: options.allowedOrigins,
    maxBodyBytes: options.maxBodyBytes,
    onRefusal: async ({ error, requestId, identity, latencyMs }) => {
      await record.refusal(error, requestId, identity, latencyMs);
    },
  });
  const countRequest = countsRequests(options.limiter);
  const guard = { enforcer: enforce, recorder: record, denials, onError };

  /** Starts the exchange of one message of a connection; one that is over the limits is recorded and refused. */
  async function openCounted(context: TenantContext, startedAt: number): Promise<Exchange> {
    try {
      await countRequest(context);
    } catch (error) {
      throw await record.refusal(asRefusal(error), context.requestId, context, performance.now() - startedAt);
    }
    return openExchange(context, startedAt, undefined);
  }

  async function runTool(
    name: string,
    authInfo: object | undefined,
    args: unknown,
    handler: (args: never, context: ToolContext<never>) => unknown,
  ): Promise<unknown> {
    const call = callOf(authInfo);
    // Without a permit for this very tool the handler is not reached: a server that somebody connected past the guard
    // denies every call.
    const permitted = call?.permit.request;
    if (call === undefined || permitted?.method !== 'tools/call' || permitted.params?.['name'] !== name) {
      throw new PortcullisError('denied', undefined, { detail: `no permit for tool ${name}` });
    }
    const context = toolContext(call, storageFor(call.exchange.context) as never, options.pdp, record.inHandler);
    call.handlers++;
    try {
      return await handler(args as never, context);
    } catch (error) {
      if (error instanceof PortcullisError) call.refusal = error;
      throw error;
    } finally {
      call.handlers--;
      leaveIfDone(call);
    }
  }

  return {
    tool(server, name, config, handler) {
      const { authorize, ...definition } = config;
      registerRule(server, name, ruleOf(authorize as Authorize<unknown, unknown> | 'default', config.inputSchema));
      const run = async (args: unknown, context: ServerContext): Promise<CallToolResult | InputRequiredResult> =>
        toToolResult(await runTool(name, context.http?.authInfo, args, handler), config.outputSchema !== undefined);
      // Without a schema the SDK calls back with the context alone.
      return config.inputSchema === undefined
        ? server.registerTool(name, definition as never, ((context: ServerContext) => run({}, context)) as never)
        : server.registerTool(name, definition as never, run as never);
    },
    serve: (factory, httpOptions = {}) =>
      serveHttp(
        factory,
        {
          edge: httpEdge,
          resource: options.resource,
          enforcer: enforce,
          recorder: record,
          countRequest,
          limiter: options.limiter,
          denials,
          onError,
          watch: { tenants: options.tenants, recheckMs: options.recheckMs ?? 15_000, clock },
        },
        httpOptions,
      ),
    stdio: (factory, principal, transport) =>
      serveStdioGuarded(
        factory,
        { guard, open: openCounted, identity: options.identity, tenants: options.tenants, principal },
        transport,
      ),
    guard: (server, contextOf) =>
      guardServer(server, {
        ...guard,
        duplex: true,
        exchangeOf: async (extra) => {
          const startedAt = performance.now();
          return openCounted(await contextOf(extra?.authInfo), startedAt);
        },
      }),
    flush: () => record.flush(),
    parts: { edge: httpEdge, guard, countRequest, resource: options.resource, runTool },
  };
}

function ruleOf(
  authorize: Authorize<unknown, unknown> | 'default',
  schema: StandardSchemaWithJSON | undefined,
): ToolRule {
  if (authorize === 'default') return { source: 'default' };
  return isDeclared(authorize) ? declaredRule(authorize) : typedRule(authorize, schema);
}

import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { type RegisteredTool } from '@modelcontextprotocol/sdk/server/mcp.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js';
import { PortcullisError } from '@portcullis/core';
import type { ConnectionInfo } from '@portcullis/http';
import type { z } from 'zod';
import type { Gate, ToolOutput } from '../gate.js';
import { leaveUnused } from '../enforce/exchange.js';
import { authInfoFor, exchangeOf, openExchange } from '../serve/exchanges.js';
import { messagesIn, preauthorize, requestsIn, requireJson } from '../serve/preauthorize.js';
import { isDeclared, type Authorize } from '../tool/authorize.js';
import { declaredRule, registerRule, typedRule } from '../tool/catalog.js';
import type { ToolContext } from '../tool/context.js';
import { toToolResult } from '../tool/result.js';
import { guardServer } from '../transport/guard-server.js';

/** A tool of a v1 server, and what it needs to be allowed to do. */
export interface ToolConfigV1<Schema extends z.ZodObject, Storage> {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema: Schema;
  readonly annotations?: ToolAnnotations | undefined;
  /** As for `gate.tool`. */
  readonly authorize: Authorize<z.output<Schema>, Storage> | 'default';
}

/**
 * Registers a tool on a server of the v1 SDK (`@modelcontextprotocol/sdk`), together with its authorization.
 *
 * @example
 * ```text
 * toolV1(gate, server, 'document_read', {
 *   inputSchema: z.object({ id: z.string() }),
 *   authorize: { kind: 'document', action: 'read', resource: ({ id }) => ({ id }) },
 * }, ({ id }, ctx) => ctx.storage.documents.get(id));
 * ```
 */
export function toolV1<Schema extends z.ZodObject, Storage>(
  gate: Gate<Storage>,
  server: McpServer,
  name: string,
  config: ToolConfigV1<Schema, Storage>,
  handler: (args: z.output<Schema>, context: ToolContext<Storage>) => ToolOutput | Promise<ToolOutput>,
): RegisteredTool {
  const { authorize, inputSchema, ...definition } = config;
  registerRule(
    server,
    name,
    authorize === 'default'
      ? { source: 'default' }
      : isDeclared(authorize)
        ? declaredRule(authorize)
        : typedRule(authorize as never, inputSchema),
  );
  const run = async (args: unknown, extra: { readonly authInfo?: object | undefined }): Promise<unknown> =>
    toToolResult(await gate.parts.runTool(name, extra.authInfo, args, handler), false);
  return server.registerTool(name, { ...definition, inputSchema: inputSchema.shape } as never, run as never);
}

/** A guarded endpoint over the v1 SDK. */
export interface EndpointV1 {
  readonly fetch: (request: Request, connection?: ConnectionInfo) => Promise<Response>;
}

/**
 * Serves a server of the v1 SDK over streamable HTTP, statelessly: each request by a server and a transport of its own.
 *
 * @param factory - makes a new server; never the same one twice
 */
export function serveV1<Storage>(gate: Gate<Storage>, factory: () => McpServer | Promise<McpServer>): EndpointV1 {
  const { edge, guard, resource } = gate.parts;
  return {
    fetch: async (request, connection) => {
      const admitted = await edge.admit(request, connection);
      if (admitted instanceof Response) return admitted;
      const { context, body, requestId } = admitted;
      try {
        await gate.parts.countRequest(context, messagesIn(body));
        const exchange = openExchange(context, admitted.startedAt, admitted.request.signal);
        requireJson(admitted.request, body);
        const requests = requestsIn(body);
        const server = await factory();
        const guarded = guardServer(server, {
          ...guard,
          duplex: false,
          exchangeOf: (extra) => {
            const found = exchangeOf(extra?.authInfo);
            if (found === undefined) throw new PortcullisError('token_missing');
            return found;
          },
        });
        const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
        await server.connect(transport);
        const { transport: guardedTransport } = guarded;
        const early = await preauthorize(
          requests,
          exchange,
          guard.enforcer,
          (message) => guardedTransport?.view(message, exchange) ?? guarded.view(message),
          guard.denials,
        );
        if (early?.kind === 'challenge') return edge.refuse(early.error, early.id, requestId);
        if (early?.kind === 'message') {
          return new Response(JSON.stringify(early.message), { headers: { 'content-type': 'application/json' } });
        }
        try {
          return await transport.handleRequest(admitted.request, {
            authInfo: authInfoFor(exchange, resource, edge.metadata.url),
            ...(body === undefined ? {} : { parsedBody: body }),
          });
        } finally {
          leaveUnused(exchange);
        }
      } catch (error) {
        const refusal =
          error instanceof PortcullisError
            ? error
            : new PortcullisError('pdp_unavailable', undefined, { cause: error });
        const told = await guard.recorder.refusal(refusal, requestId, context, performance.now() - admitted.startedAt);
        return edge.refuse(told, undefined, requestId);
      }
    },
  };
}

import type { RpcRequest } from '../message.js';
import type { ServerView } from '../enforce/enforcer.js';
import { NotConnected } from '../enforce/not-connected.js';
import { registeredRule, ruleOfSchema, type ToolRule } from '../tool/catalog.js';
import { approvalChannel, GuardedTransport, type GuardOptions, type TransportLike } from './guard.js';

/** A `Server` of either generation of the MCP SDK: what the guard takes hold of. */
interface ConnectableServer {
  connect(transport: never): Promise<void>;
}

/** An `McpServer` or a `Server`, of either generation. */
export type GuardableServer = ConnectableServer | { readonly server: ConnectableServer };

/** A server whose every connection is guarded. */
export interface GuardedServer {
  /** The guard of the present connection. */
  readonly transport: GuardedTransport | undefined;
  /** What is known of the server, also before it is connected. */
  view(request: RpcRequest): ServerView;
}

const guarded = new WeakSet<object>();

/**
 * Takes hold of a server before it is connected: whatever transport it is connected to, it only ever sees the guard.
 *
 * @throws TypeError when the server is guarded already, or connected
 */
export function guardServer(product: GuardableServer, options: Omit<GuardOptions, 'servers'>): GuardedServer {
  const inner = 'server' in product ? product.server : product;
  if (guarded.has(inner)) throw new TypeError('this server is guarded already: make a new one for each connection');
  if ('transport' in inner && inner.transport !== undefined)
    throw new TypeError('the server is connected already: guard it before it is connected');
  guarded.add(inner);
  const servers = [product, inner];
  let transport: GuardedTransport | undefined;
  const connect = inner.connect.bind(inner) as (transport: TransportLike) => Promise<void>;
  const guardedConnect = (raw: TransportLike): Promise<void> => {
    transport = new GuardedTransport(raw, { ...options, servers });
    return connect(transport);
  };
  Object.defineProperty(inner, 'connect', { value: guardedConnect, configurable: false, writable: false });

  return {
    get transport() {
      return transport;
    },
    view: (request) => ({
      ruleOf: (name): ToolRule => {
        for (const server of servers) {
          const rule = registeredRule(server, name);
          if (rule !== undefined) return rule;
        }
        const schemaOf = readsSchemas(product) ? product.toolInputSchemaJson.bind(product) : undefined;
        if (schemaOf === undefined) throw new NotConnected('the tool’s definition is not known yet');
        return ruleOfSchema(schemaOf(name));
      },
      channel: approvalChannel(request, undefined),
    }),
  };
}

/** The v2 `McpServer` can tell a tool's schema without being asked over a connection. */
function readsSchemas(product: object): product is { toolInputSchemaJson(name: string): unknown } {
  return 'toolInputSchemaJson' in product && typeof product.toolInputSchemaJson === 'function';
}

/** A JSON-RPC request id. */
export type RpcId = string | number;

/** A JSON-RPC message as both generations of the MCP SDK pass it: read by its members, never trusted. */
export interface RpcMessage {
  readonly jsonrpc: '2.0';
  readonly id?: RpcId | null | undefined;
  readonly method?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown } | undefined;
}

/** A message that asks for an answer. */
export interface RpcRequest extends RpcMessage {
  readonly id: RpcId;
  readonly method: string;
}

/** Whether the message asks for an answer. */
export function isRequest(message: RpcMessage): message is RpcRequest {
  return typeof message.method === 'string' && (typeof message.id === 'string' || typeof message.id === 'number');
}

/** Whether the message answers a request. */
export function isResponse(message: RpcMessage): message is RpcMessage & { readonly id: RpcId } {
  return message.method === undefined && (typeof message.id === 'string' || typeof message.id === 'number');
}

/** A plain object, which outside data has to be before a member of it is read. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

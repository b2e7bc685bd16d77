import { PortcullisError, withDeadline } from '@portcullis/core';
import { digest } from '@portcullis/audit';
import { mappingMember } from '../mapping/declared.js';
import { isObject, isResponse, type RpcId, type RpcMessage } from '../message.js';
import { registeredRule, ruleOfSchema } from '../tool/catalog.js';
import type { GuardableServer } from '../transport/guard-server.js';
import type { TransportLike } from '../transport/guard.js';
import type { KnownQuestion } from './possible.js';

/** A tool as reconciliation sees it. */
export interface InventoriedTool {
  readonly name: string;
  /** Whether somebody said what it asks: in code, or in its `inputSchema`. */
  readonly mapped: boolean;
  /** What is wrong with its declared mapping. */
  readonly malformed: string | undefined;
  /** All of these have to be permitted. */
  readonly questions: readonly KnownQuestion[];
  /** SHA-256 of what the tool shows to a model, and of what it asks. */
  readonly fingerprint: string;
}

/**
 * Lists the tools of a server by asking it, over a transport of its own, and closes it.
 *
 * @param server - made for this; not one that serves
 * @throws PortcullisError `tools_unreconciled` when the server does not answer in time
 */
export async function inventory(server: GuardableServer, timeoutMs: number): Promise<readonly InventoriedTool[]> {
  const inner = 'server' in server ? server.server : server;
  const transport = new ProbeTransport();
  await inner.connect(transport as never);
  try {
    const definitions = await withDeadline(listTools(transport), timeoutMs).catch((cause: unknown) => {
      if (cause instanceof PortcullisError) throw cause;
      throw new PortcullisError('tools_unreconciled', 'the server did not list its tools in time', { cause });
    });
    return definitions.map((definition) => describe(definition, [server, inner]));
  } finally {
    await transport.close();
  }
}

function describe(definition: ToolDefinition, servers: readonly object[]): InventoriedTool {
  const { name, inputSchema } = definition;
  const registered = servers.map((server) => registeredRule(server, name)).find((rule) => rule !== undefined);
  const rule = registered ?? ruleOfSchema(inputSchema);
  const declared = rule.source === 'declared' ? (rule.publish ?? mappingOf(inputSchema)) : undefined;
  const questions: readonly KnownQuestion[] =
    rule.source === 'typed'
      ? [
          {
            kind: rule.authorize.kind,
            action: rule.authorize.action,
            id: rule.authorize.resource === undefined ? '*' : undefined,
          },
        ]
      : declared === undefined
        ? [{ kind: 'tool', action: 'tools/call', id: name }]
        : declaredQuestions(declared);
  return {
    name,
    mapped: registered !== undefined || rule.source !== 'default',
    malformed: rule.source === 'malformed' ? (rule.error.detail ?? rule.error.message) : undefined,
    questions,
    fingerprint: digest({ definition, questions, scopes: 'scopes' in rule ? rule.scopes : [], declared }),
  };
}

function mappingOf(inputSchema: unknown): unknown {
  return isObject(inputSchema) ? inputSchema[mappingMember] : undefined;
}

/** The mapping compiled, so that its shape is known. */
function declaredQuestions(declared: unknown): readonly KnownQuestion[] {
  const members = isObject(declared) ? declared : {};
  if (isObject(members['evaluation'])) return [declaredQuestion(members['evaluation'], {})];
  const batch = isObject(members['evaluations']) ? members['evaluations'] : {};
  const entries = Array.isArray(batch['evaluations']) ? batch['evaluations'] : [];
  return entries.map((entry) => declaredQuestion(isObject(entry) ? entry : {}, batch));
}

type Members = Readonly<Record<string, unknown>>;

function declaredQuestion(entry: Members, defaults: Members): KnownQuestion {
  const action = entry['action'] ?? defaults['action'];
  const resource = entry['resource'] ?? defaults['resource'];
  return {
    kind: isObject(resource) ? constant(resource['type']) : undefined,
    action: isObject(action) ? constant(action['name']) : undefined,
    id: isObject(resource) ? constant(resource['id']) : undefined,
  };
}

/** The text of a literal; an expression's is known only in a call. */
function constant(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  if (text.startsWith('$$')) return text.slice(1);
  return text.startsWith('$') ? undefined : text;
}

interface ToolDefinition extends Members {
  readonly name: string;
}

async function listTools(transport: ProbeTransport): Promise<readonly ToolDefinition[]> {
  const hello = await transport.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'portcullis', version: '0' },
  });
  transport.notify('notifications/initialized');
  const capabilities = isObject(hello) ? hello['capabilities'] : undefined;
  if (!isObject(capabilities) || capabilities['tools'] === undefined) return [];
  const tools: ToolDefinition[] = [];
  let cursor: unknown;
  do {
    const page: unknown = await transport.request('tools/list', typeof cursor === 'string' ? { cursor } : {});
    const listed = isObject(page) && Array.isArray(page['tools']) ? page['tools'] : [];
    for (const tool of listed) if (isDefinition(tool)) tools.push(tool);
    cursor = isObject(page) ? page['nextCursor'] : undefined;
  } while (typeof cursor === 'string');
  return tools;
}

function isDefinition(tool: unknown): tool is ToolDefinition {
  return isObject(tool) && typeof tool['name'] === 'string';
}

/** The client's end of a connection inside this process. */
class ProbeTransport implements TransportLike {
  readonly #open = new Map<RpcId, (message: RpcMessage) => void>();
  #nextId = 1;
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: ((message: RpcMessage) => void) | undefined;

  start(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.onclose?.();
    return Promise.resolve();
  }

  send(message: RpcMessage): Promise<void> {
    if (isResponse(message)) this.#open.get(message.id)?.(message);
    return Promise.resolve();
  }

  notify(method: string): void {
    this.onmessage?.({ jsonrpc: '2.0', method });
  }

  async request(method: string, params: Members): Promise<unknown> {
    const id = this.#nextId++;
    const answered = new Promise<RpcMessage>((resolve) => this.#open.set(id, resolve));
    this.onmessage?.({ jsonrpc: '2.0', id, method, params });
    const { result, error } = await answered;
    if (error !== undefined)
      throw new PortcullisError('tools_unreconciled', `the server refused ${method}: ${error.message}`);
    return result;
  }
}

import { PortcullisError, type Attributes, type TenantContext } from '@portcullis/core';
import { isObject } from '../message.js';
import type { Question } from './question.js';

type Params = Readonly<Record<string, unknown>>;

/** How one MCP method becomes a question; `pass` asks none. */
export type MethodRow = 'pass' | ((params: Params, context: TenantContext) => Question);

/**
 * Every MCP method the gate lets through, and the question it asks. A method that is not here is denied.
 *
 * The rows are those of COAZ-MCP draft 1; rows marked *ours* are for methods that the draft does not have yet, in the
 * same shape. `ping` and notifications pass without a question, as the draft demands.
 *
 * @see COAZ-MCP, "Default mappings"
 */
export const methodTable: Readonly<Record<string, MethodRow>> = {
  ping: 'pass',
  initialize: (params, context) =>
    onServer(
      'initialize',
      context,
      text(params['protocolVersion']) ? { protocol_version: params['protocolVersion'] } : undefined,
    ),
  'server/discover': (_params, context) => onServer('server/discover', context), // ours
  'tools/list': (_params, context) => onServer('tools/list', context),
  'tools/call': (params) => on('tool', params, 'name', 'tools/call'),
  'resources/list': (_params, context) => onServer('resources/list', context),
  'resources/templates/list': (_params, context) => onServer('resources/templates/list', context), // ours
  'resources/read': (params) => on('resource', params, 'uri', 'resources/read'),
  'resources/subscribe': (params) => on('resource', params, 'uri', 'resources/subscribe'),
  'resources/unsubscribe': (params) => on('resource', params, 'uri', 'resources/unsubscribe'),
  'subscriptions/listen': (_params, context) => onServer('subscriptions/listen', context), // ours; its URIs are asked one by one
  'prompts/list': (_params, context) => onServer('prompts/list', context),
  'prompts/get': (params) => on('prompt', params, 'name', 'prompts/get'),
  'completion/complete': (params) => onReference(params),
  'logging/setLevel': (params, context) =>
    onServer('logging/setLevel', context, text(params['level']) ? { level: params['level'] } : undefined),
  'tasks/get': (params) => on('task', params, 'taskId', 'tasks/get'),
  'tasks/result': (params) => on('task', params, 'taskId', 'tasks/result'),
  'tasks/cancel': (params) => on('task', params, 'taskId', 'tasks/cancel'),
  'tasks/list': (_params, context) => onServer('tasks/list', context),
};

/** The row of a method; `undefined` denies it. */
export function methodRow(method: string): MethodRow | undefined {
  if (method.startsWith('notifications/')) return 'pass';
  return Object.hasOwn(methodTable, method) ? methodTable[method] : undefined;
}

function onServer(action: string, context: TenantContext, more?: Attributes): Question {
  return { action: { name: action }, resource: { type: 'mcp_server', id: context.identity.audience }, context: more };
}

function on(type: string, params: Params, member: string, action: string): Question {
  const id = params[member];
  if (!text(id)) throw missing(`params.${member}`);
  return { action: { name: action }, resource: { type, id } };
}

/** A completion is asked of the prompt or the resource that it completes. */
function onReference(params: Params): Question {
  const reference = params['ref'];
  if (!isObject(reference)) throw missing('params.ref');
  switch (reference['type']) {
    case 'ref/prompt':
      return on('prompt', reference, 'name', 'completion/complete');
    case 'ref/resource':
      return on('resource', reference, 'uri', 'completion/complete');
    default:
      throw missing('params.ref.type');
  }
}

function text(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function missing(field: string): PortcullisError {
  return new PortcullisError('mapping_error', `${field} is missing or malformed`, { data: { field } });
}

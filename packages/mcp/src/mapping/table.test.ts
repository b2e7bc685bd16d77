import { contextFor } from '@portcullis/testing/contexts';
import { describe, expect, it } from 'vitest';
import { methodQuestions } from '../enforce/questions.js';
import type { RpcRequest } from '../message.js';
import { toResourceQuestion } from './question.js';
import { methodTable } from './table.js';

const audience = 'https://mcp.example.com/mcp';
const context = contextFor({ tenant: 'acme', audience });
const request = (method: string, params?: Readonly<Record<string, unknown>>): RpcRequest => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params,
});
/** The questions of a request, as `action kind id`. */
const asked = (method: string, params?: Readonly<Record<string, unknown>>): readonly string[] | undefined =>
  methodQuestions(request(method, params), context)?.map(
    ({ action, resource }) => `${action.name} ${resource.type} ${resource.id}`,
  );

/** COAZ-MCP's rows, and ours. */
const rows: readonly (readonly [string, Readonly<Record<string, unknown>> | undefined, readonly string[]])[] = [
  ['initialize', { protocolVersion: '2025-11-25' }, [`initialize mcp_server ${audience}`]],
  ['server/discover', undefined, [`server/discover mcp_server ${audience}`]],
  ['tools/list', {}, [`tools/list mcp_server ${audience}`]],
  ['tools/call', { name: 'a', arguments: {} }, ['tools/call tool a']],
  ['resources/list', {}, [`resources/list mcp_server ${audience}`]],
  ['resources/templates/list', {}, [`resources/templates/list mcp_server ${audience}`]],
  ['resources/read', { uri: 'note://1' }, ['resources/read resource note://1']],
  ['resources/subscribe', { uri: 'note://1' }, ['resources/subscribe resource note://1']],
  ['resources/unsubscribe', { uri: 'note://1' }, ['resources/unsubscribe resource note://1']],
  [
    'subscriptions/listen',
    { notifications: { toolsListChanged: true, resourceSubscriptions: ['note://1', 'note://2'] } },
    [
      `subscriptions/listen mcp_server ${audience}`,
      'resources/subscribe resource note://1',
      'resources/subscribe resource note://2',
    ],
  ],
  ['prompts/list', {}, [`prompts/list mcp_server ${audience}`]],
  ['prompts/get', { name: 'p' }, ['prompts/get prompt p']],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }, ['completion/complete prompt p']],
  ['completion/complete', { ref: { type: 'ref/resource', uri: 'u' } }, ['completion/complete resource u']],
  ['logging/setLevel', { level: 'debug' }, [`logging/setLevel mcp_server ${audience}`]],
  ['tasks/get', { taskId: 't' }, ['tasks/get task t']],
  ['tasks/result', { taskId: 't' }, ['tasks/result task t']],
  ['tasks/cancel', { taskId: 't' }, ['tasks/cancel task t']],
  ['tasks/list', {}, [`tasks/list mcp_server ${audience}`]],
];

describe('the question of each method', () => {
  it.each(rows)('%s %j asks %j', (method, params, questions) => {
    expect(asked(method, params)).toEqual(questions);
  });

  it('is tried here for every row of the table', () => {
    const tried = new Set(rows.map(([method]) => method));
    expect(Object.keys(methodTable).filter((method) => !tried.has(method))).toEqual(['ping']);
  });

  it('is none for ping and notifications', () => {
    expect(asked('ping')).toBeUndefined();
    expect(asked('notifications/cancelled', { requestId: 1 })).toBeUndefined();
  });

  it.each(['tools/steal', 'Tools/Call', 'tools/call ', 'toString', '__proto__', '', 'notifications', 'rpc.discover'])(
    'is a denial for `%s`',
    (method) => {
      expect(() => asked(method, {})).toThrow(expect.objectContaining({ code: 'method_unknown' }) as Error);
    },
  );

  it.each([
    ['tools/call', {}],
    ['tools/call', { name: '' }],
    ['tools/call', { name: 7 }],
    ['tools/call', { name: { toString: 'x' } }],
    ['tools/call', undefined],
    ['resources/read', { uri: null }],
    ['resources/subscribe', {}],
    ['prompts/get', { name: ['p'] }],
    ['completion/complete', {}],
    ['completion/complete', { ref: 'p' }],
    ['completion/complete', { ref: { type: 'ref/tool', name: 'p' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', uri: 'p' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: 'note://1' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['note://1', ''] } }],
    ['tasks/get', {}],
  ])('is an error, which names the field, for %s %j', (method, params) => {
    expect(() => asked(method, params)).toThrow(
      expect.objectContaining({
        code: 'mapping_error',
        data: { field: expect.stringMatching(/^params\./) as string },
      }) as Error,
    );
  });

  it('carries what the draft says of it', () => {
    const contexts = (method: string, params: Readonly<Record<string, unknown>>): unknown =>
      methodQuestions(request(method, params), context)?.map((question) => question.context);
    expect(contexts('initialize', { protocolVersion: '2025-11-25' })).toEqual([{ protocol_version: '2025-11-25' }]);
    expect(contexts('logging/setLevel', { level: 'debug' })).toEqual([{ level: 'debug' }]);
    expect(contexts('initialize', {})).toEqual([undefined]);
  });
});

describe('a question for the engine', () => {
  const question = (properties?: Readonly<Record<string, never>> | object) =>
    toResourceQuestion(
      { action: { name: 'read' }, resource: { type: 'note', id: 'n', properties: properties as never } },
      context,
    );

  it('is of the caller’s tenant', () => {
    expect(question().resource).toMatchObject({ kind: 'note', id: 'n', tenant: 'acme' });
    expect(question({ tenant: 'acme' }).resource.tenant).toBe('acme');
  });

  it.each(['globex', 'ACME', '', null, ['acme'], { id: 'acme' }, 0])(
    'is refused for a resource of tenant %j',
    (tenant) => {
      expect(() => question({ tenant })).toThrow(expect.objectContaining({ code: 'cross_tenant' }) as Error);
    },
  );

  it.each(['context', 'action'])('leaves `%s` to the gate', (name) => {
    expect(() => question({ [name]: {} })).toThrow(expect.objectContaining({ code: 'mapping_error' }) as Error);
  });

  it.each([
    { action: { name: '' }, resource: { type: 'note', id: 'n' } },
    { action: { name: 'read' }, resource: { type: '', id: 'n' } },
    { action: { name: 'read' }, resource: { type: 'note', id: '' } },
  ])('is not asked with an empty word: %j', (empty) => {
    expect(() => toResourceQuestion(empty, context)).toThrow(
      expect.objectContaining({ code: 'mapping_error' }) as Error,
    );
  });
});

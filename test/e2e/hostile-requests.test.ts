import fc from 'fast-check';
import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gate } from '@portcullis/mcp';
import { notesV1 } from '../../docs/examples/v1.js';
import { startHarness, url, type Harness } from './harness.js';

let harness: Harness;
let token: string;
let runs = 0;
beforeAll(async () => {
  harness = await startHarness();
  token = await harness.token('alice');
});
afterAll(() => harness.close());

/** A server whose only tool alice may not call. */
function server(gate: Gate<Map<string, string>>): McpServer {
  const made = new McpServer({ name: 'hostile', version: '1' }, { capabilities: { tools: {} } });
  gate.tool(made, 'restricted', { authorize: 'default' }, () => {
    runs++;
    return 'ran';
  });
  return made;
}

const member = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom('restricted', 'tools/call', 'initialize', '__proto__', 'portcullis:0', '', '\u0000'),
);
const message = fc
  .record(
    {
      jsonrpc: fc.oneof({ weight: 8, arbitrary: fc.constant('2.0') }, member),
      id: fc.oneof(fc.integer(), fc.string(), member),
      method: fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom(
            'tools/call',
            'tools/list',
            'initialize',
            'ping',
            'resources/read',
            'subscriptions/listen',
            'completion/complete',
          ),
        },
        member,
      ),
      params: fc.oneof(
        fc.record(
          {
            name: fc.oneof(fc.constant('restricted'), member),
            arguments: member,
            uri: member,
            _meta: member,
            requestState: member,
            inputResponses: member,
            task: member,
            ref: member,
            cursor: member,
          },
          { requiredKeys: [] },
        ),
        member,
      ),
      result: member,
      error: member,
    },
    { requiredKeys: [] },
  )
  .map((value) => JSON.stringify(value));
/** Messages that pass for messages, so that what is odd about them gets further in. */
const wellFormed = fc
  .record({
    jsonrpc: fc.constant('2.0'),
    id: fc.oneof(fc.integer(), fc.string({ minLength: 1 }), fc.constantFrom('portcullis:0', '__proto__')),
    method: fc.constantFrom(
      'tools/call',
      'tools/list',
      'initialize',
      'ping',
      'resources/read',
      'resources/list',
      'prompts/get',
      'completion/complete',
      'logging/setLevel',
      'subscriptions/listen',
      'server/discover',
      'tasks/get',
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
    ),
    params: fc.record(
      {
        name: fc.oneof(fc.constantFrom('restricted', 'note_read'), member),
        arguments: fc.oneof(fc.record({ id: member }), member),
        uri: member,
        requestState: member,
        inputResponses: member,
        task: member,
        ref: member,
        cursor: member,
        notifications: member,
        protocolVersion: fc.oneof(fc.constant('2025-11-25'), member),
        capabilities: fc.oneof(fc.constant({ elicitation: {} }), member),
        clientInfo: fc.oneof(fc.constant({ name: 'x', version: '1' }), member),
        _meta: fc.oneof(
          fc.constant({
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'x', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
          }),
          fc.record({ progressToken: member, 'io.modelcontextprotocol/protocolVersion': member }, { requiredKeys: [] }),
        ),
      },
      { requiredKeys: [] },
    ),
  })
  .map((value) => JSON.stringify(value));
const body = fc.oneof(
  { weight: 10, arbitrary: wellFormed },
  fc.array(wellFormed, { maxLength: 4 }).map((list) => `[${list.join()}]`),
  { weight: 6, arbitrary: message },
  fc.array(message, { maxLength: 4 }).map((list) => `[${list.join()}]`),
  fc.json(),
  fc.string(),
  message.chain((text) => fc.nat(text.length).map((cut) => text.slice(0, cut))),
);
const allHeaders = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'application/json; charset=utf-16', 'text/plain', ''),
    accept: fc.constantFrom('application/json, text/event-stream', 'application/json', '*/*', ''),
    'mcp-protocol-version': fc.constantFrom('2026-07-28', '2025-11-25', '2025-03-26', '1900-01-01', 'x'),
    'mcp-session-id': fc.constantFrom('x', '', '00000000-0000-4000-8000-000000000000'),
    'mcp-method': fc.constantFrom('tools/call', 'tools/list', 'x'),
    'mcp-name': fc.constantFrom('restricted', 'x'),
    'last-event-id': fc.constantFrom('1', 'x'),
    'x-tenant-id': fc.constantFrom('acme', 'globex', 'acme, globex', ''),
    origin: fc.constantFrom('https://mcp.example.com', 'https://evil.example', 'null'),
    'content-encoding': fc.constantFrom('gzip', 'identity'),
  },
  { requiredKeys: [] },
);

/** None, one, or many: with many, hardly anything gets past the first checks. */
const headers = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(allHeaders, fc.nat())
      .map(([all, at]) => Object.fromEntries(Object.entries(all).slice(at % 10, (at % 10) + 1))),
  },
  { weight: 1, arbitrary: allHeaders },
);

describe('whatever a member sends', () => {
  it.each(['stateless', 'sessions', 'reject', 'v1'] as const)(
    'is answered, and runs nothing that is denied: %s',
    async (mode) => {
      const errors: Error[] = [];
      const gate = harness.gateWith({ onError: (error) => errors.push(error) });
      const endpoint = mode === 'v1' ? notesV1(gate) : gate.serve(() => server(gate), { legacy: mode });
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('POST', 'POST', 'POST', 'POST', 'GET', 'DELETE', 'PUT'),
          headers,
          body,
          async (method, more, text) => {
            const abort = new AbortController();
            const response = await endpoint.fetch(
              new Request(url, {
                method,
                signal: abort.signal,
                headers: {
                  'content-type': 'application/json',
                  accept: 'application/json, text/event-stream',
                  ...more,
                  authorization: `Bearer ${token}`,
                },
                ...(method === 'GET' || method === 'DELETE' ? {} : { body: text }),
              }),
            );
            expect(response.status).toBeLessThan(500);
            await response.body?.cancel();
            abort.abort();
          },
        ),
        { numRuns: 400 },
      );
      expect(runs).toBe(0);
    },
  );
});

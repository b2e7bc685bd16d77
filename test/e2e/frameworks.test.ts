import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { getRequestListener } from '@hono/node-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Gate } from '@portcullis/mcp';
import { expressApp } from '../../docs/examples/express.js';
import { honoApp } from '../../docs/examples/hono.js';
import { notesV1 } from '../../docs/examples/v1.js';
import { startHarness, type Harness } from './harness.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

const frameworks: Readonly<Record<string, (gate: Gate<Map<string, string>>) => Listener>> = {
  Hono: (gate) => {
    const app = honoApp(gate);
    return getRequestListener((request, env) => app.fetch(request, env));
  },
  Express: (gate) => expressApp(gate) as Listener,
  'the v1 SDK': (gate) => {
    const endpoint = notesV1(gate);
    return getRequestListener((request) => endpoint.fetch(request));
  },
};

let harness: Harness;
const open: Server[] = [];

beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.close());
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Serves an application on a port of its own, with a gate for exactly that address. */
async function listen(make: (gate: Gate<Map<string, string>>) => Listener): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/mcp`;
  const listener = make(harness.gateWith({ resource: url }));
  server.on('request', (request, response) => void listener(request, response));
  return url;
}

const bearer = async (user: 'alice' | 'adam' | 'gina'): Promise<{ headers: Record<string, string> }> => ({
  headers: { authorization: `Bearer ${await harness.token(user)}` },
});

describe.each(Object.keys(frameworks))('behind %s, over sockets', (name) => {
  const make = frameworks[name]!;

  it('a member reads what policy allows, in its own tenant’s storage', async () => {
    const url = await listen(make);
    harness.stores.set('acme', new Map([['pub-1', 'of acme']]));
    harness.stores.set('globex', new Map([['pub-1', 'of globex']]));
    for (const [user, tenant] of [
      ['alice', 'acme'],
      ['gina', 'globex'],
    ] as const) {
      const client = new Client({ name: 'test', version: '1' });
      await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: await bearer(user) }));
      expect((await client.listTools()).tools.map(({ name: tool }) => tool)).toEqual(['note_read']);
      expect((await client.callTool({ name: 'note_read', arguments: { id: 'pub-1' } })).content).toEqual([
        { type: 'text', text: `of ${tenant}` },
      ]);
      await client.close();
    }
  });

  it('a client of the v1 SDK is served alike', async () => {
    const url = await listen(make);
    harness.stores.set('acme', new Map([['pub-1', 'of acme']]));
    const client = new ClientV1({ name: 'test', version: '1' });
    await client.connect(new TransportV1(new URL(url), { requestInit: await bearer('alice') }));
    expect((await client.callTool({ name: 'note_read', arguments: { id: 'pub-1' } })).content).toEqual([
      { type: 'text', text: 'of acme' },
    ]);
    await expect(client.callTool({ name: 'note_read', arguments: { id: 'priv-1' } })).rejects.toMatchObject({
      code: -32001,
    });
    await expect(client.callTool({ name: 'no_such_tool', arguments: {} })).rejects.toMatchObject({ code: -32001 });
    await client.close();
  });

  it('a denial runs nothing, and both are in the audit log', async () => {
    const url = await listen(make);
    harness.stores.set('acme', new Map([['priv-1', 'secret']]));
    (harness.audit.entries as unknown[]).length = 0;
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: await bearer('alice') }));
    await expect(client.callTool({ name: 'note_read', arguments: { id: 'priv-1' } })).rejects.toThrow('denied');
    await client.close();
    expect(
      harness.audit.entries.filter(({ type, name: tool }) => type === 'decision' && tool === 'note_read'),
    ).toMatchObject([{ effect: 'deny', tenant: 'acme' }]);
  });

  it('a request without a token is challenged, with the address of the metadata', async () => {
    const url = await listen(make);
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
    expect(response.status).toBe(401);
    const [, metadata = ''] = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '') ?? [];
    expect(await (await fetch(metadata)).json()).toMatchObject({ resource: url });
  });
});

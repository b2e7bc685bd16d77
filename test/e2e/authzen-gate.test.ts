import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { PolicyDecisionPoint } from '@portcullis/core';
import type { McpEndpoint } from '@portcullis/mcp';
import { authzen, serveAuthzen } from '@portcullis/pdp/authzen';
import { circuitBreaker, coalesced, traced } from '@portcullis/pdp/client';
import { embedded } from '@portcullis/pdp/embedded';
import { callText, connect, messagesOf, policy, post, startHarness, type Harness } from './harness.js';

const allow = (actions: string, roles: string, more = ''): string =>
  `    - { actions: [${actions}], roles: [${roles}], effect: EFFECT_ALLOW${more} }\n`;
const when = (expression: string): string => `, condition: { match: { expr: '${expression}' } }`;

const policies: Readonly<Record<string, string>> = {
  'mcp_server.yaml': policy('mcp_server', allow('"*"', 'member, admin')),
  'tool.yaml': policy(
    'tool',
    allow('tools/call', 'admin') + allow('tools/call', 'member', when('R.id in ["open", "note"]')),
  ),
  'note.yaml': policy(
    'note',
    allow('read', 'member, admin', when('R.attr.tenant == P.attr.tenant && R.attr.public')) +
      allow(
        'stamp',
        'member',
        ', output: { when: { ruleActivated: \'{"obligation": "stamp", "text": "for " + P.id}\' } }',
      ) +
      allow('odd', 'member', ', output: { when: { ruleActivated: \'{"obligation": "unheard_of"}\' } }'),
  ),
};

let harness: Harness;
let folder: string;
let engine: PolicyDecisionPoint;
/** The PDP: our engine, offered over HTTP. */
let server: Server;
let origin: string;
let asked = 0;
/** What the PDP says in place of a decision. */
let broken: (() => Response) | undefined;

beforeAll(async () => {
  harness = await startHarness();
  folder = await mkdtemp(join(tmpdir(), 'portcullis-authzen-gate-'));
  for (const [name, text] of Object.entries(policies)) await writeFile(join(folder, name), text);
  engine = await embedded({ policies: folder });
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const handler = serveAuthzen(engine, {
    url: origin,
    explain: true,
    authenticate: ({ headers }) =>
      new Map([
        ['Bearer gate', { tenants: ['acme', 'globex'] }],
        ['Bearer gate of acme', { tenants: ['acme'] }],
      ]).get(headers.get('authorization') ?? ''),
  });
  const listener = getRequestListener((request) => {
    asked++;
    return broken === undefined ? handler(request) : broken();
  });
  server.on('request', (message, reply) => void listener(message, reply));
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await engine.close();
  await harness.close();
  await rm(folder, { recursive: true });
});

let open: (McpEndpoint | PolicyDecisionPoint)[] = [];
const ran: string[] = [];
beforeEach(() => {
  asked = 0;
  broken = undefined;
  ran.length = 0;
});
afterEach(async () => {
  for (const one of open) await one.close();
  open = [];
});

type Around = (pdp: PolicyDecisionPoint) => PolicyDecisionPoint;
type Tools = (mcp: McpServer, made: ReturnType<Harness['gateWith']>) => void;

/** Tools that are decided by their names; `note` then asks about what it works on. */
const named: Tools = (mcp, made) => {
  for (const name of ['open', 'restricted'])
    made.tool(mcp, name, { authorize: 'default' }, (_args, { tenant }) => {
      ran.push(`${name}@${tenant.id}`);
      return `${name} ran`;
    });
  const inputSchema = z.object({ action: z.string(), tenant: z.string().default('acme'), public: z.boolean() });
  made.tool(mcp, 'note', { inputSchema, authorize: 'default' }, async ({ action, ...attr }, { authorize }) => {
    await authorize(action, { kind: 'note', id: 'n', attr });
    ran.push(action);
    return `${action} ran`;
  });
};

/** Tools that are decided by what they work on. */
const typed: Tools = (mcp, made) => {
  for (const action of ['stamp', 'odd'])
    made.tool(mcp, action, { authorize: { kind: 'note', action, resource: () => ({ id: 'n' }) } }, () => {
      ran.push(action);
      return `${action} ran`;
    });
};

/** A gate that asks the PDP, with what is put around its client. */
function gate(around: Around = (pdp) => pdp, tools: Tools = named, token = 'gate'): McpEndpoint {
  const pdp = around(authzen({ url: origin, token: () => token, requireMeta: true, deadlineMs: 10_000 }));
  const made = harness.gateWith({ pdp, onError: () => undefined });
  const endpoint = made.serve(() => {
    const mcp = new McpServer({ name: 's', version: '1' });
    tools(mcp, made);
    return mcp;
  });
  open.push(endpoint, pdp);
  return endpoint;
}

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'open', arguments: {} } };
const codeOf = async (endpoint: McpEndpoint, user: 'alice' | 'gina'): Promise<unknown> => {
  const response = await post(endpoint, await harness.token(user), call);
  const [message] = await messagesOf(response);
  return message?.error?.data?.['code'] ?? message?.result;
};

const stack = (pdp: PolicyDecisionPoint): PolicyDecisionPoint => traced(circuitBreaker(coalesced(pdp)));

describe.each([
  ['alone', undefined],
  ['in decorators', stack],
] as const)('a gate over an AuthZEN PDP, %s', (_name, around) => {
  it('lets run what the policies allow, shows no other tool, and records who decided', async () => {
    const endpoint = gate(around);
    const seen = harness.audit.entries.length;
    const alice = await connect(endpoint, await harness.token('alice'));
    const adam = await connect(endpoint, await harness.token('adam'));
    expect(await callText(alice, 'open')).toBe('open ran');
    expect(await callText(alice, 'restricted')).toMatch(/^-3/);
    expect(await callText(adam, 'restricted')).toBe('restricted ran');
    expect(ran).toEqual(['open@acme', 'restricted@acme']);
    expect((await alice.listTools()).tools.map(({ name }) => name).sort()).toEqual(['note', 'open']);
    expect((await adam.listTools()).tools.map(({ name }) => name).sort()).toEqual(['note', 'open', 'restricted']);
    const calls = harness.audit.entries
      .slice(seen)
      .filter((entry) => 'method' in entry && entry.method === 'tools/call');
    expect(calls.filter(({ type }) => type === 'decision')).toMatchObject([
      { effect: 'allow', name: 'open', decisions: [{ policy: 'resource.tool.vdefault', engine: 'authzen' }] },
      { effect: 'deny', name: 'restricted' },
      { effect: 'allow', name: 'restricted' },
    ]);
    await Promise.all([alice.close(), adam.close()]);
  });

  it('says whose a resource is, whatever its attributes say', async () => {
    const client = await connect(gate(around), await harness.token('alice'));
    expect(await callText(client, 'note', { action: 'read', public: true })).toBe('read ran');
    expect(await callText(client, 'note', { action: 'read', public: false })).not.toContain('ran');
    expect(await callText(client, 'note', { action: 'read', public: true, tenant: 'globex' })).not.toContain('ran');
    expect(ran).toEqual(['read']);
    await client.close();
  });

  it('carries out the obligations that come with a decision, or lets nothing run', async () => {
    const client = await connect(gate(around, typed), await harness.token('alice'));
    expect((await client.callTool({ name: 'stamp', arguments: {} }))._meta).toMatchObject({ stamp: 'for oidc#alice' });
    expect(await callText(client, 'odd')).not.toContain('ran');
    expect(ran).toEqual(['stamp']);
    await client.close();
  });

  it('lists no tools at all where one is decided by what it works on: AuthZEN has no query plans', async () => {
    const client = await connect(gate(around, typed), await harness.token('alice'));
    await expect(client.listTools()).rejects.toThrow('the decision point cannot be asked');
    await client.close();
  });

  it('lets nothing run on an answer that is none', async () => {
    const endpoint = gate(around);
    for (const answer of [
      () => new Response('', { status: 500 }),
      () => Response.json({ decision: 'true' }),
      () => Response.json({ decision: true }),
      () => new Response('', { status: 307, headers: { location: `${origin}/elsewhere` } }),
    ]) {
      broken = answer;
      expect(await codeOf(endpoint, 'alice')).toBe('pdp_unavailable');
    }
    expect(ran).toEqual([]);
    broken = undefined;
    expect(await codeOf(endpoint, 'alice')).toMatchObject({ content: [{ text: 'open ran' }] });
  });

  it('is told nothing that its token is not for, and then lets nothing run', async () => {
    const ofAcme = gate(around, named, 'gate of acme');
    expect(await codeOf(ofAcme, 'alice')).toMatchObject({ content: [{ text: 'open ran' }] });
    expect(await codeOf(ofAcme, 'gina')).toBe('pdp_unavailable');
    expect(await codeOf(gate(around, named, 'stolen and revoked'), 'alice')).toBe('pdp_unavailable');
    expect(ran).toEqual(['open@acme']);
  });
});

describe('a gate over an AuthZEN PDP that is away', () => {
  it('asks no more while the circuit is open, and again afterwards', async () => {
    let now = 0;
    const endpoint = gate((pdp) => circuitBreaker(pdp, { failures: 2, openMs: 1000, now: () => now }));
    broken = () => new Response('', { status: 503 });
    for (let times = 0; times < 4; times++) expect(await codeOf(endpoint, 'alice')).toBe('pdp_unavailable');
    expect(asked).toBe(2);
    broken = undefined;
    now = 1000;
    expect(await codeOf(endpoint, 'alice')).toMatchObject({ content: [{ text: 'open ran' }] });
    expect(ran).toEqual(['open@acme']);
  });
});

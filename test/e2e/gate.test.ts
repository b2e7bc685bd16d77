import { InMemoryTransport, McpServer, Server, fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';
import { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { configuredIdentity } from '@portcullis/claims';
import { evaluatePlan, PortcullisError, tenantId } from '@portcullis/core';
import type { Gate, McpEndpoint } from '@portcullis/mcp';
import { callText, connect, messagesOf, post, startHarness, url, type Harness } from './harness.js';

let harness: Harness;
let runs: string[] = [];

beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.close());
beforeEach(() => {
  runs = [];
  (harness.audit.entries as unknown[]).length = 0;
});

const note = z.object({ id: z.string().min(1) });
const notes: Readonly<Record<string, { public: boolean }>> = { open: { public: true }, closed: { public: false } };

/** A server with a tool of every sort. */
function server(gate: Gate<Map<string, string>> = harness.gate): McpServer {
  const made = new McpServer(
    { name: 'notes', version: '1.0.0' },
    { capabilities: { tools: {}, resources: {}, prompts: {} } },
  );
  const ran = (name: string, tenant: string): string => {
    runs.push(`${name}@${tenant}`);
    return `${name} ran`;
  };
  gate.tool(made, 'open', { authorize: 'default' }, (_args, ctx) => ran('open', ctx.tenant.id));
  gate.tool(made, 'restricted', { authorize: 'default' }, (_args, ctx) => ran('restricted', ctx.tenant.id));
  gate.tool(
    made,
    'note_read',
    {
      inputSchema: note,
      authorize: {
        kind: 'note',
        action: 'read',
        resource: ({ id }) => (notes[id] === undefined ? undefined : { id, attr: notes[id] }),
      },
    },
    (_args, ctx) => ran('note_read', ctx.tenant.id),
  );
  gate.tool(
    made,
    'note_write',
    { inputSchema: note, authorize: { kind: 'note', action: 'write', resource: ({ id }) => ({ id }) } },
    ({ id }, ctx) => {
      ctx.storage.set(id, ctx.tenant.id);
      return ran('note_write', ctx.tenant.id);
    },
  );
  gate.tool(
    made,
    'note_scoped',
    {
      inputSchema: note,
      authorize: {
        kind: 'note',
        action: 'write',
        resource: ({ id }) => ({ id }),
        scopes: ['notes:write', 'notes:read'],
      },
    },
    (_args, ctx) => ran('note_scoped', ctx.tenant.id),
  );
  for (const action of ['pay', 'stamp', 'odd', 'broken']) {
    gate.tool(
      made,
      `note_${action}`,
      { inputSchema: note, authorize: { kind: 'note', action, resource: ({ id }) => ({ id, attr: {} }) } },
      (_args, ctx) => ran(`note_${action}`, ctx.tenant.id),
    );
  }
  gate.tool(
    made,
    'foreign',
    {
      inputSchema: z.object({ tenant: z.string() }),
      authorize: { kind: 'note', action: 'stamp', resource: ({ tenant }) => ({ id: 'x', attr: { tenant } }) },
    },
    (_args, ctx) => ran('foreign', ctx.tenant.id),
  );
  gate.tool(
    made,
    'late',
    { inputSchema: z.object({ action: z.string() }), authorize: { kind: 'note', action: 'stamp' } },
    async ({ action }, ctx) => {
      await ctx.authorize(action, { kind: 'note', id: 'x', attr: { public: true } });
      return ran('late', ctx.tenant.id);
    },
  );
  gate.tool(made, 'filtered', { authorize: { kind: 'note', action: 'stamp' } }, async (_args, ctx) =>
    (await ctx.filter('read', Object.keys(notes), (id) => ({ kind: 'note', id, attr: notes[id]! }))).join(),
  );
  gate.tool(made, 'planned', { authorize: { kind: 'note', action: 'stamp' } }, async (_args, ctx) => {
    const plan = await ctx.plan('read', 'note');
    return Object.keys(notes)
      .filter((id) => plan.outcome === 'conditional' && evaluatePlan(plan.condition, { id, attr: notes[id]! }) === true)
      .concat(plan.outcome)
      .join();
  });
  gate.tool(made, 'filtered_foreign', { authorize: { kind: 'note', action: 'stamp' } }, async (_args, ctx) =>
    (await ctx.filter('read', ['acme', 'globex'], (tenant) => ({ kind: 'note', id: 'x', attr: { tenant } }))).join(),
  );
  gate.tool(
    made,
    'rounds',
    { inputSchema: note, authorize: { kind: 'note', action: 'pay', resource: ({ id }) => ({ id, attr: {} }) } },
    (_args, ctx) => ran('rounds', ctx.tenant.id),
  );
  made.registerTool('plain', { inputSchema: z.object({ id: z.string().optional() }) }, () => ({
    content: [{ type: 'text', text: ran('plain', '?') }],
  }));
  made.registerTool(
    'declared',
    {
      inputSchema: note.meta({
        'x-authzen-mapping': {
          evaluation: {
            action: { name: 'read' },
            resource: {
              type: 'note',
              id: '$params.arguments.id',
              properties: { public: '$params.arguments.id == "open"' },
            },
            context: { agent: '$token.?client_id' },
          },
        },
      }),
    },
    () => ({ content: [{ type: 'text', text: ran('declared', '?') }] }),
  );
  made.registerTool(
    'boxcar',
    {
      inputSchema: z.object({ from: z.string(), to: z.string() }).meta({
        'x-authzen-mapping': {
          evaluations: {
            subject: { type: 'identity', id: '$token.sub' },
            action: { name: 'read' },
            evaluations: [
              {
                resource: {
                  type: 'note',
                  id: '$params.arguments.from',
                  properties: { public: '$params.arguments.from == "open"' },
                },
              },
              {
                resource: {
                  type: 'note',
                  id: '$params.arguments.to',
                  properties: { public: '$params.arguments.to == "open"' },
                },
              },
            ],
          },
        },
      }),
    },
    () => ({ content: [{ type: 'text', text: ran('boxcar', '?') }] }),
  );
  made.registerTool(
    'malformed',
    { inputSchema: z.object({}).meta({ 'x-authzen-mapping': { evaluation: {}, evaluations: {} } }) },
    () => ({ content: [{ type: 'text', text: ran('malformed', '?') }] }),
  );
  made.registerResource('public', 'note://public/1', {}, () => ({ contents: [{ uri: 'note://public/1', text: 'p' }] }));
  made.registerResource('secret', 'note://secret/1', {}, () => ({ contents: [{ uri: 'note://secret/1', text: 's' }] }));
  made.registerPrompt('hello', {}, () => ({ messages: [] }));
  made.registerPrompt('hidden', {}, () => ({ messages: [] }));
  return made;
}

const calls = (name: string, args: object = {}, id = 1): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

describe.each(['auto', 'legacy'] as const)('over HTTP, protocol mode %s', (mode) => {
  let endpoint: McpEndpoint;
  beforeAll(() => {
    endpoint = harness.serve(() => server());
  });

  it('runs what policy allows, exactly once, in the caller’s own tenant', async () => {
    const adam = await connect(endpoint, await harness.token('adam'), { mode });
    const gina = await connect(endpoint, await harness.token('gina'), { mode });
    expect(await callText(adam, 'note_write', { id: 'n' })).toBe('note_write ran');
    expect(await callText(gina, 'note_write', { id: 'n' })).toBe('note_write ran');
    expect(runs).toEqual(['note_write@acme', 'note_write@globex']);
    expect([harness.stores.get('acme')?.get('n'), harness.stores.get('globex')?.get('n')]).toEqual(['acme', 'globex']);
  });

  it('answers denied, hidden and nonexistent tools alike, and runs none', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    const answers = [
      await callText(alice, 'restricted'),
      await callText(alice, 'note_write', { id: 'n' }),
      await callText(alice, 'note_write', {}),
      await callText(alice, 'note_write', { id: 7 }),
      await callText(alice, 'nosuch'),
    ];
    expect(new Set(answers)).toEqual(new Set(['-32001 denied']));
    expect(runs).toEqual([]);
  });

  it('tells what is wrong with arguments only where the tool may be known', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    expect(await callText(alice, 'note_read', {})).toMatch(/^-32602 arguments.id/);
    expect(await callText(alice, 'note_read', { id: 'closed' })).toBe('-32001 denied');
    expect(await callText(alice, 'note_read', { id: 'no such note' })).toBe('-32001 denied');
    expect(await callText(alice, 'note_read', { id: 'open' })).toBe('note_read ran');
  });

  it('lists what the caller could use, and nothing else', async () => {
    const names = async (user: 'alice' | 'adam'): Promise<string[]> => {
      const client = await connect(endpoint, await harness.token(user), { mode });
      return [
        ...(await client.listTools()).tools.map(({ name }) => name),
        ...(await client.listResources()).resources.map(({ uri }) => uri),
        ...(await client.listPrompts()).prompts.map(({ name }) => name),
      ];
    };
    const member = [
      'open',
      'note_read',
      'note_pay',
      'note_stamp',
      'note_odd',
      'note_broken',
      'foreign',
      'late',
      'filtered',
      'planned',
      'filtered_foreign',
      'rounds',
      'plain',
      'declared',
      'boxcar',
      'note://public/1',
      'hello',
    ];
    expect((await names('alice')).sort()).toEqual([...member].sort());
    expect((await names('adam')).sort()).toEqual(
      [...member, 'restricted', 'note_write', 'note_scoped', 'note://secret/1', 'hidden'].sort(),
    );
  });

  it('publishes the mapping of a tool that was authorized in code, where it can be said', async () => {
    const adam = await connect(endpoint, await harness.token('adam'), { mode });
    const { tools } = await adam.listTools();
    const mappingOf = (name: string): unknown =>
      tools.find((tool) => tool.name === name)?.inputSchema['x-authzen-mapping'];
    expect(mappingOf('note_write')).toMatchObject({
      evaluation: { action: { name: 'write' }, resource: { type: 'note', id: '$params.arguments.id' } },
    });
    expect(mappingOf('note_read')).toBeUndefined();
  });

  it('carries out declared mappings of both forms', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    expect(await callText(alice, 'declared', { id: 'open' })).toBe('declared ran');
    expect(await callText(alice, 'declared', { id: 'closed' })).toBe('-32001 denied');
    expect(await callText(alice, 'declared', {})).toMatch(/^-32602 evaluation.resource.id/);
    expect(await callText(alice, 'boxcar', { from: 'open', to: 'open' })).toBe('boxcar ran');
    expect(await callText(alice, 'boxcar', { from: 'open', to: 'closed' })).toBe('-32001 denied');
    const adam = await connect(endpoint, await harness.token('adam'), { mode });
    expect(await callText(adam, 'malformed')).toBe('-32001 denied');
  });

  it('reads and gets only what is allowed', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    expect((await alice.readResource({ uri: 'note://public/1' })).contents[0]).toMatchObject({ text: 'p' });
    await expect(alice.readResource({ uri: 'note://secret/1' })).rejects.toMatchObject({ code: -32001 });
    await expect(alice.getPrompt({ name: 'hidden' })).rejects.toMatchObject({ code: -32001 });
    await expect(alice.getPrompt({ name: 'hello' })).resolves.toBeDefined();
  });

  it('refuses a resource of another tenant before the PDP is asked, and records the attempt', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    expect(await callText(alice, 'foreign', { tenant: 'globex' })).toBe('-32001 denied');
    expect(await callText(alice, 'foreign', { tenant: 'acme' })).toBe('foreign ran');
    expect(
      harness.audit.entries.filter((entry) => entry.type === 'decision' && entry.crossTenant === true),
    ).toMatchObject([{ tenant: 'acme', code: 'cross_tenant', decisions: [] }]);
  });

  it('carries out obligations, and denies under one that it cannot carry out', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    const stamped = await alice.callTool({ name: 'note_stamp', arguments: { id: 'x' } });
    expect(stamped._meta).toMatchObject({ stamp: 'seen' });
    expect(await callText(alice, 'note_odd', { id: 'x' })).toBe('-32001 denied');
    expect(await callText(alice, 'note_broken', { id: 'x' })).toBe('-32001 denied');
    expect(runs).toEqual(['note_stamp@acme']);
  });

  it('lets a handler ask for more, and answers its denial as one', async () => {
    const alice = await connect(endpoint, await harness.token('alice'), { mode });
    expect(await callText(alice, 'late', { action: 'read' })).toBe('late ran');
    expect(await callText(alice, 'late', { action: 'write' })).toBe('-32001 denied');
    // An obligation that turns up on the way cannot be carried out there any more.
    expect(await callText(alice, 'late', { action: 'stamp' })).toBe('-32001 denied');
    expect(runs).toEqual(['late@acme']);
    expect(
      harness.audit.entries.filter(
        (entry) => entry.type === 'decision' && entry.decisions.some(({ resource }) => resource.id === 'x'),
      ),
    ).toMatchObject([
      { effect: 'allow' },
      { effect: 'deny', code: 'denied' },
      { effect: 'deny', code: 'obligation_failed' },
    ]);
    (harness.audit.entries as unknown[]).length = 0;
    expect(await callText(alice, 'filtered_foreign')).toBe('-32001 denied');
    expect(
      harness.audit.entries.filter((entry) => entry.type === 'decision' && entry.crossTenant === true),
    ).toMatchObject([{ name: 'filtered_foreign', effect: 'deny', code: 'cross_tenant' }]);
    expect(await callText(alice, 'filtered')).toBe('open');
    const adam = await connect(endpoint, await harness.token('adam'), { mode });
    expect(await callText(adam, 'filtered')).toBe('open,closed');
    expect(await callText(alice, 'planned')).toBe('open,conditional');
    expect(await callText(adam, 'planned')).toMatch(/always_allowed$/);
    expect(
      harness.audit.entries.flatMap((entry) =>
        entry.type === 'decision'
          ? entry.decisions.filter(({ action }) => action === 'read').filter(({ resource }) => resource.id === '*')
          : [],
      ),
    ).toMatchObject([
      { effect: 'allow', action: 'read', resource: { kind: 'note', id: '*' }, scope: 'acme' },
      { effect: 'allow', action: 'read' },
    ]);
  });

  it('enforces the tenant’s list of tools on list and call, where absent and empty differ', async () => {
    const { store } = harness.tenants;
    for (const [allowedTools, listed, answer] of [
      [['plain'], ['plain'], '-32001 denied'],
      [[], [], '-32001 denied'],
      [undefined, 15, 'open ran'],
    ] as const) {
      await store.updateTenant(tenantId('acme'), {
        settings: { allowedTools: allowedTools === undefined ? undefined : [...allowedTools] },
      });
      const alice = await connect(endpoint, await harness.token('alice'), { mode });
      const { tools } = await alice.listTools();
      if (typeof listed === 'number') expect(tools.length).toBe(listed);
      else expect(tools.map(({ name }) => name)).toEqual(listed);
      expect(await callText(alice, 'open')).toBe(answer);
    }
  });

  it('records a decision and an outcome for each call, and a denied one alike', async () => {
    const alice = await connect(endpoint, await harness.token('alice', { act: { sub: 'assistant' } }), { mode });
    (harness.audit.entries as unknown[]).length = 0;
    await callText(alice, 'open');
    await callText(alice, 'restricted');
    expect(
      harness.audit.entries.map((entry) => [entry.type, 'effect' in entry ? entry.effect : entry.outcome, entry.name]),
    ).toEqual([
      ['decision', 'allow', 'open'],
      ['outcome', 'ok', 'open'],
      ['decision', 'deny', 'restricted'],
    ]);
    expect(harness.audit.entries[0]).toMatchObject({
      tenant: 'acme',
      actor: { id: 'oidc#alice', client: 'oidc-agent', delegation: ['assistant'] },
      decisions: [{ action: 'tools/call', policy: 'resource.tool.vdefault', engine: 'cerbos' }],
    });
    expect(JSON.stringify(harness.audit.entries)).not.toContain('eyJ');
  });
});

describe('what is recorded of arguments', () => {
  it.each([
    ['none', undefined],
    ['names', ['id', 'password']],
    ['redacted', { id: 'open', password: '[redacted]' }],
    ['hash', { sha256: expect.stringMatching(/^[\w-]{43}$/) as string }],
  ] as const)('is as configured: %s', async (recordArguments, expected) => {
    const gate = harness.gateWith({ recordArguments });
    const endpoint = gate.serve(() => server(gate));
    await post(endpoint, await harness.token('alice'), {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'note_read', arguments: { id: 'open', password: 'hunter2' } },
    });
    const decision = harness.audit.entries.find(({ type, name }) => type === 'decision' && name === 'note_read');
    expect(decision).toMatchObject({ effect: 'allow' });
    expect(decision && 'arguments' in decision ? decision.arguments : undefined).toEqual(expected);
    expect(JSON.stringify(harness.audit.entries)).not.toContain('hunter2');
  });
});

describe('scope', () => {
  it('is asked for after permission, all of it in one challenge', async () => {
    const endpoint = harness.serve(() => server());
    const call = calls('note_scoped', { id: 'n' });
    const lacking = await post(endpoint, await harness.token('adam', { scope: 'notes:read' }), call);
    expect(lacking.status).toBe(403);
    expect(lacking.headers.get('www-authenticate')).toMatch(
      /error="insufficient_scope", scope="notes:write notes:read".*resource_metadata="/,
    );
    const denied = await post(endpoint, await harness.token('alice', { scope: '' }), call);
    expect([denied.status, denied.headers.get('www-authenticate')]).toEqual([200, null]);
    expect((await messagesOf(denied))[0]?.error?.code).toBe(-32001);
    expect(
      (
        await messagesOf(await post(endpoint, await harness.token('adam', { scope: 'notes:read notes:write' }), call))
      )[0]?.result,
    ).toBeDefined();
    expect(runs).toEqual(['note_scoped@acme']);
  });

  it('counts what a scope includes', async () => {
    const gate = harness.gateWith({ scopeImplies: { 'notes:admin': ['notes:write'], 'notes:write': ['notes:read'] } });
    const endpoint = gate.serve(() => server(gate));
    expect(
      (await post(endpoint, await harness.token('adam', { scope: 'notes:admin' }), calls('note_scoped', { id: 'n' })))
        .status,
    ).toBe(200);
  });
});

describe('human approval', () => {
  it('runs the call when the person says yes, and not when they say no or cannot be asked', async () => {
    const endpoint = harness.serve(() => server());
    const token = await harness.token('alice');
    expect(await callText(await connect(endpoint, token, { approve: true }), 'note_pay', { id: 'a' })).toBe(
      'note_pay ran',
    );
    expect(await callText(await connect(endpoint, token, { approve: false }), 'note_pay', { id: 'a' })).toMatch(
      /^-32001 a person/,
    );
    expect(await callText(await connect(endpoint, token), 'note_pay', { id: 'a' })).toMatch(/^-32001 a person/);
    expect(
      await callText(await connect(endpoint, token, { mode: 'legacy', approve: true }), 'note_pay', { id: 'a' }),
    ).toMatch(/^-32001 a person/);
    expect(runs).toEqual(['note_pay@acme']);
  });

  it('asks over a session of the 2025 era, too', async () => {
    const endpoint = harness.serve(() => server(), { legacy: 'sessions' });
    const token = await harness.token('alice');
    expect(
      await callText(await connect(endpoint, token, { mode: 'legacy', approve: true }), 'note_pay', { id: 'a' }),
    ).toBe('note_pay ran');
    expect(
      await callText(await connect(endpoint, token, { mode: 'legacy', approve: false }), 'note_pay', { id: 'a' }),
    ).toMatch(/^-32001 a person/);
    await endpoint.close();
  });

  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  };
  const modern = (name: string, args: object, more: object = {}): [object, Record<string, string>] => [
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, _meta: meta, ...more } },
    { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name },
  ];
  const yes = { inputResponses: { portcullis_approval: { action: 'accept', content: { approve: true } } } };

  it('is bound to one principal, tool and arguments, is used once, and cannot be forged', async () => {
    const endpoint = harness.serve(() => server());
    const [alice, adam, gina] = await Promise.all(
      (['alice', 'adam', 'gina'] as const).map((user) => harness.token(user)),
    );
    const ask = async (): Promise<string> => {
      const [message] = await messagesOf(await post(endpoint, alice!, ...modern('note_pay', { id: 'a' })));
      expect(message?.result?.['resultType']).toBe('input_required');
      return String(message?.result?.['requestState']);
    };
    const answer = async (
      token: string,
      name: string,
      args: object,
      requestState: string,
      more: object = yes,
    ): Promise<unknown> => {
      const [message] = await messagesOf(await post(endpoint, token, ...modern(name, args, { ...more, requestState })));
      return message?.error?.code ?? 'ran';
    };
    expect(await answer(alice!, 'note_pay', { id: 'b' }, await ask())).toBe(-32001);
    expect(await answer(alice!, 'rounds', { id: 'a' }, await ask())).toBe(-32001);
    expect(await answer(adam!, 'note_pay', { id: 'a' }, await ask())).toBe(-32001);
    expect(await answer(gina!, 'note_pay', { id: 'a' }, await ask())).toBe(-32001);
    const state = await ask();
    expect(await answer(alice!, 'note_pay', { id: 'a' }, `${state.slice(0, -4)}AAAA`)).toBe(-32001);
    expect(await answer(alice!, 'note_pay', { id: 'a' }, 'nonsense')).toBe(-32001);
    expect(await answer(alice!, 'note_pay', { id: 'a' }, await ask(), { inputResponses: {} })).toBe(-32001);
    expect(
      await answer(alice!, 'note_pay', { id: 'a' }, await ask(), {
        inputResponses: { portcullis_approval: { action: 'decline' } },
      }),
    ).toBe(-32001);
    expect(runs).toEqual([]);
    expect(await answer(alice!, 'note_pay', { id: 'a' }, state)).toBe('ran');
    expect(await answer(alice!, 'note_pay', { id: 'a' }, state)).toBe(-32001);
    expect(runs).toEqual(['note_pay@acme']);
  });

  it('expires', async () => {
    let now = Date.now();
    const gate = harness.gateWith({ clock: () => now, approvals: { ttlMs: 60_000 } });
    const endpoint = gate.serve(() => server(gate));
    const token = await harness.token('alice');
    const [asked] = await messagesOf(await post(endpoint, token, ...modern('note_pay', { id: 'a' })));
    now += 61_000;
    const [message] = await messagesOf(
      await post(
        endpoint,
        token,
        ...modern('note_pay', { id: 'a' }, { ...yes, requestState: asked?.result?.['requestState'] }),
      ),
    );
    expect(message?.error?.code).toBe(-32001);
  });

  it('leaves a handler its own rounds of questions', async () => {
    const gate = harness.gate;
    const endpoint = harness.serve(() => {
      const made = new McpServer({ name: 'n', version: '1' });
      gate.tool(
        made,
        'note_pay',
        { inputSchema: note, authorize: { kind: 'note', action: 'pay', resource: ({ id }) => ({ id, attr: {} }) } },
        () => inputRequired({ requestState: 'mine' }),
      );
      return made;
    });
    const token = await harness.token('alice');
    const [asked] = await messagesOf(await post(endpoint, token, ...modern('note_pay', { id: 'a' })));
    const [second] = await messagesOf(
      await post(
        endpoint,
        token,
        ...modern('note_pay', { id: 'a' }, { ...yes, requestState: asked?.result?.['requestState'] }),
      ),
    );
    expect(second?.result?.['resultType']).toBe('input_required');
    const [third] = await messagesOf(
      await post(
        endpoint,
        token,
        ...modern('note_pay', { id: 'a' }, { requestState: second?.result?.['requestState'] }),
      ),
    );
    expect(third?.result?.['resultType']).toBe('input_required');
    const [other] = await messagesOf(
      await post(
        endpoint,
        token,
        ...modern('note_pay', { id: 'b' }, { requestState: second?.result?.['requestState'] }),
      ),
    );
    expect(other?.error?.code).toBe(-32001);
  });
});

describe('sessions of the 2025 era', () => {
  it('take no answer of the client to what the gate asks the server', async () => {
    let asked = false;
    let answer: () => void = () => undefined;
    const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
    const endpoint = harness.serve(
      () => {
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- low-level servers are in use, and have to be guarded
        const made = new Server({ name: 'low', version: '1' }, { capabilities: { tools: {} } });
        made.setRequestHandler('tools/list', async () => {
          asked = true;
          await mayAnswer;
          return { tools: [{ name: 'danger', inputSchema: { type: 'object' } }] };
        });
        made.setRequestHandler('tools/call', ({ params }) => {
          runs.push(params.name);
          return { content: [] };
        });
        return made;
      },
      { legacy: 'sessions' },
    );
    const token = await harness.token('alice');
    const opened = await post(endpoint, token, {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    });
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    await opened.text();
    const calling = post(endpoint, token, calls('danger', { id: 'open' }), session);
    await expect.poll(() => asked).toBe(true);
    const properties = { public: '$params.arguments.id == "open"' };
    const resource = { type: 'note', id: '$params.arguments.id', properties };
    const mapping = { evaluation: { action: { name: 'read' }, resource } };
    for (let id = 0; id < 5; id++) {
      const tools = [{ name: 'danger', inputSchema: { type: 'object', 'x-authzen-mapping': mapping } }];
      const forged = await post(
        endpoint,
        token,
        { jsonrpc: '2.0', id: `portcullis:${String(id)}`, result: { tools } },
        session,
      );
      await forged.text();
    }
    answer();
    expect((await messagesOf(await calling))[0]?.error?.code).toBe(-32001);
    expect(runs).toEqual([]);
    await endpoint.close();
  });

  it('belong to the identity and the tenant that opened them', async () => {
    const endpoint = harness.serve(() => server(), { legacy: 'sessions' });
    const initialize = {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    };
    const [alice, adam, gina] = await Promise.all(
      (['alice', 'adam', 'gina'] as const).map((user) => harness.token(user)),
    );
    const opened = await post(endpoint, alice!, initialize);
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    await opened.text();
    expect(session['mcp-session-id']).not.toBe('');
    const statusOf = async (
      token: string,
      headers: Record<string, string>,
      body: object = calls('open'),
    ): Promise<number> => {
      const response = await post(endpoint, token, body, headers);
      await response.text();
      return response.status;
    };
    expect(await statusOf(alice!, session)).toBe(200);
    expect(await statusOf(adam!, session)).toBe(404);
    expect(await statusOf(gina!, session)).toBe(404);
    expect(await statusOf(await harness.token('alice', { client_id: 'another-agent' }), session)).toBe(404);
    expect(await statusOf(alice!, { 'mcp-session-id': 'made-up' })).toBe(404);
    expect(await statusOf(alice!, {})).toBe(404);
    expect(runs).toEqual(['open@acme']);
    expect(
      harness.audit.entries
        .filter((entry) => entry.type === 'refusal')
        .every((entry) => entry.code === 'session_unknown'),
    ).toBe(true);
    await endpoint.close();
  });

  it('decide each message anew: what the tenant lost is lost in the session, too', async () => {
    const endpoint = harness.serve(() => server(), { legacy: 'sessions' });
    const alice = await connect(endpoint, await harness.token('alice'), { mode: 'legacy' });
    expect(await callText(alice, 'open')).toBe('open ran');
    await harness.tenants.store.updateTenant(tenantId('acme'), { status: { state: 'suspended' } });
    expect(await callText(alice, 'open')).toMatch(/suspended/);
    await harness.tenants.store.updateTenant(tenantId('acme'), { status: { state: 'active' } });
    await endpoint.close();
  });

  it('carry a step-up challenge as well', async () => {
    const endpoint = harness.serve(() => server(), { legacy: 'sessions' });
    const token = await harness.token('adam', { scope: '' });
    const opened = await post(endpoint, token, {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    });
    await opened.text();
    const response = await post(endpoint, token, calls('note_scoped', { id: 'n' }), {
      'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
    });
    expect(response.status).toBe(403);
    await endpoint.close();
  });
});

describe('stdio', () => {
  async function over(principal: Parameters<Gate<never>['stdio']>[1]): Promise<Client> {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    await harness.gate.stdio(() => server(), principal, ours);
    const client = new Client({ name: 't', version: '1' });
    await client.connect(theirs);
    return client;
  }

  it('allows nothing without a principal', async () => {
    await expect(over({})).rejects.toMatchObject({ code: -32000 });
  });

  it('verifies a token from the environment like any other', async () => {
    await expect(over({ token: await harness.token('alice', { aud: 'other' }) })).rejects.toMatchObject({
      code: -32000,
    });
    const client = await over({ token: await harness.token('alice') });
    expect(await callText(client, 'open')).toBe('open ran');
    expect(await callText(client, 'restricted')).toBe('-32001 denied');
    expect((await client.listTools()).tools.map(({ name }) => name)).not.toContain('restricted');
    await client.close();
  });

  it('acts for the principal that the operator names', async () => {
    const client = await over({ identity: configuredIdentity({ provider: 'oidc', subject: 'adam' }) });
    expect(await callText(client, 'restricted')).toBe('restricted ran');
    await client.close();
  });
});

describe('a gate that cannot do its work', () => {
  it('runs nothing when the decision cannot be recorded, or runs it if the operator chose that', async () => {
    const audit = {
      record: () => Promise.reject(new PortcullisError('audit_unavailable')),
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const errors: string[] = [];
    for (const [auditFailure, code] of [
      ['deny', -32603],
      ['allow', undefined],
    ] as const) {
      const gate = harness.gateWith({ audit, auditFailure, onError: (error) => errors.push(error.message) });
      const [message] = await messagesOf(
        await post(
          gate.serve(() => server(gate)),
          await harness.token('alice'),
          calls('open'),
        ),
      );
      expect(message?.error?.code).toBe(code);
    }
    expect(runs).toEqual(['open@acme']);
    expect(errors.length).toBeGreaterThan(0);
  });

  it('stops a handler whose further permission cannot be recorded', async () => {
    let records = 0;
    const audit = {
      ...harness.audit,
      record: () =>
        ++records === 2 ? Promise.reject(new PortcullisError('audit_unavailable')) : Promise.resolve(undefined),
    };
    const gate = harness.gateWith({ audit, onError: () => undefined });
    const [message] = await messagesOf(
      await post(
        gate.serve(() => server(gate)),
        await harness.token('alice'),
        calls('late', { action: 'read' }),
      ),
    );
    expect(message?.error).toMatchObject({ data: { code: 'audit_unavailable' } });
    expect(runs).toEqual([]);
  });

  it.each(['tools/call', 'tools/list', 'initialize', 'resources/read'])(
    'denies %s when the PDP cannot be asked, as what it is',
    async (method) => {
      const down = {
        ...harness.pdp,
        engine: 'down',
        check: () => Promise.reject(new PortcullisError('pdp_unavailable')),
        plan: () => Promise.reject(new PortcullisError('pdp_unavailable')),
      };
      const gate = harness.gateWith({ pdp: down });
      const [message] = await messagesOf(
        await post(
          gate.serve(() => server(gate)),
          await harness.token('alice'),
          {
            jsonrpc: '2.0',
            id: 1,
            method,
            params: {
              name: 'open',
              uri: 'note://public/1',
              protocolVersion: '2025-11-25',
              capabilities: {},
              clientInfo: { name: 't', version: '1' },
            },
          },
        ),
      );
      expect(message?.error).toMatchObject({ code: -32603, data: { code: 'pdp_unavailable' } });
      expect(runs).toEqual([]);
    },
  );

  it.each([
    ['throws something odd', () => Promise.reject(new TypeError('bug'))],
    ['answers nothing', () => Promise.resolve([])],
    ['answers too little', () => Promise.resolve([[]])],
    [
      'answers too much',
      () =>
        Promise.resolve([
          [
            { effect: 'allow', obligations: [] },
            { effect: 'allow', obligations: [] },
          ],
        ]),
    ],
  ])('denies when the PDP %s', async (_name, check) => {
    const gate = harness.gateWith({ pdp: { ...harness.pdp, engine: 'odd', check: check as never } });
    const [message] = await messagesOf(
      await post(
        gate.serve(() => server(gate)),
        await harness.token('alice'),
        calls('open'),
      ),
    );
    expect(message?.error?.code).toBe(-32603);
    expect(runs).toEqual([]);
  });

  it('takes a server once, and before it is connected', async () => {
    const twice = server();
    const { gate } = harness;
    const nobody = () => Promise.reject(new PortcullisError('token_missing'));
    gate.guard(twice, nobody);
    expect(() => gate.guard(twice, nobody)).toThrow('guarded already');
    const connected = server();
    await connected.connect(InMemoryTransport.createLinkedPair()[0]);
    expect(() => gate.guard(connected, nobody)).toThrow('connected already');
  });

  it('runs no tool of a server that was connected past it', async () => {
    const bare = server();
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    await bare.connect(ours);
    const client = new Client({ name: 't', version: '1' });
    await client.connect(theirs);
    expect(await callText(client, 'open')).toBe('tool error: denied');
    expect(runs).toEqual([]);
    await client.close();
  });
});

describe('bodies that are no message', () => {
  it.each([
    ['{', 'application/json', 400, -32700],
    ['', 'application/json; charset=utf-8', 400, -32700],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', 'application/json', 400, -32600],
    ['[]', 'application/json', 400, -32600],
    ['7', 'application/json', 400, -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{"name":"open"}}', 'application/json', 400, -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"ping"}', 'text/plain', 415, -32000],
    ['ping', 'text/plain', 415, -32000],
  ])('%j as %s is answered with HTTP %i and %i', async (body, type, status, code) => {
    for (const legacy of ['stateless', 'sessions'] as const) {
      const response = await harness
        .serve(() => server(), { legacy })
        .fetch(
          new Request(url, {
            method: 'POST',
            headers: {
              authorization: `Bearer ${await harness.token('alice')}`,
              'content-type': type,
              accept: 'application/json, text/event-stream',
            },
            body,
          }),
        );
      expect(runs).toEqual([]);
      if (legacy === 'stateless') {
        expect(response.status).toBe(status);
        expect(await response.json()).toMatchObject({ error: { code } });
      } else expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
    }
  });
});

describe('lists', () => {
  it('are private to the caller, on every page, in answers that can say so', async () => {
    const endpoint = harness.serve(() => server());
    const token = await harness.token('alice');
    for (const method of ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list']) {
      const [answer] = await messagesOf(
        await post(
          endpoint,
          token,
          {
            jsonrpc: '2.0',
            id: 1,
            method,
            params: {
              _meta: {
                'io.modelcontextprotocol/protocolVersion': '2026-07-28',
                'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
                'io.modelcontextprotocol/clientCapabilities': {},
              },
            },
          },
          { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method },
        ),
      );
      expect(answer?.error).toBeUndefined();
      expect(answer?.result).toMatchObject({ cacheScope: 'private' });
    }
  });
});

describe('methods', () => {
  it.each([
    'sampling/createMessage',
    'elicitation/create',
    'roots/list',
    'tools/delete',
    'constructor',
    '__proto__',
    'tools/call ',
    'TOOLS/CALL',
  ])('denies %j, which has no rule', async (method) => {
    const endpoint = harness.serve(() => server());
    const response = await post(endpoint, await harness.token('adam'), { jsonrpc: '2.0', id: 1, method, params: {} });
    expect((await messagesOf(response))[0]?.error).toMatchObject({ code: -32001, data: { code: 'denied' } });
  });

  it('lets ping and notifications pass without a question', async () => {
    const endpoint = harness.serve(() => server());
    const token = await harness.token('alice');
    (harness.audit.entries as unknown[]).length = 0;
    expect(
      (await messagesOf(await post(endpoint, token, { jsonrpc: '2.0', id: 1, method: 'ping' })))[0]?.result,
    ).toEqual({});
    expect((await post(endpoint, token, { jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202);
    expect(harness.audit.entries).toEqual([]);
  });

  it('decides on each request of a batch by itself', async () => {
    const endpoint = harness.serve(() => server());
    const answers = await messagesOf(
      await post(endpoint, await harness.token('alice'), [
        calls('open', {}, 1),
        calls('restricted', {}, 2),
        { jsonrpc: '2.0', id: 3, method: 'tools/list' },
      ]),
    );
    const byId = new Map(answers.map((answer) => [answer.id, answer]));
    expect(byId.get(1)?.result).toBeDefined();
    expect(byId.get(2)?.error?.code).toBe(-32001);
    expect(JSON.stringify(byId.get(3)?.result)).not.toContain('"restricted"');
    expect(runs).toEqual(['open@acme']);
  });

  it('refuses a batch in which two requests share an id', async () => {
    const endpoint = harness.serve(() => server());
    const response = await post(endpoint, await harness.token('alice'), [
      calls('open', {}, 1),
      { jsonrpc: '2.0', id: 1, method: 'tools/list' },
    ]);
    expect(response.status).toBe(400);
    expect(runs).toEqual([]);
  });

  it('refuses a batch of more messages than anybody sends', async () => {
    const endpoint = harness.serve(() => server());
    const batch = Array.from({ length: 101 }, (_none, id) => calls('open', {}, id));
    const response = await post(endpoint, await harness.token('alice'), batch);
    expect(response.status).toBe(400);
    expect(runs).toEqual([]);
  });

  it('hands a handler no token', async () => {
    let seen = 'nothing';
    const endpoint = harness.serve(() => {
      const made = new McpServer({ name: 'n', version: '1' });
      made.registerTool('plain', {}, (ctx) => {
        seen = JSON.stringify([ctx.http?.authInfo, [...(ctx.http?.req?.headers.entries() ?? [])]]);
        return { content: [] };
      });
      return made;
    });
    const token = await harness.token('alice');
    await post(endpoint, token, calls('plain'));
    expect(seen).toContain('oidc-agent');
    expect(seen).not.toContain(token.slice(-20));
  });

  it('answers a denial as a tool result where that was chosen', async () => {
    const gate = harness.gateWith({ denials: 'tool_result' });
    const alice = await connect(
      gate.serve(() => server(gate)),
      await harness.token('alice'),
    );
    expect(await callText(alice, 'restricted')).toBe('tool error: denied');
  });
});

describe('a low-level server', () => {
  it('is guarded alike, by what it lists itself', async () => {
    const endpoint = harness.serve(() => {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- low-level servers are in use, and have to be guarded
      const made = new Server({ name: 'low', version: '1' }, { capabilities: { tools: {} } });
      made.setRequestHandler('tools/list', () => ({
        tools: [
          {
            name: 'declared',
            inputSchema: {
              type: 'object',
              'x-authzen-mapping': {
                evaluation: {
                  action: { name: 'read' },
                  resource: {
                    type: 'note',
                    id: '$params.arguments.id',
                    properties: { public: '$params.arguments.id == "open"' },
                  },
                },
              },
            },
          },
          { name: 'restricted', inputSchema: { type: 'object' } },
        ],
      }));
      made.setRequestHandler('tools/call', ({ params }) => {
        runs.push(params.name);
        return { content: [] };
      });
      return made;
    });
    for (const mode of ['auto', 'legacy'] as const) {
      const alice = await connect(endpoint, await harness.token('alice'), { mode });
      expect((await alice.listTools()).tools.map(({ name }) => name)).toEqual(['declared']);
      expect(await callText(alice, 'declared', { id: 'open' })).toBe('');
      expect(await callText(alice, 'declared', { id: 'closed' })).toBe('-32001 denied');
      expect(await callText(alice, 'restricted')).toBe('-32001 denied');
    }
    expect(runs).toEqual(['declared', 'declared']);
    expect(fromJsonSchema).toBeDefined();
  });
});

describe('open streams', () => {
  it('end when the tenant is suspended, and carry no other tenant’s changes', async () => {
    const gate = harness.gateWith({ recheckMs: 30 });
    const endpoint = gate.serve(() => server(gate));
    const listen = async (user: 'adam' | 'gina'): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
      const response = await post(
        endpoint,
        await harness.token(user),
        {
          jsonrpc: '2.0',
          id: 1,
          method: 'subscriptions/listen',
          params: {
            notifications: { toolsListChanged: true, resourceSubscriptions: ['note://public/1'] },
            _meta: {
              'io.modelcontextprotocol/protocolVersion': '2026-07-28',
              'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
              'io.modelcontextprotocol/clientCapabilities': {},
            },
          },
        },
        { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
      );
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      return response.body!.getReader();
    };
    const acme = await listen('adam');
    const globex = await listen('gina');
    const until = async (
      stream: ReadableStreamDefaultReader<Uint8Array>,
      text: string | undefined,
    ): Promise<string> => {
      for (let seen = ''; ;) {
        const { done, value } = await stream.read();
        seen += new TextDecoder().decode(value);
        if (done || (text !== undefined && seen.includes(text))) return seen;
      }
    };
    await until(acme, 'acknowledged');
    await until(globex, 'acknowledged');
    (await endpoint.notify(tenantId('globex'))).toolsChanged();
    expect(await until(globex, 'tools/list_changed')).toContain('tools/list_changed');
    await harness.tenants.store.updateTenant(tenantId('acme'), { status: { state: 'suspended' } });
    expect(await until(acme, undefined)).not.toContain('tools/list_changed');
    await harness.tenants.store.updateTenant(tenantId('acme'), { status: { state: 'active' } });
    await globex.cancel();
    await endpoint.close();
  });

  it('bring the answer to a token that was accepted a moment after its end', async () => {
    const endpoint = harness.serve(() => server());
    const now = Math.floor(Date.now() / 1000);
    const token = await harness.token('alice', { iat: now - 100, exp: now - 5 });
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'note_read', arguments: { id: 'open' } },
    };
    const response = await post(endpoint, token, body);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(await messagesOf(response)).toMatchObject([{ id: 1, result: {} }]);
  });

  it('are not opened for a resource that may not be read', async () => {
    const endpoint = harness.serve(() => server());
    const response = await post(
      endpoint,
      await harness.token('alice'),
      {
        jsonrpc: '2.0',
        id: 1,
        method: 'subscriptions/listen',
        params: {
          notifications: { resourceSubscriptions: ['note://public/1', 'note://secret/1'] },
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
      },
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
    );
    expect((await messagesOf(response))[0]?.error?.code).toBe(-32001);
    expect(url).toContain('https');
  });
});

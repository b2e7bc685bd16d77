import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { McpServer } from '@modelcontextprotocol/server';
import { getRequestListener } from '@hono/node-server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memoryAudit, recordsOperators, trailsOf } from '@portcullis/audit';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { tenantId, type Identity } from '@portcullis/core';
import { portcullis, type Gate, type McpEndpoint } from '@portcullis/mcp';
import { memoryGrants, operatorResolver, operators, type Operators } from '@portcullis/operators';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { memoryStore, registry, resolver, type Registry } from '@portcullis/tenants';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';
import { callText, messagesOf } from './harness.js';

const acme = tenantId('acme');
const minute = 60_000;
const why = 'ticket 4711: cannot open a document';

interface Document {
  readonly author: string;
  readonly classification: string;
  text: string;
}
type Documents = Map<string, Document>;

/** Policies that a deployment adds to those of the project. */
const own = {
  // Acme lets nobody share its documents who is not of acme.
  'tenants/acme/document.yaml': `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: document
  version: default
  scope: acme
  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS
  rules:
    - { name: not-by-operators, actions: ["share"], effect: EFFECT_DENY, roles: ["*"], condition: { match: { expr: "has(P.attr.impersonation)" } } }
`,
  // Initech locks support out.
  'tenants/initech/tenant.yaml': `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: tenant
  version: default
  scope: initech
  scopePermissions: SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS
  rules:
    - { name: no-support, actions: ["act"], effect: EFFECT_DENY, roles: ["*"] }
`,
} as const;

/** The customers’ provider and the operators’ own: the same shape, other keys. */
let customers: LocalIssuer;
let company: LocalIssuer;
let folder: string;
let pdp: Sidecar;

let tenants: Registry;
let audit: ReturnType<typeof memoryAudit>;
let staff: Operators;
let stores: Map<string, Documents>;
let offsetMs: number;
let gate: Gate<Documents>;
let endpoint: McpEndpoint;
let http: Server;
let url: string;
let open: Client[];

const identity = (): ReturnType<typeof verifier> =>
  verifier(
    [
      { name: 'customers', from: customers },
      { name: 'staff', from: company },
    ].map(({ name, from }) =>
      oidc({
        name,
        issuer: from.issuer,
        audience: fixtures.audience,
        keys: staticKeys({ keys: from.keys.map(({ publicJwk }) => publicJwk) }),
        claims: { roles: 'roles', email: 'email' },
      }),
    ),
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-operators-'));
  await cp(join(import.meta.dirname, '..', '..', 'policies'), folder, { recursive: true });
  for (const [path, text] of Object.entries(own)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  [customers, company, pdp] = await Promise.all([
    startIssuer('oidc'),
    startIssuer('oidc'),
    cerbosSidecar({ policies: folder, pollMs: 0 }),
  ]);
});
afterAll(async () => {
  await Promise.all([pdp.close(), customers.close(), company.close()]);
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  offsetMs = 0;
  open = [];
  audit = memoryAudit();
  tenants = registry({ store: memoryStore() });
  stores = new Map();
  for (const id of ['acme', 'globex', 'initech']) {
    await tenants.store.createTenant({
      id: tenantId(id),
      name: id,
      plan: 'pro',
      settings: { identityProviders: [{ provider: 'customers' }] },
    });
    stores.set(
      id,
      new Map([
        ['plan', { author: `customers#${id}`, classification: 'internal', text: `the plan of ${id}` }],
        ['secret', { author: `customers#${id}`, classification: 'secret', text: `the secret of ${id}` }],
      ]),
    );
  }
  await tenants.store.putMember(acme, 'customers#alice', ['owner']);
  staff = operators({
    pdp,
    providers: {
      staff: { roles: { Support: 'operator_support', Security: 'operator_security', Admin: 'operator_admin' } },
    },
    store: memoryGrants(),
    record: recordsOperators(audit),
    tenant: (id) => tenants.tenant(id),
    clock: () => Date.now() + offsetMs,
  });
  http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${String((http.address() as AddressInfo).port)}/mcp`;
  gate = portcullis<Documents>({
    identity: identity(),
    tenants: operatorResolver({
      resolver: resolver({ registry: tenants }),
      operators: staff,
      hints: ({ header }) => ({ header: header?.('x-tenant-id'), subdomain: undefined }),
    }),
    pdp,
    audit,
    resource: url,
    authorizationServers: [customers.issuer, company.issuer],
    storage: ({ tenant }) => stores.get(tenant.id)!,
    recheckMs: 50,
    onError: () => undefined,
  });
  endpoint = gate.serve(server);
  const listener = getRequestListener((request) => endpoint.fetch(request));
  http.on('request', (request, response) => void listener(request, response));
});
afterEach(async () => {
  await Promise.all(open.map((client) => client.close()));
  await endpoint.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

/** A server with documents, which also tells what a handler sees of its caller. */
function server(): McpServer {
  const made = new McpServer({ name: 'documents', version: '1' }, { capabilities: { tools: { listChanged: true } } });
  const id = z.object({ id: z.string() });
  const ofDocument = (action: string): object => ({
    kind: 'document',
    action,
    resource: ({ id: wanted }: { id: string }, { storage }: { storage: Documents }) => {
      const document = storage.get(wanted);
      if (document === undefined) return undefined;
      return { id: wanted, attr: { author: document.author, classification: document.classification } };
    },
  });
  gate.tool(
    made,
    'read',
    { inputSchema: id, authorize: ofDocument('read') as never },
    ({ id: wanted }, { storage }) => {
      return storage.get(wanted)!.text;
    },
  );
  gate.tool(
    made,
    'update',
    { inputSchema: id, authorize: ofDocument('update') as never },
    ({ id: wanted }, { storage }) => {
      storage.get(wanted)!.text = 'changed';
      return 'done';
    },
  );
  gate.tool(made, 'share', { inputSchema: id, authorize: ofDocument('share') as never }, () => 'shared');
  gate.tool(made, 'whoami', { authorize: 'default' }, (_args, { principal }) => ({
    roles: principal.roles,
    impersonation: principal.attr['impersonation'] ?? 'none',
  }));
  return made;
}

type Person = 'sam' | 'sid' | 'sue' | 'olga' | 'alice';
const roles: Readonly<Record<Person, readonly string[]>> = {
  sam: ['Support'],
  sid: ['Support'],
  sue: ['Security'],
  olga: ['Admin'],
  // Whoever administers the customers’ directory can put any role into a token.
  alice: ['Admin', 'operator_admin', 'owner'],
};

function token(person: Person, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const issuer = person === 'alice' ? customers : company;
  return issuer.token({ sub: person, org: undefined, roles: roles[person], client_id: 'agent', ...claims });
}

async function identityOf(person: Person, claims?: Readonly<Record<string, unknown>>): Promise<Identity> {
  return identity().verify(await token(person, claims));
}

/** A real client over real HTTP. */
async function connect(person: Person, headers: Readonly<Record<string, string>> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { authorization: `Bearer ${await token(person)}`, ...headers } },
    }),
  );
  open.push(client);
  return client;
}

/** The code that one raw call is refused with, or `done`. */
async function codeFor(
  person: Person,
  headers: Readonly<Record<string, string>> = {},
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await token(person, claims)}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'read', arguments: { id: 'plan' } },
    }),
  });
  const [message] = await messagesOf(response);
  return message?.error === undefined ? 'done' : String(message.error.data?.['code']);
}

async function supportGrant(person: Person = 'sam', tenant = acme): Promise<string> {
  const wanted = { tenant, kind: 'support' as const, reason: why, requestId: 'ask' };
  return (await staff.requestGrant(await identityOf(person), wanted)).id;
}

async function breakGlassGrant(): Promise<string> {
  const wanted = { tenant: acme, kind: 'break_glass' as const, reason: why, requestId: 'ask' };
  return (await staff.requestGrant(await identityOf('olga'), wanted)).id;
}

/** What is in a trail of what operators did, as `action effect`. */
function trail(name: string): readonly string[] {
  return audit.entries
    .filter((entry) => entry.type === 'operator' && trailsOf(entry).includes(name))
    .map((entry) => `${'action' in entry ? entry.action : ''} ${'effect' in entry ? entry.effect : ''}`);
}

describe('an operator', () => {
  it('without a grant is told to ask for one, and reaches nothing', async () => {
    expect(await codeFor('sam')).toBe('grant_required');
    expect(await codeFor('sam', { 'x-tenant-id': 'acme' })).toBe('grant_required');
    await expect(connect('sam')).rejects.toThrow();
  });

  it('with a grant reads what a reader may read, and changes nothing', async () => {
    const client = await connect('sam', { 'x-operator-grant': await supportGrant() });
    expect(await callText(client, 'read', { id: 'plan' })).toBe('the plan of acme');
    expect(await callText(client, 'read', { id: 'secret' })).toMatch(/-32001/);
    expect(await callText(client, 'update', { id: 'plan' })).toMatch(/-32001/);
    expect(stores.get('acme')?.get('plan')?.text).toBe('the plan of acme');
  });

  it('bears a mark that a handler can see, and a user does not', async () => {
    const id = await supportGrant();
    const client = await connect('sam', { 'x-operator-grant': id });
    expect(JSON.parse(await callText(client, 'whoami'))).toEqual({
      roles: ['readonly'],
      impersonation: { kind: 'support', reason: why, grant: id },
    });
    expect(JSON.parse(await callText(await connect('alice'), 'whoami'))).toEqual({
      roles: ['owner'],
      impersonation: 'none',
    });
  });

  it('is on record in its own trail and in the tenant’s, before anything runs', async () => {
    const id = await supportGrant();
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('done');
    await staff.revoke(await identityOf('sue'), id, { requestId: 'end' });
    const told = ['grant.request allow', 'grant.use allow', 'grant.revoke allow'];
    expect(trail('tenant:acme')).toEqual(told);
    expect(trail('operators')).toEqual(told);
    expect(trail('tenant:globex')).toEqual([]);
    const use = audit.entries.findIndex((entry) => entry.type === 'operator' && entry.action === 'grant.use');
    const decision = audit.entries.findIndex((entry) => entry.type === 'decision');
    expect(use).toBeGreaterThan(-1);
    expect(use).toBeLessThan(decision);
    expect(audit.entries[use]).toMatchObject({ actor: { id: 'staff#sam' }, tenant: 'acme', reason: why, grant: id });
    // What it did in the tenant, too, is in both trails.
    expect(trailsOf(audit.entries[decision]!)).toEqual(['tenant:acme', 'operators']);
  });

  it('is denied from the next request on when the grant is revoked', async () => {
    const id = await supportGrant();
    const client = await connect('sam', { 'x-operator-grant': id });
    expect(await callText(client, 'read', { id: 'plan' })).toBe('the plan of acme');
    await staff.revoke(await identityOf('sue'), id, { requestId: 'end' });
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('grant_invalid');
    expect(await callText(client, 'read', { id: 'plan' })).not.toContain('the plan');
    expect(trail('operators').at(-1)).toBe('grant.use deny');
  });

  it('is denied at the very end of the grant', async () => {
    const id = await supportGrant();
    offsetMs = 14 * minute;
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('done');
    offsetMs = 15 * minute;
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('grant_invalid');
  });

  it.each([
    [
      'revoked',
      async (id: string) => {
        await staff.revoke(await identityOf('sue'), id, { requestId: 'end' });
      },
    ],
    [
      'over',
      () => {
        offsetMs = 15 * minute;
      },
    ],
    [
      'for a tenant that was suspended',
      async () => {
        await tenants.store.updateTenant(acme, { status: { state: 'suspended' } });
      },
    ],
  ])('loses its open stream when the grant is %s', async (_what, end) => {
    const id = await supportGrant();
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await token('sam')}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'subscriptions/listen',
        'x-operator-grant': id,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'subscriptions/listen',
        params: {
          notifications: { toolsListChanged: true },
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
      }),
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const reader = response.body!.getReader();
    let ended = false;
    const drained = (async () => {
      while (!(await reader.read()).done);
      ended = true;
    })();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(ended).toBe(false);
    await end(id);
    // The bound is one recheck; that it ends at all is what is tested.
    await drained;
  });

  it('who is locked out by the tenant’s own policy gets no grant for it', async () => {
    await expect(supportGrant('sam', tenantId('initech'))).rejects.toMatchObject({ code: 'denied' });
    expect(trail('operators')).toEqual(['grant.request deny']);
  });
});

describe('breaking the glass', () => {
  it('needs a second person, and then gives less than the owner has', async () => {
    const id = await breakGlassGrant();
    const headers = { 'x-operator-grant': id };
    expect(await codeFor('olga', headers)).toBe('grant_invalid');
    await expect(staff.approve(await identityOf('olga'), id, { requestId: 'self' })).rejects.toMatchObject({
      code: 'denied',
    });
    await expect(staff.approve(await identityOf('sam'), id, { requestId: 'peer' })).rejects.toMatchObject({
      code: 'denied',
    });
    expect(await codeFor('olga', headers)).toBe('grant_invalid');
    await staff.approve(await identityOf('sue'), id, { requestId: 'second' });
    const client = await connect('olga', headers);
    expect(JSON.parse(await callText(client, 'whoami'))).toMatchObject({
      roles: ['admin'],
      impersonation: { kind: 'break_glass' },
    });
    expect(await callText(client, 'read', { id: 'secret' })).toBe('the secret of acme');
    expect(await callText(client, 'update', { id: 'plan' })).toBe('done');
    // Acme's own policy says so, by the mark: an administrator of acme may.
    expect(await callText(client, 'share', { id: 'plan' })).toMatch(/-32001/);
    expect(await callText(await connect('alice'), 'share', { id: 'plan' })).toBe('shared');
  });

  it('is on record with both persons, in both trails', async () => {
    const id = await breakGlassGrant();
    await staff.approve(await identityOf('sue'), id, { requestId: 'second' });
    await codeFor('olga', { 'x-operator-grant': id });
    const told = ['grant.request allow', 'grant.approve allow', 'grant.use allow'];
    expect(trail('tenant:acme')).toEqual(told);
    expect(trail('operators')).toEqual(told);
    expect(audit.entries.find((entry) => entry.type === 'operator' && entry.action === 'grant.use')).toMatchObject({
      actor: { id: 'staff#olga' },
      approvedBy: 'staff#sue',
    });
  });
});

describe('an attacker', () => {
  it.each([
    ['another operator with a stolen grant', 'sid', {}, 'grant_invalid'],
    ['an administrator of operators with a stolen grant', 'olga', {}, 'grant_invalid'],
    ['a stolen grant, and the same person’s other client', 'sam', { client_id: 'other' }, 'grant_invalid'],
    ['the owner of the tenant with a grant on it', 'alice', {}, 'grant_invalid'],
    [
      'a user of a customer who is called like the operator',
      'alice',
      { sub: 'sam', roles: ['Support'] },
      'grant_invalid',
    ],
    ['an operator without a role any more', 'sam', { roles: [] }, 'grant_invalid'],
    ['an operator with another role by now', 'sam', { roles: ['Security'] }, 'denied'],
  ] as const)('is refused: %s', async (_who, person, claims, code) => {
    const id = await supportGrant();
    expect(await codeFor(person, { 'x-operator-grant': id }, claims)).toBe(code);
    expect(trail('operators').at(-1)).toBe('grant.use deny');
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('done');
  });

  it.each([
    ['another tenant in the header', { 'x-tenant-id': 'globex' }, 'tenant_mismatch'],
    ['the tenant in other letters', { 'x-tenant-id': 'ACME' }, 'tenant_mismatch'],
    ['two tenants in the header', { 'x-tenant-id': 'acme, globex' }, 'tenant_mismatch'],
    ['the right tenant', { 'x-tenant-id': 'acme' }, 'done'],
  ])('with a grant names %s', async (_what, headers, code) => {
    expect(await codeFor('sam', { 'x-operator-grant': await supportGrant(), ...headers })).toBe(code);
  });

  it.each(['x', '0'.repeat(32), '*', 'null', '-1', '"'])('guesses a grant: %j', async (id) => {
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('grant_invalid');
    expect(await codeFor('alice', { 'x-operator-grant': id })).toBe('grant_invalid');
  });

  it('sends two grants', async () => {
    const [one, other] = [await supportGrant(), await supportGrant('sam', tenantId('globex'))];
    expect(await codeFor('sam', { 'x-operator-grant': `${one}, ${other}` })).toBe('grant_invalid');
  });

  it('with roles of operators at a customers’ provider is no operator', async () => {
    const alice = await identityOf('alice');
    expect(staff.isOperator(alice)).toBe(false);
    for (const attempt of [
      () => staff.requestGrant(alice, { tenant: acme, kind: 'support', reason: why, requestId: 'r' }),
      () =>
        staff.contextFor(alice, { action: 'storage:open', tenants: 'all', reason: why, ttlMs: 1000, requestId: 'r' }),
      () => staff.authorize(alice, { action: 'tenants:list', requestId: 'r' }),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: 'denied' });
    expect(trail('operators')).toEqual([
      'grant.request deny',
      'platform.storage:open deny',
      'platform.tenants:list deny',
    ]);
  });

  it('is not served while the operators’ trail cannot be written', async () => {
    const id = await supportGrant();
    const record = audit.record.bind(audit);
    audit.record = (entry) => (entry.type === 'operator' ? Promise.reject(new Error('disk full')) : record(entry));
    expect(await codeFor('sam', { 'x-operator-grant': id })).toBe('audit_unavailable');
  });
});

describe('the owner of a tenant', () => {
  it('sees who acted in it, why, and how often', async () => {
    const id = await supportGrant();
    await supportGrant('sam', tenantId('globex'));
    await codeFor('sam', { 'x-operator-grant': id });
    const context = await resolver({ registry: tenants }).resolve({
      identity: await identityOf('alice'),
      requestId: 'r',
    });
    const { grants } = await staff.tenantGrants(context);
    expect(grants).toMatchObject([{ id, operator: 'staff#sam', reason: why, state: 'active', uses: 1 }]);
  });
});

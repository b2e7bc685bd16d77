import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { memoryAudit } from '@portcullis/audit';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { tenantId } from '@portcullis/core';
import { portcullis, type Gate, type GateOptions, type HttpOptions, type McpEndpoint } from '@portcullis/mcp';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { memoryStore, registry, resolver, type Registry } from '@portcullis/tenants';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';

export const url = 'https://mcp.example.com/mcp';

/** A policy for a kind: who may do what, as one line a rule. */
export const policy = (kind: string, rules: string, more = ''): string => `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: ${kind}
  version: default
${more}  rules:
${rules}
`;
const rule = (actions: readonly string[], roles: readonly string[], more = ''): string =>
  `    - actions: ${JSON.stringify(actions)}\n      effect: EFFECT_ALLOW\n      roles: ${JSON.stringify(roles)}\n${more}`;

/** Policies for the harness’s tools and for the MCP methods. */
const policies: Readonly<Record<string, string>> = {
  'mcp_server.yaml': policy('mcp_server', rule(['*'], ['member', 'admin'])),
  'tool.yaml': policy(
    'tool',
    rule(['tools/call'], ['admin']) +
      rule(['tools/call'], ['member'], '      condition: { match: { expr: "R.id in [\\"open\\", \\"plain\\"]" } }\n'),
  ),
  'resource.yaml': policy(
    'resource',
    rule(
      ['resources/read', 'resources/subscribe'],
      ['member'],
      '      condition: { match: { expr: "R.id.startsWith(\\"note://public/\\")" } }\n',
    ) + rule(['*'], ['admin']),
  ),
  'prompt.yaml': policy(
    'prompt',
    rule(['*'], ['admin']) +
      rule(['prompts/get'], ['member'], '      condition: { match: { expr: "R.id == \\"hello\\"" } }\n'),
  ),
  'note.yaml': policy(
    'note',
    rule(['read'], ['member', 'admin'], '      condition: { match: { expr: "R.attr.public == true" } }\n') +
      rule(['read'], ['admin']) +
      rule(['write'], ['admin']) +
      rule(
        ['pay'],
        ['member', 'admin'],
        '      output: { when: { ruleActivated: \'{"obligation": "human_approval", "message": "Pay?"}\' } }\n',
      ) +
      rule(
        ['stamp'],
        ['member', 'admin'],
        '      output: { when: { ruleActivated: \'{"obligation": "stamp", "text": "seen"}\' } }\n',
      ) +
      rule(
        ['odd'],
        ['member', 'admin'],
        '      output: { when: { ruleActivated: \'{"obligation": "unheard_of"}\' } }\n',
      ) +
      rule(['broken'], ['member', 'admin'], '      output: { when: { ruleActivated: \'{"obligation": 7}\' } }\n'),
  ),
};

type Users = 'alice' | 'adam' | 'gina';

/** Everything behind a gate, with real parts and three users: alice and adam of acme (member, admin), gina of globex (admin). */
export interface Harness {
  readonly gate: Gate<Map<string, string>>;
  readonly pdp: Sidecar;
  readonly audit: ReturnType<typeof memoryAudit>;
  readonly tenants: Registry;
  readonly issuer: LocalIssuer;
  token(user: Users, claims?: Readonly<Record<string, unknown>>): Promise<string>;
  serve(factory: Parameters<Gate<never>['serve']>[0], options?: HttpOptions): McpEndpoint;
  /** A gate with other options over the same parts. */
  gateWith(options: Partial<GateOptions<Map<string, string>>>): Gate<Map<string, string>>;
  /** What each tenant has stored. */
  readonly stores: Map<string, Map<string, string>>;
  close(): Promise<void>;
}

export async function startHarness(extra: Readonly<Record<string, string>> = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-e2e-'));
  for (const [name, text] of Object.entries({ ...policies, ...extra })) await writeFile(join(folder, name), text);
  const [issuer, pdp] = await Promise.all([startIssuer('oidc'), cerbosSidecar({ policies: folder, pollMs: 0 })]);
  const tenants = registry({ store: memoryStore() });
  for (const id of ['acme', 'globex']) {
    await tenants.store.createTenant({
      id: tenantId(id),
      name: id,
      plan: 'pro',
      settings: { identityProviders: [{ provider: 'oidc' }] },
    });
  }
  await tenants.store.putMember(tenantId('acme'), 'oidc#alice', ['member']);
  await tenants.store.putMember(tenantId('acme'), 'oidc#adam', ['admin']);
  await tenants.store.putMember(tenantId('globex'), 'oidc#gina', ['admin']);
  const audit = memoryAudit();
  const stores = new Map<string, Map<string, string>>();
  const identity = verifier([
    oidc({
      name: 'oidc',
      issuer: issuer.issuer,
      audience: fixtures.audience,
      keys: staticKeys({ keys: issuer.keys.map(({ publicJwk }) => publicJwk) }),
    }),
  ]);
  const gateWith = (options: Partial<GateOptions<Map<string, string>>>): Gate<Map<string, string>> =>
    portcullis<Map<string, string>>({
      identity,
      tenants: resolver({ registry: tenants }),
      pdp: pdp,
      audit: audit,
      resource: url,
      authorizationServers: [issuer.issuer],
      storage: ({ tenant }) => {
        const store = stores.get(tenant.id) ?? new Map<string, string>();
        stores.set(tenant.id, store);
        return store;
      },
      obligations: {
        stamp: ({ obligation }) =>
          Promise.resolve((result) => ({ ...(result as object), _meta: { stamp: obligation.properties['text'] } })),
      },
      ...options,
    });
  const gate = gateWith({});
  return {
    gate,
    pdp,
    audit,
    tenants,
    issuer,
    stores,
    gateWith,
    token: (user, claims = {}) => issuer.token({ sub: user, org: undefined, ...claims }),
    serve: (factory, options) => gate.serve(factory, options),
    async close() {
      await pdp.close();
      await issuer.close();
      await rm(folder, { recursive: true });
    },
  };
}

export interface ConnectOptions {
  readonly mode?: 'auto' | 'legacy';
  readonly approve?: boolean | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A real MCP client whose requests go straight into the endpoint. */
export async function connect(
  endpoint: { readonly fetch: McpEndpoint['fetch'] },
  token: string,
  options: ConnectOptions = {},
): Promise<Client> {
  const { mode = 'auto', approve, headers = {} } = options;
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: approve === undefined ? {} : { elicitation: { form: {} } }, versionNegotiation: { mode } },
  );
  if (approve !== undefined)
    client.setRequestHandler('elicitation/create', () =>
      Promise.resolve({ action: 'accept' as const, content: { approve } }),
    );
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { authorization: `Bearer ${token}`, ...headers } },
      fetch: (to, init) => endpoint.fetch(new Request(to, init)),
    }),
  );
  return client;
}

/** Calls a tool: its text, or the JSON-RPC code and message of the refusal. */
export async function callText(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  try {
    const { content, isError } = await client.callTool({ name, arguments: args });
    const [first] = content;
    return `${isError === true ? 'tool error: ' : ''}${first?.type === 'text' ? first.text : ''}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${String(error.code)} ${error.message}` : String(error);
  }
}

/** Sends one raw JSON-RPC body. */
export async function post(
  endpoint: { readonly fetch: McpEndpoint['fetch'] },
  token: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return endpoint.fetch(
    new Request(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
}

/** The JSON-RPC messages of an answer, whether it is JSON or an event stream. */
export async function messagesOf(response: Response): Promise<
  readonly {
    id?: unknown;
    result?: Record<string, unknown>;
    error?: { code: number; message: string; data?: Record<string, unknown> };
  }[]
> {
  const text = await response.text();
  if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    return text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)) as never);
  }
  const parsed = JSON.parse(text) as never;
  return Array.isArray(parsed) ? parsed : [parsed];
}

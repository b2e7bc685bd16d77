import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** What one call came to, as the caller saw it. */
export interface CallResult {
  readonly outcome: 'allowed' | 'refused';
  /** The stable code of a refusal. */
  readonly code: string;
  readonly text: string;
}

/** How a caller connects. */
export interface CallerOptions {
  readonly url: string;
  readonly token: string;
  /** Sent as `X-Tenant-ID`. */
  readonly tenant?: string | undefined;
  /** Sent as `X-Operator-Grant`. */
  readonly grant?: string | undefined;
  /** The answer to a request for approval. @defaultValue the client cannot be asked */
  readonly approve?: boolean | undefined;
}

/** Opens a real MCP client over HTTP, uses it once, and closes it. */
export async function call(options: CallerOptions, use: (client: Client) => Promise<string>): Promise<CallResult> {
  const { url, token, tenant, grant, approve } = options;
  const client = new Client(
    { name: 'demo', version: '1.0.0' },
    { capabilities: approve === undefined ? {} : { elicitation: { form: {} } }, versionNegotiation: { mode: 'auto' } },
  );
  if (approve !== undefined) {
    client.setRequestHandler('elicitation/create', () =>
      Promise.resolve({ action: 'accept' as const, content: { approve } }),
    );
  }
  const headers = {
    authorization: `Bearer ${token}`,
    ...(tenant === undefined ? {} : { 'x-tenant-id': tenant }),
    ...(grant === undefined ? {} : { 'x-operator-grant': grant }),
  };
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    return { outcome: 'allowed', code: '', text: await use(client) };
  } catch (error) {
    return { outcome: 'refused', code: codeOf(error), text: messageOf(error) };
  } finally {
    await client.close();
  }
}

/** The text of a tool's answer. */
export async function callTool(client: Client, name: string, args: Readonly<Record<string, unknown>>): Promise<string> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content;
  const text = first?.type === 'text' ? first.text : JSON.stringify(result.content);
  if (result.isError === true) throw new Error(text);
  return text;
}

/** The gate's own words, where the client quotes the whole answer. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  return /"message":"([^"]+)"/.exec(error.message)?.[1] ?? error.message;
}

/** The code that the gate put into the error, wherever the client keeps it. */
function codeOf(error: unknown): string {
  const texts = [
    error instanceof Error && 'data' in error ? JSON.stringify(error.data) : '',
    error instanceof Error ? error.message : '',
  ];
  for (const text of texts) {
    const code = /\\?"code\\?":\s*\\?"([a-z_]+)\\?"/.exec(text)?.[1];
    if (code !== undefined) return code;
  }
  return 'failed';
}

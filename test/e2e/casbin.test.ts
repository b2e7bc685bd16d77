import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { McpEndpoint } from '@portcullis/mcp';
import { casbin, rbacModel, type Casbin } from '@portcullis/pdp/casbin';
import { coalesced, traced, type DecisionTracer } from '@portcullis/pdp/client';
import { callText, connect, startHarness, url, type Harness } from './harness.js';

const tools = ['open', 'plain', 'restricted', ...Array.from({ length: 12 }, (_, at) => `more_${String(at)}`)];

const policy = `# who may call which tool
p, member, *, mcp_server:${url}, *, allow
p, member, *, tool:open, tools/call, allow
p, member, *, tool:plain, tools/call, allow
p, admin, acme, *, *, allow
p, admin, acme, tool:more_3, tools/call, deny
g, admin, member, *
`;

let harness: Harness;
let folder: string;
let file: string;
let engine: Casbin;
let endpoint: McpEndpoint;
const spans: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'casbin-e2e-'));
  file = join(folder, 'policy.csv');
  await writeFile(file, policy);
  harness = await startHarness();
  engine = await casbin({ model: rbacModel, policies: file, sharedDomain: '*', object: 'kind:id' });
  const span = { setAttributes: () => undefined, setStatus: () => undefined, end: () => undefined };
  const tracer: DecisionTracer = {
    startActiveSpan(name, _options, run) {
      spans.push(name);
      return run(span);
    },
  };
  const gate = harness.gateWith({ pdp: traced(coalesced(engine), { tracer }) });
  endpoint = gate.serve(() => {
    const server = new McpServer({ name: 'tools', version: '1.0.0' });
    for (const tool of tools)
      gate.tool(server, tool, { authorize: 'default' }, (_args, { tenant }) => `${tool} ran for ${tenant.id}`);
    return server;
  });
});
afterAll(async () => {
  await endpoint.close();
  await harness.close();
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

async function calls(
  user: 'alice' | 'adam' | 'gina',
): Promise<readonly [listed: readonly string[], called: readonly string[]]> {
  const client = await connect(endpoint, await harness.token(user));
  const listed = (await client.listTools()).tools.map(({ name }) => name);
  const called: string[] = [];
  for (const tool of tools) if ((await callText(client, tool)).startsWith(`${tool} ran for `)) called.push(tool);
  await client.close();
  return [listed, called];
}

describe('a gate that asks casbin', () => {
  it('shows and runs what the lines allow, for each tenant its own', async () => {
    const [listed, called] = await calls('alice');
    expect(called).toEqual(['open', 'plain']);
    expect(listed).toEqual(called);
    const [adamSees, adamCalls] = await calls('adam');
    expect(adamCalls).toEqual(tools.filter((tool) => tool !== 'more_3'));
    expect(adamSees).toEqual(adamCalls);
    // An admin of another tenant has what is every tenant's, and nothing of acme's own lines.
    const [ginaSees, ginaCalls] = await calls('gina');
    expect(ginaCalls).toEqual(['open', 'plain']);
    expect(ginaSees).toEqual(ginaCalls);
    expect(spans).toContain('portcullis.check');
    expect(spans).toContain('portcullis.plan');
  });

  it('takes new lines at once, and keeps the old ones where the new are broken', async () => {
    const client = await connect(endpoint, await harness.token('alice'));
    expect(await callText(client, 'restricted')).toContain('-32001');
    await writeFile(file, `${policy}p, member, acme, tool:restricted, tools/call, allow\n`);
    await engine.reload();
    expect(await callText(client, 'restricted')).toBe('restricted ran for acme');
    await writeFile(file, `${policy}p, member, acme, tool:restricted, tools/call\n`);
    await expect(engine.reload()).rejects.toMatchObject({ code: 'policies_invalid' });
    expect(await callText(client, 'restricted')).toBe('restricted ran for acme');
    await client.close();
  });

  it('lets nothing run once the engine is closed', async () => {
    const client = await connect(endpoint, await harness.token('alice'));
    expect(await callText(client, 'open')).toBe('open ran for acme');
    await engine.close();
    expect(await callText(client, 'open')).toContain('-32603');
    await client.close();
  });
});

// npm run bench -- gate: what the gate costs, side by side with the alternative, in one run.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GRPC } from '@cerbos/grpc';
import { getRequestListener } from '@hono/node-server';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { auditLog } from '@portcullis/audit';
import { oidc, verifier } from '@portcullis/claims';
import { principalOf, tenantId } from '@portcullis/core';
import { portcullis } from '@portcullis/mcp';
import { cerbos, cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { fixtures, startIssuer } from '@portcullis/testing/issuers';
import { z } from 'zod';
import { inARow, interleave, median, report } from './measure.mjs';

const rule = (condition) => `    - { actions: ["tools/call"], effect: EFFECT_ALLOW, roles: ["member"]${condition} }`;
const policy = (kind, rules) =>
  `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: ${kind}\n  version: default\n  rules:\n${rules}\n`;
const names = Array.from({ length: 30 }, (_none, index) => `tool_${String(index).padStart(2, '0')}`);
const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
const scratch = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
writeFileSync(
  join(folder, 'tool.yaml'),
  policy('tool', rule(`, condition: { match: { expr: '${`R.id in ${JSON.stringify(names.slice(0, 20))}`}' } }`)),
);
writeFileSync(
  join(folder, 'mcp_server.yaml'),
  policy('mcp_server', '    - { actions: ["*"], effect: EFFECT_ALLOW, roles: ["member"] }'),
);

const pdp = await cerbosSidecar({ policies: folder, pollMs: 0, deadlineMs: 5000 });
const issuer = await startIssuer('oidc');
const tenants = registry({ store: memoryStore(), maxAgeMs: 3_600_000 });
await tenants.store.createTenant({
  id: tenantId('acme'),
  name: 'Acme',
  plan: 'pro',
  settings: { identityProviders: [{ provider: 'oidc' }] },
});
await tenants.store.putMember(tenantId('acme'), 'oidc#grace', ['member']);
const resolve = resolver({ registry: tenants });
const identity = verifier([oidc({ name: 'oidc', issuer: issuer.issuer, audience: fixtures.audience })]);
const forgetful = verifier([oidc({ name: 'oidc', issuer: issuer.issuer, audience: fixtures.audience })], {
  cacheEntries: 0,
});
const token = await issuer.token({ org: undefined });
const grace = await identity.verify(token);
const context = await resolve.resolve({ identity: grace, requestId: 'bench' });

try {
  // (a) The client, against the engine's own on the same socket.
  const raw = new GRPC(pdp.target, { tls: false });
  const ours = cerbos(pdp.target, { deadlineMs: 5000 });
  // The principal that the gate sends, so that like is compared with like.
  const principal = principalOf(context);
  const request = {
    principal,
    scope: 'acme',
    questions: [
      { resource: { kind: 'tool', id: names[3], tenant: tenantId('acme'), attr: {} }, actions: ['tools/call'] },
    ],
  };
  const rawRequest = {
    principal: { ...principal, scope: 'acme', policyVersion: 'default' },
    includeMetadata: true,
    resources: [
      {
        resource: { kind: 'tool', id: names[3], attr: { tenant: 'acme' }, scope: 'acme', policyVersion: 'default' },
        actions: ['tools/call'],
      },
    ],
  };
  report(
    '(a) one check over a unix socket',
    await interleave(
      {
        'raw @cerbos/grpc': () => raw.checkResources(rawRequest),
        'cerbos() of @portcullis/pdp': () => ours.check(request),
      },
      { rounds: 3000, warmup: 500 },
    ),
  );

  // (b) What the gate adds to an MCP call over HTTP, apart from the PDP's answer.
  const instant = {
    engine: 'instant',
    check: ({ questions }) =>
      Promise.resolve(
        questions.map(({ resource, actions }) =>
          actions.map((action) => ({
            effect: 'allow',
            action,
            resource,
            policy: 'p',
            policyVersion: 'default',
            scope: '',
            outputs: [],
            obligations: [],
            callId: '',
            durationMs: 0,
            engine: 'instant',
          })),
        ),
      ),
    plan: () => Promise.resolve({ outcome: 'always_allowed', callId: '', durationMs: 0, engine: 'instant' }),
    close: () => Promise.resolve(),
  };
  const audit = auditLog({ destination: join(scratch, 'audit.jsonl') });
  const gateWith = (engine) =>
    portcullis({
      identity,
      tenants: resolve,
      pdp: engine,
      audit,
      resource: 'http://127.0.0.1/mcp',
      authorizationServers: [issuer.issuer],
    });
  const server = () => {
    const made = new McpServer({ name: 'bench', version: '1.0.0' });
    for (const name of names)
      made.registerTool(name, { inputSchema: z.object({ id: z.string() }) }, ({ id }) => ({
        content: [{ type: 'text', text: id }],
      }));
    return made;
  };
  const listen = async (fetch) => {
    const http = createServer(getRequestListener((incoming) => fetch(incoming)));
    await new Promise((done) => http.listen(0, '127.0.0.1', done));
    const client = new Client({ name: 'bench', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${http.address().port}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
      }),
    );
    return {
      client,
      close: async () => {
        await client.close();
        http.closeAllConnections();
        http.close();
      },
    };
  };
  const bare = createMcpHandler(server);
  const gated = gateWith(instant).serve(server);
  const inProcess = await embedded({ policies: folder, pollMs: 0 });
  const embeddedGate = gateWith(inProcess).serve(server);
  const real = gateWith(ours).serve(server);
  const [plain, guarded, own, decided] = [
    await listen(bare.fetch),
    await listen(gated.fetch),
    await listen(embeddedGate.fetch),
    await listen(real.fetch),
  ];
  const call =
    ({ client }) =>
    () =>
      client.callTool({ name: names[3], arguments: { id: 'x' } });
  const calls = await interleave(
    {
      'unguarded MCP call over HTTP': call(plain),
      'guarded, with an engine that answers at once': call(guarded),
      'guarded, with embedded()': call(own),
      'guarded, with the Cerbos PDP': call(decided),
    },
    { rounds: 1500, warmup: 300 },
  );
  report('(b) one tools/call, server of 30 tools, client and server on one machine', calls);
  const unguarded = median(calls['unguarded MCP call over HTTP']);
  const added = median(calls['guarded, with an engine that answers at once']) - unguarded;
  const byOwn = median(calls['guarded, with embedded()']) - unguarded;
  console.log(
    `  with embedded(), the whole gate adds ${byOwn.toFixed(0)} µs, ${((byOwn / unguarded) * 100).toFixed(1)} % (aim: under 5 %)`,
  );
  console.log(
    `  the gate adds ${added.toFixed(0)} µs, ${((added / unguarded) * 100).toFixed(1)} % of an unguarded call (aim: under 10 %)`,
  );
  const parts = await interleave(
    {
      'token, its signature checked each time': () => forgetful.verify(token),
      'token, verified before': () => identity.verify(token),
      'tenant resolution, cached': () =>
        resolve.resolve({ identity: grace, requestId: 'bench', header: () => undefined }),
    },
    { rounds: 20_000, warmup: 2000 },
  );
  report('    of which', parts);
  const resolution = median(parts['tenant resolution, cached']);
  console.log(
    `  tenant resolution is ${((resolution / unguarded) * 100).toFixed(2)} % of an unguarded call (aim: under 1 %)`,
  );
  const cold = registry({ store: tenants.store, maxAgeMs: 0, negativeMaxAgeMs: 0 });
  report(
    '    uncached, from a store in memory',
    await interleave(
      {
        'tenant resolution, uncached': () =>
          resolver({ registry: cold }).resolve({ identity: grace, requestId: 'bench' }),
      },
      { rounds: 2000 },
    ),
  );
  report(
    '    one audit record to a file',
    await interleave(
      {
        auditLog: () =>
          audit.record({
            type: 'outcome',
            outcome: 'ok',
            requestId: 'r',
            tenant: 'acme',
            method: 'tools/call',
            name: 'x',
            latencyMs: 1,
          }),
      },
      { rounds: 5000 },
    ),
  );

  // (c) A filtered list against one check.
  const questions = names.map((id) => ({
    resource: { kind: 'tool', id, tenant: tenantId('acme'), attr: {} },
    actions: ['tools/call'],
  }));
  const rules = new Map(names.map((name) => [name, { source: 'default' }]));
  const { enforcer } = gateWith(ours).parts.guard;
  const { enforcer: ownEnforcer } = gateWith(inProcess).parts.guard;
  const lists = await interleave(
    {
      'one check': () => ours.check(request),
      'filter of tools/list for 30 tools, with embedded()': () => ownEnforcer.visibleTools(rules, context, undefined),
      'filter of tools/list for 30 tools (one plan)': () => enforcer.visibleTools(rules, context, undefined),
      'the same as 30 questions in one request': () => ours.check({ ...request, questions }),
      'the same as 30 requests, one after the other': async () => {
        for (const question of questions) await ours.check({ ...request, questions: [question] });
      },
    },
    { rounds: 800, warmup: 200 },
  );
  report('(c) filtering tools/list', lists);
  const row = await inARow(() => ownEnforcer.visibleTools(rules, context, undefined));
  const asked = await inARow(() => inProcess.check({ ...request, questions }));
  const best = (sorted) => sorted[Math.floor(sorted.length / 10)].toFixed(1);
  console.log(
    `  the filter with embedded(), again and again: median ${median(row).toFixed(1)} µs, best tenth ${best(row)} (aim: 20); of which 30 questions: ${median(asked).toFixed(1)}, ${best(asked)}`,
  );
  const visible = await enforcer.visibleTools(rules, context, undefined);
  if (visible.size !== 20) throw new Error(`the filter is wrong: ${String(visible.size)} tools`);

  // (d) Memory: what stays in the heap for each thing that is remembered.
  const heap = () => {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const remembered = 2000;
  const tokens = [];
  for (let index = 0; index < remembered; index++) {
    tokens.push(await issuer.token({ org: undefined, sub: `user-${String(index)}` }));
    await tenants.store.putMember(tenantId('acme'), `oidc#user-${String(index)}`, ['member']);
  }
  const perOne = async (work) => {
    const before = heap();
    for (const each of tokens) await work(each);
    return Math.round((heap() - before) / remembered);
  };
  const identities = new Map();
  const ofToken = await perOne(async (each) => identities.set(each, await identity.verify(each)));
  const ofTenant = await perOne((each) =>
    resolve.resolve({ identity: identities.get(each), requestId: 'bench', header: () => undefined }),
  );
  console.log('\n(d) memory');
  console.log(
    `  a remembered token and its identity: ${String(ofToken)} bytes; a remembered membership: ${String(ofTenant)} bytes`,
  );
  console.log(
    `  this process: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident; Node ${process.version}, ${process.arch}`,
  );
  for (const each of [plain, guarded, own, decided]) await each.close();
  await inProcess.close();
  raw.close();
  await ours.close();
  await audit.close();
} finally {
  await pdp.close();
  await issuer.close();
  rmSync(folder, { recursive: true });
  rmSync(scratch, { recursive: true });
}

// npm run test:conformance: the official MCP conformance suite against one server, without the gate and behind it.
// The suite's command needs Node 22, which comes from npm; both are installed into .tmp and not into the project.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { getRequestListener } from '@hono/node-server';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { memoryAudit } from '@portcullis/audit';
import { oidc, verifier } from '@portcullis/claims';
import { tenantId } from '@portcullis/core';
import { portcullis } from '@portcullis/mcp';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { fixtures, startIssuer } from '@portcullis/testing/issuers';
import { everythingServer } from './everything-server.mjs';

const suiteVersion = '0.1.16';
const root = join(import.meta.dirname, '..', '..');
const tools = join(root, '.tmp', 'conformance');
if (!existsSync(join(tools, 'node_modules', '@modelcontextprotocol', 'conformance'))) {
  console.log('Installing the conformance suite and Node 22 into .tmp …');
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, 'package.json'), '{"private":true}\n');
  execFileSync(
    'npm',
    [
      'install',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `@modelcontextprotocol/conformance@${suiteVersion}`,
      `node22@npm:node-${process.platform}-${process.arch}@22`,
    ],
    { cwd: tools, stdio: 'inherit' },
  );
}

/** Serves a handler on loopback, for local callers alone. */
async function listen(fetch) {
  const http = createServer(getRequestListener((request) => fetch(request)));
  await new Promise((done) => http.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${String(http.address().port)}/mcp`,
    close: () => {
      http.closeAllConnections();
      http.close();
    },
  };
}

/** The server without the gate, in sessions. */
function ungated() {
  const sessions = new Map();
  return async (request) => {
    const known = sessions.get(request.headers.get('mcp-session-id'));
    if (known !== undefined) return known.handleRequest(request);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await everythingServer().connect(transport);
    return transport.handleRequest(request);
  };
}

/** The same server behind the gate, with policies that allow everything. */
async function gated() {
  const policies = mkdtempSync(join(tmpdir(), 'portcullis-conformance-'));
  for (const kind of ['mcp_server', 'tool', 'resource', 'prompt']) {
    writeFileSync(
      join(policies, `${kind}.yaml`),
      `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: ${kind}\n  version: default\n  rules: [{ actions: ["*"], effect: EFFECT_ALLOW, roles: ["*"] }]\n`,
    );
  }
  const [pdp, issuer] = await Promise.all([cerbosSidecar({ policies, pollMs: 0 }), startIssuer('oidc')]);
  const tenants = registry({ store: memoryStore() });
  await tenants.store.createTenant({
    id: tenantId('acme'),
    name: 'Acme',
    settings: { identityProviders: [{ provider: 'oidc', membership: 'token' }] },
  });
  const gate = portcullis({
    identity: verifier([oidc({ name: 'oidc', issuer: issuer.issuer, audience: fixtures.audience })]),
    tenants: resolver({ registry: tenants }),
    pdp,
    audit: memoryAudit(),
    resource: 'http://127.0.0.1/mcp',
    authorizationServers: [issuer.issuer],
  });
  const endpoint = gate.serve(everythingServer, { legacy: 'sessions' });
  const token = await issuer.token({ org: undefined });
  return {
    // The suite cannot log in; what stands in front of the gate here does it for it.
    fetch: (request) => {
      const headers = new Headers(request.headers);
      headers.set('authorization', `Bearer ${token}`);
      const withToken = new Proxy(request, {
        get: (target, member) =>
          member === 'headers'
            ? headers
            : typeof target[member] === 'function'
              ? target[member].bind(target)
              : target[member],
      });
      return endpoint.fetch(withToken);
    },
    close: async () => {
      await endpoint.close();
      await pdp.close();
      await issuer.close();
      rmSync(policies, { recursive: true });
    },
  };
}

/** Runs the suite, and gives the line of each scenario. */
async function run(url) {
  const node = join(tools, 'node_modules', 'node22', 'bin', 'node');
  const suite = join(tools, 'node_modules', '@modelcontextprotocol', 'conformance', 'dist', 'index.js');
  const child = spawn(node, [suite, 'server', '--url', url, '--suite', 'all'], {
    cwd: tools,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  await new Promise((done) => child.once('exit', done));
  const lines = output.split('\n').map((line) => stripVTControlCharacters(line).trim());
  return lines.filter((line) => /^[✓✗] .*: \d+ passed, \d+ failed/.test(line));
}

const plain = await listen(ungated());
const behind = await gated();
const guarded = await listen(behind.fetch);
/** Scenarios of the suite itself are now and then late on a busy machine: a difference counts if it comes back. */
const attempts = 3;
let same = false;
for (let attempt = 1; attempt <= attempts && !same; attempt++) {
  const without = await run(plain.url);
  const within = await run(guarded.url);
  same = without.length > 0 && JSON.stringify(without) === JSON.stringify(within);
  if (same) {
    for (const line of within) console.log(line);
    console.log(
      `\nThe gate is transparent: ${String(within.length)} scenarios give the same results with it and without it.`,
    );
  } else {
    console.error(`\nRun ${String(attempt)} of ${String(attempts)} differs:`);
    for (const line of without.filter((each) => !within.includes(each))) console.error(`  without the gate: ${line}`);
    for (const line of within.filter((each) => !without.includes(each))) console.error(`  with the gate:    ${line}`);
  }
}
plain.close();
guarded.close();
await behind.close();
if (!same) console.error('\nThe gate is NOT transparent.');
process.exit(same ? 0 : 1);

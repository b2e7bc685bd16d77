import { readFileSync } from 'node:fs';
import { connect, createServer as createPlainServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbos, cerbosSidecar, type CerbosOptions, type Sidecar } from '@portcullis/pdp/cerbos';
import { policy } from '../e2e/harness.js';

// A certificate authority of this test's own, and two certificates for `localhost` that it signed.
const pem = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'certificates', name));
const ca = pem('ca.pem');
const server = { cert: pem('server.pem'), key: pem('server.key') };
const client = { cert: pem('client.pem'), key: pem('client.key') };

let engine: Sidecar;
let folder: string;
const open: Server[] = [];
const asked: PolicyDecisionPoint[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-tls-'));
  writeFileSync(
    join(folder, 'note.yaml'),
    policy('note', '    - { actions: ["read"], effect: EFFECT_ALLOW, roles: ["member"] }'),
  );
  engine = await cerbosSidecar({ policies: folder, pollMs: 0 });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});
afterEach(async () => {
  for (const pdp of asked.splice(0)) await pdp.close();
  for (const each of open.splice(0)) await new Promise((resolve) => each.close(resolve));
});

/** The real engine behind TLS, as a proxy in front of it would offer it. */
async function behindTls(options: TlsOptions = {}): Promise<number> {
  const proxy = createServer({ ...server, ALPNProtocols: ['h2'], ...options }, (socket) => {
    const upstream = connect(engine.target.replace(/^unix:/, ''));
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  proxy.on('tlsClientError', () => undefined);
  open.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return (proxy.address() as AddressInfo).port;
}

async function ask(target: string, options: CerbosOptions): Promise<string> {
  const pdp = cerbos(target, { deadlineMs: 2000, ...options });
  asked.push(pdp);
  try {
    const [[decision] = []] = await pdp.check({
      principal: { id: 'alice', roles: ['member'], attr: { tenant: 'acme' } },
      scope: 'acme',
      questions: [{ resource: { kind: 'note', id: 'n', tenant: tenantId('acme'), attr: {} }, actions: ['read'] }],
    });
    return decision?.effect ?? 'nothing';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

describe('the PDP over TLS', () => {
  it('answers a client that trusts its certificate authority', async () => {
    const port = await behindTls();
    expect(await ask(`localhost:${String(port)}`, { tls: createSecureContext({ ca }) })).toBe('allow');
  });

  it('is not believed without that authority, under another name, or in plaintext', async () => {
    const port = String(await behindTls());
    expect(await ask(`localhost:${port}`, { tls: true })).toBe('pdp_unavailable');
    expect(await ask(`127.0.0.1:${port}`, { tls: createSecureContext({ ca }) })).toBe('pdp_unavailable');
    expect(await ask(`localhost:${port}`, { tls: false })).toBe('pdp_unavailable');
  });

  it('may demand a certificate of the client', async () => {
    const port = String(await behindTls({ ca, requestCert: true, rejectUnauthorized: true }));
    expect(await ask(`localhost:${port}`, { tls: createSecureContext({ ca }) })).toBe('pdp_unavailable');
    expect(await ask(`localhost:${port}`, { tls: createSecureContext({ ca, ...client }) })).toBe('allow');
  });

  const address = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
  it.skipIf(address === undefined)('is spoken to by default where it is not on this machine', async () => {
    let first: number | undefined;
    const listener = createPlainServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (data) => {
        first = data[0];
        socket.destroy();
      });
    });
    open.push(listener);
    await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
    const { port } = listener.address() as AddressInfo;
    expect(await ask(`${address ?? ''}:${String(port)}`, { deadlineMs: 500 })).toBe('pdp_unavailable');
    expect(first).toBe(0x16); // a TLS handshake
  });
});

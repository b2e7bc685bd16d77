import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Keyv } from 'keyv';
import { allOf, auditLog, memoryAudit, type AuditEntry } from '@portcullis/audit';
import { auth0, cognito, entra, verifier } from '@portcullis/claims';
import type { TenantContext } from '@portcullis/core';
import { portcullis, type Gate, type McpEndpoint } from '@portcullis/mcp';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { keyvStorage } from '@portcullis/storage/keyv';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { contextFor } from '@portcullis/testing/contexts';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';
import { customers, recordsOf, seedTenants } from './domain/seed.js';
import { workspaceServer } from './domain/tools.js';
import { openWorkspace, type Workspace } from './domain/workspace.js';

/** Where the demo is served and what it reads and writes. */
export interface WorldOptions {
  readonly policies: string;
  /** @defaultValue any free one */
  readonly port?: number | undefined;
  /** The audit log, in a file as well as in memory. */
  readonly auditFile?: string | undefined;
  readonly onPolicyChange?: (() => void) | undefined;
  readonly onPolicyError?: ((message: string) => void) | undefined;
}

/** Everything that runs in the demo. */
export interface World {
  readonly url: string;
  readonly gate: Gate<Workspace>;
  readonly issuers: { readonly auth0: LocalIssuer; readonly entra: LocalIssuer; readonly cognito: LocalIssuer };
  readonly pdp: Sidecar;
  readonly audited: readonly (AuditEntry & { readonly time: string })[];
  close(): Promise<void>;
}

/**
 * Starts everything: three identity providers, the PDP, the tenants and their data, and the guarded MCP server.
 *
 * With the real providers, `domain`, `tenant` and `userPoolId` stay and the base URLs of the local ones go.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const [auth0Issuer, entraIssuer, cognitoIssuer, pdp] = await Promise.all([
    startIssuer('auth0'),
    startIssuer('entra'),
    startIssuer('cognito'),
    cerbosSidecar({
      policies: options.policies,
      onPolicyChange: () => options.onPolicyChange?.(),
      ...(options.onPolicyError === undefined
        ? {}
        : { onPolicyError: (error) => options.onPolicyError?.(error.message) }),
    }),
  ]);
  const store = memoryStore();
  await seedTenants(store);
  const storage = keyvStorage({ keyv: new Keyv() });
  await seedRecords((context) => openWorkspace(storage, context));
  const memory = memoryAudit();
  const audit = options.auditFile === undefined ? memory : allOf(memory, auditLog({ destination: options.auditFile }));

  const http = createServer();
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${String((http.address() as AddressInfo).port)}/mcp`;

  const gate = portcullis({
    identity: verifier([
      auth0({
        name: 'auth0',
        issuer: auth0Issuer.issuer,
        audience: fixtures.audience,
        requireOrganization: true,
        rolesClaim: fixtures.auth0.rolesClaim,
      }),
      entra({ name: 'entra', authority: entraIssuer.origin, tenant: 'registered', audience: fixtures.entra.audience }),
      cognito({
        name: 'cognito',
        endpoint: cognitoIssuer.origin,
        userPoolId: fixtures.cognito.userPoolId,
        clientIds: [fixtures.cognito.client],
        tokenUse: 'access',
      }),
    ]),
    tenants: resolver({ registry: registry({ store }) }),
    pdp,
    audit,
    storage: (context) => openWorkspace(storage, context),
    resource: url,
    authorizationServers: [auth0Issuer.issuer, `${entraIssuer.origin}/organizations/v2.0`, cognitoIssuer.issuer],
    resourceName: 'Workspace',
  });
  const endpoint = gate.serve(() => workspaceServer(gate));
  listen(http, endpoint);

  return {
    url,
    gate,
    issuers: { auth0: auth0Issuer, entra: entraIssuer, cognito: cognitoIssuer },
    pdp,
    audited: memory.entries,
    async close() {
      await endpoint.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await Promise.all([
        pdp.close(),
        auth0Issuer.close(),
        entraIssuer.close(),
        cognitoIssuer.close(),
        audit.close(),
        storage.close(),
        store.close(),
      ]);
    },
  };
}

function listen(http: Server, endpoint: McpEndpoint): void {
  const listener = getRequestListener((request, { incoming }) =>
    endpoint.fetch(request, { peerAddress: incoming.socket.remoteAddress }),
  );
  http.on('request', (request, response) => void listener(request, response));
}

/** Writes each customer's records, in a context of that customer. */
async function seedRecords(open: (context: TenantContext) => Workspace): Promise<void> {
  for (const { tenant } of customers) {
    const workspace = open(contextFor({ tenant: tenant.id, subject: 'seed' }));
    const { documents, tickets, invoices } = recordsOf(tenant.id);
    for (const document of documents) await workspace.documents.put(document);
    for (const ticket of tickets) await workspace.tickets.put(ticket);
    for (const invoice of invoices) await workspace.invoices.put(invoice);
  }
}

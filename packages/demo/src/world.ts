import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Keyv } from 'keyv';
import type { Admin } from '@portcullis/admin';
import { allOf, auditLog, memoryAudit, type AuditEntry } from '@portcullis/audit';
import type { TenantContext } from '@portcullis/core';
import { portcullis, type Gate, type McpEndpoint } from '@portcullis/mcp';
import { formatFindings, readLock, reconcile } from '@portcullis/mcp/reconcile';
import { readPolicies } from '@portcullis/pdp';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { keyvStorage } from '@portcullis/storage/keyv';
import { requireColumns } from '@portcullis/storage/plan';
import { memoryStore, registry } from '@portcullis/tenants';
import { contextFor } from '@portcullis/testing/contexts';
import { startIssuer } from '@portcullis/testing/issuers';
import { administration, openTrail, plans, type VerifiedTrail } from './administration.js';
import { openDatabase } from './database.js';
import { documentAttributes } from './domain/documents.js';
import { customers, recordsOf, seedTenants } from './domain/seed.js';
import { workspaceServer } from './domain/tools.js';
import { adminVerifier, mcpVerifier, type Issuers } from './identity.js';
import { openWorkspace, type Workspace } from './domain/workspace.js';

/** Where the demo is served and what it reads and writes. */
export interface WorldOptions {
  readonly policies: string;
  /** @defaultValue any free one */
  readonly port?: number | undefined;
  /** A PostgreSQL server for the documents. @defaultValue PGlite, in this process */
  readonly databaseUrl?: string | undefined;
  /** The audit log, in a file as well as in memory. */
  readonly auditFile?: string | undefined;
  readonly onPolicyChange?: (() => void) | undefined;
  readonly onPolicyError?: ((message: string) => void) | undefined;
  /** Told at start when tools and policies do not fit together. */
  readonly onUnreconciled?: ((findings: string) => void) | undefined;
}

const lockFile = join(import.meta.dirname, '..', 'tools.lock.json');

/** Everything that runs in the demo. */
export interface World {
  readonly url: string;
  /** Where the admin API is. */
  readonly adminUrl: string;
  readonly gate: Gate<Workspace>;
  readonly issuers: Issuers;
  readonly pdp: Sidecar;
  /** What holds the documents, for people to read. */
  readonly database: string;
  readonly audited: readonly (AuditEntry & { readonly time: string })[];
  /** The same records, in trails that can be verified. */
  readonly verifyTrail: VerifiedTrail['verify'];
  close(): Promise<void>;
}

/**
 * Starts everything: four identity providers, the PDP, the tenants and their data, and the guarded MCP server.
 *
 * With the real providers, `domain`, `tenant` and `userPoolId` stay and the base URLs of the local ones go.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const opened: { close(): Promise<unknown> }[] = [];
  const close = async (): Promise<void> => {
    // What was opened last is closed first; a failure on the way leaves nothing open.
    for (const part of opened.splice(0).reverse()) await part.close();
  };
  try {
    return { ...(await open(options, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(options: WorldOptions, opened: { close(): Promise<unknown> }[]): Promise<Omit<World, 'close'>> {
  const keep = <Part extends { close(): Promise<unknown> }>(part: Part): Part => {
    opened.push(part);
    return part;
  };
  const issuers = {
    auth0: keep(await startIssuer('auth0')),
    entra: keep(await startIssuer('entra')),
    cognito: keep(await startIssuer('cognito')),
    okta: keep(await startIssuer('okta')),
  };
  const pdp = keep(
    await cerbosSidecar({
      policies: options.policies,
      onPolicyChange: () => options.onPolicyChange?.(),
      ...(options.onPolicyError === undefined
        ? {}
        : { onPolicyError: (error) => options.onPolicyError?.(error.message) }),
    }),
  );
  const store = keep(memoryStore({ plans }));
  await seedTenants(store);
  const database = keep(await openDatabase(options.databaseUrl));
  const stores = { rls: database.rls, keys: keep(keyvStorage({ keyv: new Keyv() })) };
  await seedRecords((context) => openWorkspace(stores, context));
  const memory = memoryAudit();
  const { trail, verify } = await openTrail();
  const audit = keep(
    allOf(memory, trail, ...(options.auditFile === undefined ? [] : [auditLog({ destination: options.auditFile })])),
  );

  const http = createServer();
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  keep({
    close: () => {
      http.closeAllConnections();
      return new Promise((resolve) => http.close(resolve));
    },
  });
  const origin = `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`;
  const url = `${origin}/mcp`;
  const adminUrl = `${origin}/admin`;

  const { tenants, limiter, usage, api } = administration({
    registry: registry({ store }),
    identity: adminVerifier(issuers),
    pdp,
    audit,
    resource: adminUrl,
    authorizationServers: [issuers.auth0.issuer, issuers.okta.issuer],
  });
  keep(limiter);
  keep(usage);
  const gate = portcullis({
    identity: mcpVerifier(issuers),
    tenants,
    limiter,
    usage,
    pdp,
    audit,
    storage: (context) => openWorkspace(stores, context),
    resource: url,
    authorizationServers: [issuers.auth0.issuer, `${issuers.entra.origin}/organizations/v2.0`, issuers.cognito.issuer],
    resourceName: 'Workspace',
  });
  const policies = await readPolicies(options.policies);
  requireColumns(policies, 'document', documentAttributes);
  const { findings } = await reconcile(workspaceServer(gate), {
    policies,
    lock: await readLock(lockFile),
    mappings: 'required',
    askedElsewhere: ['tenant', 'platform'],
  });
  // A server of yours would refuse to start (`assertReconciled`); in the demo you are invited to break the policies.
  if (findings.length > 0) options.onUnreconciled?.(formatFindings(findings));
  const endpoint = keep(gate.serve(() => workspaceServer(gate)));
  listen(http, { endpoint, api });

  return {
    url,
    adminUrl,
    gate,
    issuers,
    pdp,
    database: database.description,
    audited: memory.entries,
    verifyTrail: verify,
  };
}

function listen(http: Server, { endpoint, api }: { readonly endpoint: McpEndpoint; readonly api: Admin }): void {
  const listener = getRequestListener((request, { incoming }) => {
    const connection = { peerAddress: incoming.socket.remoteAddress };
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/admin')) return api.fetch(request, connection);
    if (pathname === '/mcp' || pathname.startsWith('/.well-known/')) return endpoint.fetch(request, connection);
    return new Response(undefined, { status: 404 });
  });
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

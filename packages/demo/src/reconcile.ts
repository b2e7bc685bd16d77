import { join } from 'node:path';
import { portcullis } from '@portcullis/mcp';
import { reconcileCommand } from '@portcullis/mcp/reconcile';
import { memoryAudit } from '@portcullis/audit';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { readPolicies } from '@portcullis/pdp';
import { cerbos } from '@portcullis/pdp/cerbos';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { workspaceServer } from './domain/tools.js';
import type { Workspace } from './domain/workspace.js';

// Nothing is asked of anybody here: the gate is needed only to register the tools with it.
const issuer = 'https://issuer.example.com/';
const gate = portcullis<Workspace>({
  identity: verifier([oidc({ name: 'none', issuer, audience: 'none', keys: staticKeys({ keys: [] }) })]),
  tenants: resolver({ registry: registry({ store: memoryStore() }) }),
  pdp: cerbos('127.0.0.1:1'),
  audit: memoryAudit(),
  resource: 'https://mcp.example.com/mcp',
  authorizationServers: [issuer],
});

process.exitCode = await reconcileCommand({
  server: () => workspaceServer(gate),
  policies: () => readPolicies(join(import.meta.dirname, '..', '..', '..', 'policies')),
  lockFile: join(import.meta.dirname, '..', 'tools.lock.json'),
  mappings: 'required',
  askedElsewhere: ['tenant', 'platform'],
});

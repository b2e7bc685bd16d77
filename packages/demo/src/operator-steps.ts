import type { Client } from '@modelcontextprotocol/client';
import { callTool } from './caller.js';
import { tool, type Step } from './step.js';

/** The customer that is taken in while the demo runs. */
export const newCustomer = { id: 'initech', organization: 'org_initech000000001', owner: 'auth0#auth0|dana' } as const;

const at = `/tenants/${newCustomer.id}`;

/** What an operator does all day: take a customer in, help another, stop one. */
export function operatorSteps(): readonly Step[] {
  return [
    {
      caller: 'dana',
      what: 'whoami, as yet unknown',
      expected: 'tenant_unknown',
      use: tool('whoami'),
    },
    {
      caller: 'olga',
      what: 'POST /tenants: initech',
      expected: 'allow',
      contains: '201',
      admin: { method: 'POST', path: '/tenants', body: { id: newCustomer.id, name: 'Initech', plan: 'free' } },
    },
    {
      caller: 'olga',
      what: 'PATCH …/initech/oauth',
      expected: 'allow',
      contains: newCustomer.organization,
      admin: {
        method: 'PATCH',
        path: `${at}/oauth`,
        body: { identityProviders: [{ provider: 'auth0', tenantHint: newCustomer.organization }] },
      },
    },
    {
      caller: 'olga',
      what: 'POST …/initech/users: dana',
      expected: 'allow',
      contains: 'owner',
      admin: { method: 'POST', path: `${at}/users`, body: { userId: newCustomer.owner, roles: ['owner'] } },
    },
    {
      caller: 'dana',
      what: 'document_create, the first call',
      expected: 'allow',
      contains: 'Hello',
      use: tool('document_create', { title: 'Hello', text: 'from initech' }),
    },
    {
      caller: 'dana',
      what: 'document_list',
      expected: 'allow',
      contains: 'Hello',
      lacks: 'Roadmap',
      use: tool('document_list'),
    },
    {
      caller: 'dana',
      what: 'GET /tenants/acme',
      expected: 'not_found',
      admin: { method: 'GET', path: '/tenants/acme' },
    },
    {
      caller: 'dana',
      what: 'PATCH …/initech/quotas',
      expected: 'denied',
      admin: { method: 'PATCH', path: `${at}/quotas`, body: { limits: { requestsPerMinute: 1_000_000 } } },
    },
    {
      caller: 'dana',
      what: 'document_list, 40 times',
      expected: 'rate_limited',
      use: again(40, 'document_list'),
    },
    {
      caller: 'olga',
      what: 'document_read doc-1, without a grant',
      expected: 'grant_required',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'olga',
      what: 'POST /operators/grants: acme',
      expected: 'allow',
      contains: 'active',
      admin: {
        method: 'POST',
        path: '/operators/grants',
        body: { tenant: 'acme', kind: 'support', reason: 'ticket 4712: the roadmap does not open' },
      },
    },
    {
      caller: 'olga',
      what: 'document_read doc-1, with it',
      withGrant: true,
      expected: 'allow',
      contains: 'roadmap of acme',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'olga',
      what: 'document_create, with it',
      withGrant: true,
      expected: 'denied',
      use: tool('document_create', { title: 'Plan', text: 'x' }),
    },
    {
      caller: 'olga',
      what: 'PUT …/initech/status: suspended',
      expected: 'allow',
      contains: 'suspended',
      admin: { method: 'PUT', path: `${at}/status`, body: { state: 'suspended', reason: 'unpaid' } },
    },
    { caller: 'dana', what: 'whoami, suspended', expected: 'tenant_suspended', use: tool('whoami') },
  ];
}

/** Calls a tool again and again, until it is refused. */
function again(times: number, name: string): (client: Client) => Promise<string> {
  return async (client) => {
    for (let time = 0; time < times; time++) await callTool(client, name, {});
    return `${String(times)} calls`;
  };
}

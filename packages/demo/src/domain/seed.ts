import { tenantId, type TenantId } from '@portcullis/core';
import type { NewTenant, TenantStore } from '@portcullis/tenants';
import { fixtures } from '@portcullis/testing/issuers';
import type { Document, Invoice, Ticket } from './records.js';

/** The people of the demo, by the id that the gate knows them by. */
const people = {
  alice: 'auth0#auth0|alice',
  bob: `entra#${fixtures.entra.tenant}/${fixtures.entra.oid}`,
  carol: 'cognito#c0a80101-0000-4000-8000-000000000003',
} as const;

/** The demo's two customers. Ids overlap on purpose: a leak would show. */
export const customers: readonly {
  readonly tenant: NewTenant;
  readonly members: Readonly<Record<string, readonly string[]>>;
}[] = [
  {
    tenant: {
      id: tenantId('acme'),
      name: 'Acme Corp',
      domains: ['acme.example'],
      plan: 'pro',
      settings: {
        features: { sharing: true },
        identityProviders: [{ provider: 'auth0', tenantHint: fixtures.auth0.organization }, { provider: 'cognito' }],
      },
    },
    members: { [people.alice]: ['member'], [people.carol]: ['readonly'] },
  },
  {
    tenant: {
      id: tenantId('globex'),
      name: 'Globex',
      domains: ['globex.example'],
      plan: 'enterprise',
      settings: {
        identityProviders: [{ provider: 'entra', tenantHint: fixtures.entra.tenant }, { provider: 'cognito' }],
      },
    },
    members: { [people.bob]: ['admin'], [people.carol]: ['member'] },
  },
];

/** Registers the customers and their members. */
export async function seedTenants(store: TenantStore): Promise<void> {
  for (const { tenant, members } of customers) {
    await store.createTenant(tenant);
    for (const [userId, roles] of Object.entries(members)) await store.putMember(tenant.id, userId, roles);
  }
}

/** What each customer has stored. */
export function recordsOf(tenant: TenantId): {
  readonly documents: readonly Document[];
  readonly tickets: readonly Ticket[];
  readonly invoices: readonly Invoice[];
} {
  const acme = tenant === 'acme';
  const author = acme ? people.alice : people.bob;
  return {
    documents: [
      {
        id: 'doc-1',
        title: 'Roadmap',
        text: `The roadmap of ${tenant}`,
        author,
        classification: 'internal',
        sharedWith: [],
      },
      {
        id: 'doc-2',
        title: 'Salaries',
        text: `The salaries of ${tenant}`,
        author: 'hr',
        classification: 'secret',
        sharedWith: [],
      },
    ],
    tickets: [
      { id: 't-1', subject: `A printer of ${tenant} burns`, status: 'open', comments: [] },
      { id: 't-2', subject: `A door of ${tenant} squeaks`, status: 'open', comments: [] },
    ],
    invoices: [
      { id: 'inv-1', amount: acme ? 120 : 250, status: 'paid' },
      { id: 'inv-2', amount: acme ? 900 : 4800, status: 'paid' },
    ],
  };
}

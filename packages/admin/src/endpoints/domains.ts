import { z } from '@hono/zod-openapi';
import { actorOf } from '../actor.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import type { AdminDomains } from '../ports.js';
import { challengeSchema, domainListSchema, domainNameSchema, domainsView, newDomainSchema } from '../schema/domain.js';
import { noQuery, tenantIdSchema, tenantParams, timeOf } from '../schema/values.js';
import { currentTenant, subjectId } from '../subject.js';

const tag = 'domains';
type DomainParts = Parts & { readonly domains: AdminDomains };
const domainParams = z.strictObject({ tenant: tenantIdSchema, domain: domainNameSchema });

/** The domains of a tenant. They route its users to it, and authorize nobody. */
export function domainEndpoints(parts: DomainParts): readonly Endpoint[] {
  return [list(parts), claim(parts), verify(parts), release(parts)];
}

function list({ store, clock }: DomainParts): Endpoint {
  return endpoint({
    id: 'listDomains',
    method: 'get',
    path: '/tenants/{tenant}/domains',
    tag,
    summary: 'List a tenant’s domains and claims',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'All of them, by name.', schema: domainListSchema } },
    async handle(call) {
      const tenant = await currentTenant(store, call);
      return { status: 200, body: domainsView(tenant, await store.getDomainClaims(tenant.id), clock()) };
    },
  });
}

function claim({ domains, clock }: DomainParts): Endpoint {
  return endpoint({
    id: 'claimDomain',
    method: 'post',
    path: '/tenants/{tenant}/domains',
    tag,
    summary: 'Claim a domain',
    description: 'Publish the TXT record of the answer, and verify.',
    authorize: { on: 'tenant', action: 'settings:write', neverActing: true },
    params: tenantParams,
    query: noQuery,
    body: newDomainSchema,
    answers: { 201: { description: 'What to publish.', schema: challengeSchema } },
    errors: ['quota_exceeded'],
    async handle(call) {
      const actor = actorOf(call, 'settings:write', clock());
      const { domain, name, value, expiresAt } = await domains.claim(actor, subjectId(call), call.body.domain);
      return {
        status: 201,
        body: { domain, record: { type: 'TXT', name, value }, expiresAt: timeOf(expiresAt) },
      };
    },
  });
}

function verify({ domains, store, clock }: DomainParts): Endpoint {
  return endpoint({
    id: 'verifyDomain',
    method: 'post',
    path: '/tenants/{tenant}/domains/{domain}/verify',
    tag,
    summary: 'Prove a claim to a domain',
    authorize: { on: 'tenant', action: 'settings:write', neverActing: true },
    params: domainParams,
    query: noQuery,
    answers: { 200: { description: 'The tenant’s domains, this one among them.', schema: domainListSchema } },
    errors: ['domain_unverified'],
    async handle(call) {
      const actor = actorOf(call, 'settings:write', clock());
      await domains.verify(actor, subjectId(call), call.params.domain);
      const tenant = await currentTenant(store, call);
      return { status: 200, body: domainsView(tenant, await store.getDomainClaims(tenant.id), clock()) };
    },
  });
}

function release({ domains, clock }: DomainParts): Endpoint {
  return endpoint({
    id: 'releaseDomain',
    method: 'delete',
    path: '/tenants/{tenant}/domains/{domain}',
    tag,
    summary: 'Give a domain up, or a claim to one',
    authorize: { on: 'tenant', action: 'settings:write', neverActing: true },
    params: domainParams,
    query: noQuery,
    answers: { 204: { description: 'It is not the tenant’s.' } },
    async handle(call) {
      await domains.release(actorOf(call, 'settings:write', clock()), subjectId(call), call.params.domain);
      return { status: 204 };
    },
  });
}

import { z } from '@hono/zod-openapi';
import { isTenantId, PortcullisError, tenantId } from '@portcullis/core';
import { endpoint, type Endpoint } from '../endpoint.js';
import { paged } from '../paged.js';
import type { Parts } from '../parts.js';
import type { AdminOperators } from '../ports.js';
import { grantPageSchema, grantSchema, grantView, newGrantSchema } from '../schema/grant.js';
import { noQuery, pageQuery, tenantParams } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'operators';
type GrantParts = Parts & { readonly operators: AdminOperators };
const grantParams = z.strictObject({ grant: z.string().min(1).max(200) });
const grantQuery = z.strictObject({ ...pageQuery, limit: z.coerce.number().int().min(1).max(200).optional() });

/** Grants by which operators act in tenants. Their service decides on each, and keeps the operators' trail. */
export function grantEndpoints(parts: GrantParts): readonly Endpoint[] {
  return [own(parts), request(parts), approve(parts), revoke(parts), ofTenant(parts)];
}

function own({ operators, basePath }: GrantParts): Endpoint {
  return endpoint({
    id: 'listOwnGrants',
    method: 'get',
    path: '/operators/grants',
    tag,
    summary: 'List the grants that you asked for',
    authorize: { on: 'operator' },
    params: z.strictObject({}),
    query: grantQuery,
    answers: {
      200: { description: 'A page of grants, the newest first.', schema: grantPageSchema, headers: ['Link'] },
    },
    async handle({ caller, query }) {
      const page = await operators.grants(caller.identity, query);
      return paged({ grants: page.grants.map(grantView) }, `${basePath}/operators/grants`, query, page.cursor);
    },
  });
}

function request({ operators }: GrantParts): Endpoint {
  return endpoint({
    id: 'requestGrant',
    method: 'post',
    path: '/operators/grants',
    tag,
    summary: 'Ask for a grant to act in a tenant',
    description: 'The grant is bound to you and to the client. Name it in `X-Operator-Grant`.',
    authorize: { on: 'operator' },
    params: z.strictObject({}),
    query: noQuery,
    body: newGrantSchema,
    answers: { 201: { description: 'The grant.', schema: grantSchema } },
    errors: ['not_found', 'tenant_suspended', 'tenant_expired'],
    async handle({ caller, body, requestId }) {
      const wanted = { ...body, tenant: tenantId(body.tenant), requestId };
      const grant = await asNotFound(() => operators.requestGrant(caller.identity, wanted));
      return { status: 201, body: grantView(grant) };
    },
  });
}

function approve({ operators }: GrantParts): Endpoint {
  return endpoint({
    id: 'approveGrant',
    method: 'post',
    path: '/operators/grants/{grant}/approve',
    tag,
    summary: 'Approve another person’s break-glass grant',
    authorize: { on: 'operator' },
    params: grantParams,
    query: noQuery,
    answers: { 200: { description: 'The grant, which begins now.', schema: grantSchema } },
    errors: ['not_found', 'tenant_suspended', 'tenant_expired'],
    async handle({ caller, params, requestId }) {
      const grant = await asNotFound(() => operators.approve(caller.identity, params.grant, { requestId }));
      return { status: 200, body: grantView(grant) };
    },
  });
}

function revoke({ operators }: GrantParts): Endpoint {
  return endpoint({
    id: 'revokeGrant',
    method: 'delete',
    path: '/operators/grants/{grant}',
    tag,
    summary: 'End a grant',
    authorize: { on: 'operator' },
    params: grantParams,
    query: noQuery,
    answers: { 200: { description: 'The grant, ended.', schema: grantSchema } },
    errors: ['conflict'],
    async handle({ caller, params, requestId }) {
      return { status: 200, body: grantView(await operators.revoke(caller.identity, params.grant, { requestId })) };
    },
  });
}

function ofTenant({ operators, basePath }: GrantParts): Endpoint {
  return endpoint({
    id: 'listTenantGrants',
    method: 'get',
    path: '/tenants/{tenant}/grants',
    tag,
    summary: 'List the grants of operators on a tenant',
    authorize: { on: 'tenant', action: 'grants:read' },
    params: tenantParams,
    query: grantQuery,
    answers: {
      200: { description: 'A page of grants, the newest first.', schema: grantPageSchema, headers: ['Link'] },
    },
    async handle(call) {
      const tenant = subjectId(call);
      const { caller, query, requestId } = call;
      const page =
        caller.kind === 'member'
          ? await operators.tenantGrants(caller.context, query)
          : await operators.grantsOn(caller.identity, tenant, { ...query, requestId });
      const shown = page.grants.filter((grant) => isTenantId(grant.tenant) && grant.tenant === tenant);
      return paged({ grants: shown.map(grantView) }, `${basePath}/tenants/${tenant}/grants`, query, page.cursor);
    },
  });
}

/** An operator may know which tenants there are. */
async function asNotFound<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'tenant_unknown')
      throw new PortcullisError('not_found', undefined, { cause: error });
    throw error;
  }
}

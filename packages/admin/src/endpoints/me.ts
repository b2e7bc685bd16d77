import { z } from '@hono/zod-openapi';
import { isTenantId, PortcullisError, type Identity, type TenantId } from '@portcullis/core';
import { endpoint, type Endpoint, type Scene } from '../endpoint.js';
import type { Parts } from '../parts.js';
import { meSchema } from '../schema/me.js';
import { noQuery } from '../schema/values.js';

/** What a caller may know of itself. */
export function selfEndpoints(parts: Parts): readonly Endpoint[] {
  return [
    endpoint({
      id: 'getMe',
      method: 'get',
      path: '/me',
      tag: 'self',
      summary: 'Who am I, and in which tenants may I act?',
      authorize: { on: 'oneself' },
      params: z.strictObject({}),
      query: noQuery,
      answers: { 200: { description: 'The caller.', schema: meSchema } },
      async handle(call) {
        const { identity } = call.caller;
        const { key: id, provider, subject, kind, clientId } = identity;
        const tenants = await tenantsOf(parts, identity, call);
        return {
          status: 200,
          body: {
            id,
            provider,
            subject,
            kind,
            ...(clientId === undefined ? {} : { client: clientId }),
            operator: parts.operators?.isOperator(identity) ?? false,
            tenants,
          },
        };
      },
    }),
  ];
}

/** Each is asked of the resolver, as any request would: what is listed is what would be let in. */
async function tenantsOf(
  parts: Parts,
  identity: Identity,
  { requestId, header }: Scene,
): Promise<z.infer<typeof meSchema>['tenants']> {
  const memberships = await parts.store.getUserMemberships(identity.key);
  const named = new Set(memberships.slice(0, mostTenants).map(({ tenantId }) => tenantId));
  const unnamed = await standing(parts, identity, requestId, header('host'), undefined);
  const listed = await Promise.all(
    [...named].map((tenant) => standing(parts, identity, requestId, header('host'), tenant)),
  );
  const tenants = [...(unnamed === undefined ? [] : [unnamed]), ...listed.filter((each) => each !== undefined)];
  const byId = new Map(tenants.map((each) => [each.id, each]));
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const mostTenants = 100;

async function standing(
  { tenants, tenantHeader }: Parts,
  identity: Identity,
  requestId: string,
  host: string | undefined,
  wanted: TenantId | undefined,
): Promise<z.infer<typeof meSchema>['tenants'][number] | undefined> {
  try {
    const { tenant, membership } = await tenants.resolve({
      identity,
      requestId,
      host,
      header: (name) => (name === tenantHeader ? wanted : undefined),
    });
    return { id: tenant.id, name: tenant.name, roles: [...membership.roles], standing: 'good' };
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.httpStatus >= 500) throw error;
    if (wanted === undefined || !isTenantId(wanted)) return undefined;
    if (error.code === 'tenant_suspended') return { id: wanted, standing: 'suspended' };
    if (error.code === 'tenant_expired') return { id: wanted, standing: 'expired' };
    return undefined;
  }
}

import { z } from '@hono/zod-openapi';
import { PortcullisError, type AttributeValue, type TenantRole } from '@portcullis/core';
import { actorOf } from '../actor.js';
import { entityTag, tagged } from '../answer.js';
import { requireMatch } from '../conditional.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import type { AdminRoles } from '../ports.js';
import { roleBodySchema, roleListSchema, roleSchema, roleView } from '../schema/role.js';
import { noQuery, roleIdSchema, tenantIdSchema, tenantParams } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'roles';
const roleParams = z.strictObject({ tenant: tenantIdSchema, role: roleIdSchema });

type RoleParts = Parts & { readonly roles: AdminRoles };

/** Roles of a tenant's own. */
export function roleEndpoints(parts: RoleParts): readonly Endpoint[] {
  return [list(parts), read(parts), put(parts), remove(parts)];
}

function list({ store }: Parts): Endpoint {
  return endpoint({
    id: 'listRoles',
    method: 'get',
    path: '/tenants/{tenant}/roles',
    tag,
    summary: 'List the roles of a tenant’s own',
    authorize: { on: 'tenant', action: 'members:read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'All of them, by id.', schema: roleListSchema } },
    handle: async (call) => ({
      status: 200,
      body: { roles: (await store.getRoles(subjectId(call))).map(roleView) },
    }),
  });
}

function read({ store }: Parts): Endpoint {
  return endpoint({
    id: 'getRole',
    method: 'get',
    path: '/tenants/{tenant}/roles/{role}',
    tag,
    summary: 'Read a role of a tenant’s own',
    authorize: { on: 'tenant', action: 'members:read' },
    params: roleParams,
    query: noQuery,
    answers: { 200: { description: 'The role.', schema: roleSchema, headers: ['ETag'] } },
    async handle(call) {
      const role = await store.getRole(subjectId(call), call.params.role);
      if (role === undefined) throw new PortcullisError('not_found');
      return tagged(200, roleView(role));
    },
  });
}

function put({ store, roles, clock, basePath }: RoleParts): Endpoint {
  return endpoint({
    id: 'putRole',
    method: 'put',
    path: '/tenants/{tenant}/roles/{role}',
    tag,
    summary: 'Make or replace a role of a tenant’s own',
    description:
      'It narrows what its parent roles give, and never widens it; nobody makes one out of a role that it does not have. `If-None-Match: *` makes a new one; `If-Match` replaces the one that you read.',
    authorize: { on: 'tenant', action: 'roles:write', neverActing: true },
    conditional: 'match-or-new',
    params: roleParams,
    query: noQuery,
    body: roleBodySchema,
    answers: {
      200: { description: 'The role, replaced.', schema: roleSchema, headers: ['ETag'] },
      201: { description: 'The new role.', schema: roleSchema, headers: ['ETag', 'Location'] },
    },
    errors: ['role_invalid', 'conflict'],
    async handle(call) {
      const tenant = subjectId(call);
      const { role: roleId } = call.params;
      const known = await store.getRole(tenant, roleId);
      const before = known === undefined ? undefined : roleView(known);
      const ifMatch = call.header('if-match');
      if (ifMatch === undefined) {
        if (known !== undefined) throw new PortcullisError('precondition_failed');
      } else requireMatch(ifMatch, before === undefined ? undefined : entityTag(before.version, before));
      const role = { tenantId: tenant, roleId, ...call.body, permissions: permissionsOf(call.body.permissions) };
      const actor = actorOf(call, 'roles:write', clock());
      const kept = await roles.put(actor, role, { ifVersion: known?.version ?? 0 });
      const view = tagged(known === undefined ? 201 : 200, roleView(kept));
      return known === undefined
        ? { ...view, headers: { location: `${basePath}/tenants/${tenant}/roles/${roleId}` } }
        : view;
    },
  });
}

function remove({ store, roles, clock }: RoleParts): Endpoint {
  return endpoint({
    id: 'deleteRole',
    method: 'delete',
    path: '/tenants/{tenant}/roles/{role}',
    tag,
    summary: 'Remove a role of a tenant’s own',
    authorize: { on: 'tenant', action: 'roles:write', neverActing: true },
    conditional: 'match',
    params: roleParams,
    query: noQuery,
    answers: { 204: { description: 'It is gone.' } },
    errors: ['conflict'],
    async handle(call) {
      const tenant = subjectId(call);
      const { role: roleId } = call.params;
      const known = await store.getRole(tenant, roleId);
      if (known === undefined) throw new PortcullisError('not_found');
      requireMatch(call.header('if-match'), entityTag(known.version, roleView(known)));
      await roles.remove(actorOf(call, 'roles:write', clock()), tenant, roleId, { ifVersion: known.version });
      return { status: 204 };
    },
  });
}

/** Conditions came as JSON, and are the store's to judge. */
function permissionsOf(permissions: z.output<typeof roleBodySchema>['permissions']): TenantRole['permissions'] {
  return permissions.map(({ resource, action, conditions }) => ({
    resource,
    action,
    ...(conditions === undefined ? {} : { conditions: conditions as Readonly<Record<string, AttributeValue>> }),
  }));
}

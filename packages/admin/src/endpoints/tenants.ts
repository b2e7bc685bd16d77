import { z } from '@hono/zod-openapi';
import { PortcullisError, tenantId, type Tenant } from '@portcullis/core';
import type { NewTenant } from '@portcullis/tenants';
import { entityTag, tagged } from '../answer.js';
import { change } from '../change.js';
import { requireMatch } from '../conditional.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import { paged } from '../paged.js';
import type { Parts } from '../parts.js';
import { currentTenant, subjectId } from '../subject.js';
import {
  newTenantSchema,
  statusOf,
  statusSchema,
  statusView,
  statusViewSchema,
  tenantPageSchema,
  tenantPatchSchema,
  tenantSchema,
  tenantView,
} from '../schema/tenant.js';
import { dryRunSchema, noQuery, pageQuery, tenantParams } from '../schema/values.js';
import { jobPlanSchema, jobSchema } from '../schema/job.js';
import { deprovision, provision } from './jobs.js';

const tag = 'tenants';
const listQuery = z.strictObject({
  ...pageQuery,
  state: z.enum(['active', 'suspended', 'trial']).optional(),
  plan: z.string().min(1).max(100).optional(),
  search: z.string().min(1).max(200).optional().openapi({ description: 'A part of the id or the name.' }),
  orderBy: z.enum(['id', 'name', 'createdAt']).optional(),
  direction: z.enum(['asc', 'desc']).optional(),
});

/** The tenants themselves. */
export function tenantEndpoints(parts: Parts): readonly Endpoint[] {
  return [list(parts), create(parts), read(parts), update(parts), remove(parts), readStatus(parts), putStatus(parts)];
}

function list({ store, basePath }: Parts): Endpoint {
  return endpoint({
    id: 'listTenants',
    method: 'get',
    path: '/tenants',
    tag,
    summary: 'List all tenants',
    authorize: { on: 'platform', action: 'tenants:list' },
    params: z.strictObject({}),
    query: listQuery,
    answers: { 200: { description: 'A page of tenants.', schema: tenantPageSchema, headers: ['Link'] } },
    async handle({ query }) {
      const page = await store.listTenants(query);
      return paged({ tenants: page.tenants.map(tenantView) }, `${basePath}/tenants`, query, page.cursor);
    },
  });
}

function create(parts: Parts): Endpoint {
  const { store, record, basePath } = parts;
  return endpoint({
    id: 'createTenant',
    method: 'post',
    path: '/tenants',
    tag,
    summary: 'Create a tenant',
    description:
      'Where the platform has storage to provision, this starts a job (202) and the tenant is registered by its last step; elsewhere the tenant is registered at once (201). It has no members, and no identity provider is bound to it, until you say so.',
    authorize: { on: 'platform', action: 'provision' },
    params: z.strictObject({}),
    query: z.strictObject({ dryRun: dryRunSchema }),
    body: newTenantSchema,
    answers: {
      200: { description: 'A dry run: what would be done.', schema: z.union([tenantSchema, jobPlanSchema]) },
      201: { description: 'The tenant.', schema: tenantSchema, headers: ['Location', 'ETag'] },
      202: { description: 'The job that makes it.', schema: jobSchema, headers: ['Location'] },
    },
    errors: ['storage_refused', 'storage_unavailable', 'storage_conflict', 'storage_not_provisioned', 'limit_exceeded'],
    async handle(call) {
      const { body, query } = call;
      const tenant = newTenantOf(parts, body);
      const isDryRun = query.dryRun === 'true';
      if (parts.lifecycle !== undefined) return provision(parts, call, tenant, isDryRun);
      // Before it is recorded: the trail of the tenant that is there must not tell of its creation.
      if ((await store.getTenant(tenant.id)) !== undefined)
        throw new PortcullisError('conflict', `tenant \`${tenant.id}\` exists`);
      if (isDryRun) return { status: 200, body: { ...tenantView(draft(tenant)), version: 0 } };
      const made = await change(
        record,
        call,
        { action: 'tenant.create', target: tenant.id, tenant: tenant.id, before: null, after: body },
        () => store.createTenant(tenant),
      );
      return { ...tagged(201, tenantView(made)), headers: { location: `${basePath}/tenants/${made.id}` } };
    },
  });
}

function newTenantOf(parts: Parts, body: z.output<typeof newTenantSchema>): NewTenant {
  requirePlan(parts, body.plan);
  return {
    id: tenantId(body.id),
    name: body.name,
    ...(body.plan === undefined ? {} : { plan: body.plan }),
    ...(body.status === undefined ? {} : { status: statusOf(body.status) }),
    ...(body.isolation === undefined ? {} : { settings: { isolation: body.isolation } }),
  };
}

/** A tenant that is not there, as it would be: with the store's defaults. */
function draft(tenant: NewTenant): Tenant {
  const now = Date.now();
  return {
    domains: [],
    status: { state: 'active' },
    plan: 'free',
    ...tenant,
    settings: { features: {}, limits: {}, quotas: {}, identityProviders: [], isolation: 'prefix', ...tenant.settings },
    createdAt: now,
    updatedAt: now,
    version: 0,
  };
}

function read({ store }: Parts): Endpoint {
  return endpoint({
    id: 'getTenant',
    method: 'get',
    path: '/tenants/{tenant}',
    tag,
    summary: 'Read a tenant',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'The tenant.', schema: tenantSchema, headers: ['ETag'] } },
    handle: async (call) => tagged(200, tenantView(await currentTenant(store, call))),
  });
}

function update(parts: Parts): Endpoint {
  const { store, record } = parts;
  return endpoint({
    id: 'updateTenant',
    method: 'patch',
    path: '/tenants/{tenant}',
    tag,
    summary: 'Change a tenant’s name or plan',
    description: 'A JSON merge patch: what is absent stays. Neither member can be removed.',
    authorize: { on: 'tenant', action: 'update', neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: noQuery,
    body: tenantPatchSchema,
    answers: { 200: { description: 'The tenant, changed.', schema: tenantSchema, headers: ['ETag'] } },
    async handle(call) {
      const { body } = call;
      requirePlan(parts, body.plan);
      const tenant = await currentTenant(store, call);
      const before = tenantView(tenant);
      requireMatch(call.header('if-match'), entityTag(tenant.version, before));
      const update = {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.plan === undefined ? {} : { plan: body.plan }),
      };
      const changed = await change(
        record,
        call,
        { action: 'tenant.update', target: tenant.id, tenant: tenant.id, before, after: { ...before, ...update } },
        () => store.updateTenant(tenant.id, update, { ifVersion: tenant.version }),
      );
      return tagged(200, tenantView(changed));
    },
  });
}

function remove(parts: Parts): Endpoint {
  const { store, record } = parts;
  return endpoint({
    id: 'deleteTenant',
    method: 'delete',
    path: '/tenants/{tenant}',
    tag,
    summary: 'Delete a tenant',
    description:
      'Where the platform has storage, this starts its deprovisioning (202): the tenant is suspended and archived, and its data is deleted when the retention is over and the request is sent again. Elsewhere the record and all that belongs to it is deleted at once (204); the tenant has to be suspended before.',
    authorize: { on: 'tenant', action: 'delete', neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: z.strictObject({ dryRun: dryRunSchema }),
    answers: {
      200: { description: 'A dry run: what would be done.', schema: z.union([tenantSchema, jobPlanSchema]) },
      202: { description: 'The job that ends it.', schema: jobSchema, headers: ['Location'] },
      204: { description: 'It is deleted.' },
    },
    errors: ['conflict', 'storage_refused', 'storage_unavailable', 'storage_conflict', 'storage_not_provisioned'],
    async handle(call) {
      const isDryRun = call.query.dryRun === 'true';
      const tenant = await currentTenant(store, call);
      const before = tenantView(tenant);
      requireMatch(call.header('if-match'), entityTag(tenant.version, before));
      if (parts.lifecycle !== undefined) return deprovision(parts, call, isDryRun);
      if (tenant.status.state !== 'suspended')
        throw new PortcullisError('conflict', 'suspend the tenant before you delete it');
      if (isDryRun) return { status: 200, body: before };
      await change(
        record,
        call,
        { action: 'tenant.delete', target: tenant.id, tenant: tenant.id, before, after: null },
        () => store.deleteTenant(tenant.id, { ifVersion: tenant.version }),
      );
      return { status: 204 };
    },
  });
}

function readStatus({ store }: Parts): Endpoint {
  return endpoint({
    id: 'getTenantStatus',
    method: 'get',
    path: '/tenants/{tenant}/status',
    tag,
    summary: 'Read whether a tenant may work',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'The status.', schema: statusViewSchema, headers: ['ETag'] } },
    async handle(call) {
      const { status, version } = await currentTenant(store, call);
      return tagged(200, { status: statusView(status), version });
    },
  });
}

function putStatus({ store, record }: Parts): Endpoint {
  return endpoint({
    id: 'putTenantStatus',
    method: 'put',
    path: '/tenants/{tenant}/status',
    tag,
    summary: 'Suspend a tenant, or let it work',
    description:
      'A suspended tenant is refused from the next request on, on this replica; on others, and in open sessions, within the bounds of the registry’s cache and the gate’s recheck.',
    authorize: { on: 'tenant', action: 'suspend', neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: noQuery,
    body: statusSchema,
    answers: { 200: { description: 'The status, changed.', schema: statusViewSchema, headers: ['ETag'] } },
    async handle(call) {
      const tenant = await currentTenant(store, call);
      const before = { status: statusView(tenant.status), version: tenant.version };
      requireMatch(call.header('if-match'), entityTag(tenant.version, before));
      const changed = await change(
        record,
        call,
        {
          action: 'tenant.status',
          target: tenant.id,
          tenant: tenant.id,
          before: before.status,
          after: call.body,
        },
        () => store.updateTenant(subjectId(call), { status: statusOf(call.body) }, { ifVersion: tenant.version }),
      );
      return tagged(200, { status: statusView(changed.status), version: changed.version });
    },
  });
}

/** A misspelt plan would stop a tenant's calls: it is refused where plans are known. */
function requirePlan({ plans }: Parts, plan: string | undefined): void {
  if (plan === undefined || plans === undefined || Object.hasOwn(plans, plan)) return;
  throw new PortcullisError('request_invalid', `body.plan: \`${plan}\` is none of the plans`, {
    data: { field: 'body.plan' },
  });
}

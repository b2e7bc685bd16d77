import { z } from '@hono/zod-openapi';
import type { Tenant, TenantStatus } from '@portcullis/core';
import { nameSchema, nextCursorSchema, tenantIdSchema, timeOf, timeSchema, versionSchema } from './values.js';

const planSchema = z.string().min(1).max(100).openapi({ example: 'pro' });
const isolationSchema = z.enum(['row_level_security', 'schema_per_tenant', 'prefix']);

/** The life of a tenant, as it is sent. */
export const statusSchema = z
  .discriminatedUnion('state', [
    z.strictObject({ state: z.literal('active') }),
    z.strictObject({ state: z.literal('suspended'), reason: z.string().max(500).optional() }),
    z.strictObject({ state: z.literal('trial'), expiresAt: timeSchema }),
  ])
  .openapi('TenantStatus');

/** A tenant, as it is shown. */
export const tenantSchema = z
  .strictObject({
    id: tenantIdSchema,
    name: nameSchema,
    domains: z.array(z.string()),
    status: statusSchema,
    plan: planSchema,
    isolation: isolationSchema,
    createdAt: timeSchema,
    updatedAt: timeSchema,
    version: versionSchema,
  })
  .openapi('Tenant');

/** A page of tenants. */
export const tenantPageSchema = z
  .strictObject({ tenants: z.array(tenantSchema), nextCursor: nextCursorSchema })
  .openapi('TenantPage');

/** What a new tenant is made from. */
export const newTenantSchema = z
  .strictObject({
    id: tenantIdSchema,
    name: nameSchema,
    plan: planSchema.optional(),
    isolation: isolationSchema.optional(),
    status: statusSchema.optional(),
  })
  .openapi('NewTenant');

/** What may be changed of the record itself. */
export const tenantPatchSchema = z
  .strictObject({ name: nameSchema.optional(), plan: planSchema.optional() })
  .openapi('TenantPatch');

/** A tenant's status by itself. */
export const statusViewSchema = z
  .strictObject({ status: statusSchema, version: versionSchema })
  .openapi('TenantStatusView');

/** A tenant, for people and programs to read. */
export function tenantView(tenant: Tenant): z.infer<typeof tenantSchema> {
  return {
    id: tenant.id,
    name: tenant.name,
    domains: [...tenant.domains],
    status: statusView(tenant.status),
    plan: tenant.plan,
    isolation: tenant.settings.isolation,
    createdAt: timeOf(tenant.createdAt),
    updatedAt: timeOf(tenant.updatedAt),
    version: tenant.version,
  };
}

/** A status, for people and programs to read. */
export function statusView(status: TenantStatus): z.infer<typeof statusSchema> {
  switch (status.state) {
    case 'active':
      return { state: 'active' };
    case 'suspended':
      return { state: 'suspended', ...(status.reason === undefined ? {} : { reason: status.reason }) };
    case 'trial':
      return { state: 'trial', expiresAt: timeOf(status.expiresAt) };
  }
}

/** A status, as it is kept. */
export function statusOf(status: z.infer<typeof statusSchema>): TenantStatus {
  return status.state === 'trial' ? { state: 'trial', expiresAt: Date.parse(status.expiresAt) } : status;
}

import { z } from '@hono/zod-openapi';
import type { AdminGrant } from '../ports.js';
import { nextCursorSchema, tenantIdSchema, timeOf, timeSchema } from './values.js';

const kindSchema = z
  .enum(['support', 'break_glass'])
  .openapi({ description: '`support` holds at once; `break_glass` when another person has approved it.' });
const reasonSchema = z.string().min(1).max(500);

/** What an operator asks for. */
export const newGrantSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    kind: kindSchema,
    reason: reasonSchema.openapi({ description: 'The tenant’s administrators read it.' }),
    ttlMs: z.number().int().min(1).max(86_400_000).optional(),
    client: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .openapi({ description: 'The client that it will be used with. Without: the one that asks for it.' }),
  })
  .openapi('NewGrant');

/** A grant, as it is shown. */
export const grantSchema = z
  .strictObject({
    id: z.string(),
    kind: kindSchema,
    tenant: tenantIdSchema,
    operator: z.string(),
    client: z.string().optional(),
    reason: z.string(),
    state: z.enum(['pending', 'active', 'lapsed', 'revoked', 'ended']),
    ttlMs: z.number().int(),
    requestedAt: timeSchema,
    approveBy: timeSchema.optional(),
    approvedBy: z.string().optional(),
    startsAt: timeSchema.optional(),
    expiresAt: timeSchema.optional(),
    revokedBy: z.string().optional(),
    revokedAt: timeSchema.optional(),
    uses: z.number().int(),
  })
  .openapi('Grant');

/** A page of grants. */
export const grantPageSchema = z
  .strictObject({ grants: z.array(grantSchema), nextCursor: nextCursorSchema })
  .openapi('GrantPage');

/** A grant, for people and programs to read. */
export function grantView(grant: AdminGrant): z.infer<typeof grantSchema> {
  const { client, approveBy, approvedBy, startsAt, expiresAt, revokedBy, revokedAt } = grant;
  return {
    id: grant.id,
    kind: grant.kind,
    tenant: grant.tenant,
    operator: grant.operator,
    ...(client === undefined ? {} : { client }),
    reason: grant.reason,
    state: grant.state,
    ttlMs: grant.ttlMs,
    requestedAt: timeOf(grant.requestedAt),
    ...(approveBy === undefined ? {} : { approveBy: timeOf(approveBy) }),
    ...(approvedBy === undefined ? {} : { approvedBy }),
    ...(startsAt === undefined ? {} : { startsAt: timeOf(startsAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: timeOf(expiresAt) }),
    ...(revokedBy === undefined ? {} : { revokedBy }),
    ...(revokedAt === undefined ? {} : { revokedAt: timeOf(revokedAt) }),
    uses: grant.uses,
  };
}

import { z } from 'zod';
import { isTenantId, type TenantId } from '@portcullis/core';
import type { GrantRecord } from './grant.js';

const text = z.string().min(1).max(1000);
const time = z.number().int().nonnegative();

/** A grant's id: 192 random bits. */
export const grantIdPattern = /^[\w-]{32}$/;

/** Where a page ends. */
export const placePattern = /^\d{16}:[\w-]{32}$/;

/** Reads a kept grant. What is not one, or has begun without what its kind needs, does not parse. */
export const grantRecord: z.ZodType<GrantRecord> = z
  .strictObject({
    id: z.string().regex(grantIdPattern),
    kind: z.enum(['support', 'break_glass']),
    tenant: z.custom<TenantId>(isTenantId),
    operator: z.strictObject({ key: text, subject: text, sub: text, email: text.optional() }),
    client: text.optional(),
    reason: text,
    ttlMs: z.number().int().positive(),
    requestedAt: time,
    approveBy: time.optional(),
    approvedBy: text.optional(),
    startsAt: time.optional(),
    expiresAt: time.optional(),
    revokedBy: text.optional(),
    revokedAt: time.optional(),
    version: z.number().int().positive(),
  })
  .refine((record) => (record.startsAt === undefined) === (record.expiresAt === undefined), 'half begun')
  .refine((record) => record.kind === 'break_glass' || record.startsAt !== undefined, 'support that has not begun')
  .refine(
    (record) => record.kind === 'support' || record.startsAt === undefined || record.approvedBy !== undefined,
    'begun without approval',
  );

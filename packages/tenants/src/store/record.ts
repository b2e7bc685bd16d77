import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { isTenantId, PortcullisError, type Membership, type Tenant, type TenantId } from '@portcullis/core';
import type { DomainClaim } from '../membership/domain-claim.js';
import type { Invitation } from '../membership/invitation.js';

/**
 * Whether every store can keep a text as it is. A lone surrogate has no UTF-8 form: two ids with different ones would
 * become the same. PostgreSQL cannot store NUL.
 */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && !/\p{Surrogate}/u.test(text);
}

const text = (max: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value === value.trim(), 'has white space around it');
/** Text that records are found by: short enough for an index of PostgreSQL, which takes 2704 bytes in all. */
const keyText = (maxBytes: number): z.ZodString =>
  text(maxBytes).refine((value) => Buffer.byteLength(value) <= maxBytes, `has more than ${String(maxBytes)} bytes`);
const id = z.custom<TenantId>(isTenantId, 'is not a well-formed tenant id');
const instant = z.number().int().min(0).max(8.64e15);
const count = z.number().int().min(0);

/** A domain name in lower-case ASCII form, of at least two labels. */
const domainSchema = z.string().transform((value, context) => {
  const domain = normalDomain(value);
  if (domain !== undefined) return domain;
  context.addIssue({ code: 'custom', message: 'is not a domain name' });
  return z.NEVER;
});

/** The canonical form of a domain name; `undefined` when it is none. */
export function normalDomain(value: string): string | undefined {
  const ascii = domainToASCII(value.replace(/\.$/, '')).toLowerCase();
  return /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/.test(ascii)
    ? ascii
    : undefined;
}

const status = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('active') }),
  z.strictObject({ state: z.literal('suspended'), reason: z.string().max(500).optional() }),
  z.strictObject({ state: z.literal('trial'), expiresAt: instant }),
]);

const binding = z.strictObject({
  provider: keyText(1000),
  tenantHint: keyText(1000).optional(),
  membership: z.enum(['required', 'token']).optional(),
  roles: z.record(z.string().min(1), z.string().min(1)).optional(),
});

const settings = z.strictObject({
  allowedTools: z.array(z.string().min(1)).optional(),
  features: z.record(z.string(), z.boolean()),
  limits: z.strictObject({
    requestsPerMinute: count.optional(),
    requestsPerDay: count.optional(),
    concurrentCalls: count.optional(),
    userRequestsPerMinute: count.optional(),
    userRequestsPerDay: count.optional(),
    userConcurrentCalls: count.optional(),
  }),
  quotas: z.strictObject({
    maxUsers: count.optional(),
    maxSessionsPerUser: count.optional(),
    callsPerMonth: count.optional(),
  }),
  isolation: z.enum(['row_level_security', 'schema_per_tenant', 'prefix']),
  identityProviders: z.array(binding).max(100),
});

/** A tenant record, as it is stored. */
export const tenantSchema: z.ZodType<Tenant> = z.strictObject({
  id,
  name: text(200),
  domains: z.array(domainSchema).max(100),
  status,
  plan: text(100),
  settings,
  createdAt: instant,
  updatedAt: instant,
  version: z.number().int().min(1).default(1),
});

const roleId = z.string().regex(/^[\w-]{1,100}$/, 'a role is 1 to 100 letters, digits, "-" or "_"');

/** A membership record, as it is stored. */
export const membershipSchema: z.ZodType<Membership> = z.strictObject({
  tenantId: id,
  userId: keyText(1000),
  roles: z.array(roleId).max(100),
  joinedAt: instant,
  version: z.number().int().min(1).default(1),
});

/** An invitation, as it is stored. */
export const invitationSchema: z.ZodType<Invitation> = z.strictObject({
  tenantId: id,
  id: keyText(200),
  email: text(320),
  roles: z.array(roleId).max(100),
  invitedBy: text(1000),
  secretHash: text(200),
  createdAt: instant,
  expiresAt: instant,
});

/** A domain claim, as it is stored. */
export const domainClaimSchema: z.ZodType<DomainClaim> = z.strictObject({
  tenantId: id,
  domain: domainSchema,
  challenge: text(500),
  createdAt: instant,
  expiresAt: instant,
});

/** What a new tenant is made from; everything else has a default that gives nothing away. */
export type NewTenant = Pick<Tenant, 'id' | 'name'> &
  Partial<Omit<Tenant, 'id' | 'name' | 'settings' | 'createdAt' | 'updatedAt' | 'version'>> & {
    readonly settings?: Partial<Tenant['settings']> | undefined;
  };

/** What may be changed of a tenant. A member of `settings` replaces the one of that name. */
export type TenantUpdate = Partial<Omit<Tenant, 'id' | 'settings' | 'createdAt' | 'updatedAt' | 'version'>> & {
  readonly settings?: Partial<Tenant['settings']> | undefined;
};

/**
 * Makes a complete tenant record.
 *
 * @param now - in milliseconds since the Unix epoch
 * @throws PortcullisError `request_invalid`, which names the member
 */
export function newTenant(input: NewTenant, now: number): Tenant {
  return parseInput(tenantSchema, {
    domains: [],
    status: { state: 'active' },
    plan: 'free',
    ...input,
    settings: { features: {}, limits: {}, quotas: {}, isolation: 'prefix', identityProviders: [], ...input.settings },
    createdAt: now,
    updatedAt: now,
    version: 1,
  });
}

/** A tenant record after an update. @throws PortcullisError `request_invalid`, which names the member */
export function updatedTenant(tenant: Tenant, update: TenantUpdate, now: number): Tenant {
  return parseInput(tenantSchema, {
    ...tenant,
    ...update,
    id: tenant.id,
    createdAt: tenant.createdAt,
    settings: { ...tenant.settings, ...update.settings },
    updatedAt: Math.max(now, tenant.updatedAt),
    version: tenant.version + 1,
  });
}

/** Parses what a caller wants stored. @throws PortcullisError `request_invalid`, or the given code; it names the member */
export function parseInput<T>(
  schema: z.ZodType<T>,
  value: unknown,
  code: 'request_invalid' | 'role_invalid' = 'request_invalid',
): T {
  const parsed = schema.safeParse(value);
  const issue = parsed.success ? unstorable(parsed.data) : parsed.error.issues[0];
  if (parsed.success && issue === undefined) return parsed.data;
  const field = issue?.path.map(String).join('.') ?? '';
  throw new PortcullisError(code, `${field === '' ? 'the record' : field}: ${issue?.message ?? 'is malformed'}`, {
    data: { field },
  });
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The first text in a record, names of members included, that not every store can keep. */
function unstorable(value: unknown, path: readonly PropertyKey[] = []): Issue | undefined {
  if (typeof value === 'string')
    return isStorable(value) ? undefined : { path, message: 'has a character that cannot be stored' };
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    if (!isStorable(name)) return { path, message: 'has a member whose name cannot be stored' };
    const issue = unstorable(member, [...path, name]);
    if (issue !== undefined) return issue;
  }
  return undefined;
}

/** Parses what a backend returned. A record that is not one is a failure of the store, and never a miss. */
export function parseStored<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new PortcullisError('store_unavailable', undefined, {
    detail: `a stored record is malformed: ${z.prettifyError(parsed.error)}`,
  });
}

import { z } from '@hono/zod-openapi';
import { allowanceOf, type IdentityProviderBinding, type Tenant, type TenantPlans } from '@portcullis/core';
import { countSchema, versionSchema } from './values.js';

const bindingSchema = z
  .strictObject({
    provider: z.string().min(1).max(500),
    tenantHint: z.string().min(1).max(500).optional(),
    membership: z.enum(['required', 'token']).optional(),
    roles: z.record(z.string().min(1).max(500), z.string().min(1).max(100)).optional(),
  })
  .openapi('IdentityProviderBinding');

/** Who may speak for the tenant, as it is shown. */
export const oauthSchema = z
  .strictObject({ identityProviders: z.array(bindingSchema).max(100), version: versionSchema })
  .openapi('OAuthSettings');

/** A merge patch: an array is replaced as a whole. */
export const oauthPatchSchema = z
  .strictObject({ identityProviders: z.array(bindingSchema).max(100) })
  .openapi('OAuthSettingsPatch');

const toolSchema = z.string().min(1).max(200);
const featureSchema = z.string().min(1).max(100);

/** What the tenant has, as it is shown. */
export const featuresSchema = z
  .strictObject({
    allowedTools: z
      .array(toolSchema)
      .optional()
      .openapi({ description: 'The tools that the tenant has. Absent: all of them. Empty: none.' }),
    features: z.record(featureSchema, z.boolean()),
    version: versionSchema,
  })
  .openapi('Features');

/** A merge patch: what is absent stays, `null` removes. */
export const featuresPatchSchema = z
  .strictObject({
    allowedTools: z.array(toolSchema).max(1000).nullable().optional().openapi({
      description:
        'Absent: as it was. An array: exactly these, none when it is empty. `null`: no list, and so all tools.',
    }),
    features: z
      .record(featureSchema, z.boolean().nullable())
      .optional()
      .openapi({ description: 'Flag by flag: absent stays, `null` removes the flag.' }),
  })
  .openapi('FeaturesPatch');

const limitNames = [
  'requestsPerMinute',
  'requestsPerDay',
  'concurrentCalls',
  'userRequestsPerMinute',
  'userRequestsPerDay',
  'userConcurrentCalls',
] as const;
const quotaNames = ['maxUsers', 'maxSessionsPerUser', 'callsPerMonth'] as const;

const limitsSchema = z
  .strictObject({
    requestsPerMinute: countSchema.optional(),
    requestsPerDay: countSchema.optional(),
    concurrentCalls: countSchema.optional(),
    userRequestsPerMinute: countSchema.optional(),
    userRequestsPerDay: countSchema.optional(),
    userConcurrentCalls: countSchema.optional(),
  })
  .openapi('Limits');
const quotasOnlySchema = z
  .strictObject({
    maxUsers: countSchema.optional(),
    maxSessionsPerUser: countSchema.optional(),
    callsPerMonth: countSchema.optional(),
  })
  .openapi('Quotas');
const patched = countSchema.nullable().optional();

/** Limits and quotas: the tenant's own, and what holds with its plan. */
export const quotasSchema = z
  .strictObject({
    limits: limitsSchema.openapi({ description: 'The tenant’s own.' }),
    quotas: quotasOnlySchema,
    effective: z
      .strictObject({ limits: limitsSchema, quotas: quotasOnlySchema })
      .openapi({ description: 'What holds: the tenant’s own, and its plan’s where it has none. Absent: not limited.' }),
    plan: z.string(),
    version: versionSchema,
  })
  .openapi('QuotasView');

/** A merge patch: what is absent stays, `null` gives the plan's back. */
export const quotasPatchSchema = z
  .strictObject({
    limits: z
      .strictObject({
        requestsPerMinute: patched,
        requestsPerDay: patched,
        concurrentCalls: patched,
        userRequestsPerMinute: patched,
        userRequestsPerDay: patched,
        userConcurrentCalls: patched,
      })
      .optional(),
    quotas: z.strictObject({ maxUsers: patched, maxSessionsPerUser: patched, callsPerMonth: patched }).optional(),
  })
  .openapi('QuotasPatch');

/** Who may speak for the tenant. */
export function oauthView({ settings, version }: Tenant): z.infer<typeof oauthSchema> {
  return { identityProviders: settings.identityProviders.map(bindingView), version };
}

function bindingView(binding: IdentityProviderBinding): z.infer<typeof bindingSchema> {
  const { provider, tenantHint, membership, roles } = binding;
  return {
    provider,
    ...(tenantHint === undefined ? {} : { tenantHint }),
    ...(membership === undefined ? {} : { membership }),
    ...(roles === undefined ? {} : { roles: { ...roles } }),
  };
}

/** What the tenant has. */
export function featuresView({ settings, version }: Tenant): z.infer<typeof featuresSchema> {
  return {
    ...(settings.allowedTools === undefined ? {} : { allowedTools: [...settings.allowedTools] }),
    features: { ...settings.features },
    version,
  };
}

/** Limits and quotas. */
export function quotasView(tenant: Tenant, plans: TenantPlans | undefined): z.infer<typeof quotasSchema> {
  const { limits, quotas } = tenant.settings;
  const allowance = allowanceOf(tenant, plans);
  return {
    limits: only(limits, limitNames),
    quotas: only(quotas, quotaNames),
    effective: { limits: only(allowance.limits, limitNames), quotas: only(allowance.quotas, quotaNames) },
    plan: tenant.plan,
    version: tenant.version,
  };
}

/** The named members that are there, in this order. */
function only<Name extends string>(
  members: Readonly<Partial<Record<Name, number | undefined>>>,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  const view: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const value = members[name];
    if (value !== undefined) view[name] = value;
  }
  return view;
}

/** Applies a merge patch to an object of plain values. @see RFC 7396 */
export function merged<T>(
  target: Readonly<Record<string, T | undefined>>,
  patch: Readonly<Record<string, T | null | undefined>> | undefined,
): Record<string, T> {
  const result = new Map<string, T>();
  for (const [name, value] of Object.entries(target)) if (value !== undefined) result.set(name, value);
  for (const [name, value] of Object.entries(patch ?? {})) {
    if (value === null) result.delete(name);
    else if (value !== undefined) result.set(name, value);
  }
  return Object.fromEntries(result);
}

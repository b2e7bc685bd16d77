import { z } from '@hono/zod-openapi';
import type { Tenant } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import { timeOf, timeSchema } from './values.js';

/** The name of a domain, in any spelling. */
export const domainNameSchema = z.string().min(1).max(253).openapi({ example: 'acme.example' });

/** What claims a domain. */
export const newDomainSchema = z.strictObject({ domain: domainNameSchema }).openapi('NewDomain');

/** What has to be published to prove it. */
export const challengeSchema = z
  .strictObject({
    domain: z.string(),
    record: z.strictObject({ type: z.literal('TXT'), name: z.string(), value: z.string() }),
    expiresAt: timeSchema,
  })
  .openapi('DomainChallenge');

/** The domains of a tenant, and its claims to others. */
export const domainListSchema = z
  .strictObject({
    domains: z.array(
      z.strictObject({
        domain: z.string(),
        state: z.enum(['verified', 'claimed', 'expired']),
        expiresAt: timeSchema
          .optional()
          .openapi({ description: 'Until when the claim waits for its proof, or the proof holds.' }),
      }),
    ),
  })
  .openapi('DomainList');

type Claims = Awaited<ReturnType<TenantStore['getDomainClaims']>>;

/** The domains of a tenant, for people and programs to read. */
export function domainsView(tenant: Tenant, claims: Claims, now: number): z.infer<typeof domainListSchema> {
  const claimed = new Map(claims.map((claim) => [claim.domain, claim.expiresAt]));
  const verified = tenant.domains.map((domain) => {
    const expiresAt = claimed.get(domain);
    return { domain, state: 'verified' as const, ...(expiresAt === undefined ? {} : { expiresAt: timeOf(expiresAt) }) };
  });
  const open = claims
    .filter(({ domain }) => !tenant.domains.includes(domain))
    .map(({ domain, expiresAt }) => ({
      domain,
      state: now < expiresAt ? ('claimed' as const) : ('expired' as const),
      expiresAt: timeOf(expiresAt),
    }));
  return { domains: [...verified, ...open].sort((a, b) => (a.domain < b.domain ? -1 : 1)) };
}

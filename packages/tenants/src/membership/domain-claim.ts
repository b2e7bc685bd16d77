import type { TenantId } from '@portcullis/core';

/** A tenant's claim to a domain name. It gives nothing until a TXT record proves it. */
export interface DomainClaim {
  readonly tenantId: TenantId;
  /** In lower-case ASCII form. */
  readonly domain: string;
  /** What the TXT record has to say. Random, and known to this tenant alone. */
  readonly challenge: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch: an old claim has to be made anew. */
  readonly expiresAt: number;
}

import type { TenantId } from '@portcullis/core';

/** An offer of membership to whoever holds its secret and has the address. The secret itself is kept nowhere. */
export interface Invitation {
  readonly tenantId: TenantId;
  /** Random, and no secret. */
  readonly id: string;
  /** The address that the invited person's identity provider has to vouch for, in lower case. */
  readonly email: string;
  readonly roles: readonly string[];
  /** `Identity.key` of who invited; after `#operator:` for an operator; `#system:` and the name for a system. */
  readonly invitedBy: string;
  /** SHA-256 of the secret, base64url. */
  readonly secretHash: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch: compared on use. */
  readonly expiresAt: number;
}

import type { AttributeValue } from './attributes.js';
import type { ErrorCode } from './errors.js';
import type { Identity } from './identity.js';
import type { TenantId } from './tenant-id.js';
import type { Impersonation } from './tenant.js';

/** Who changes something: a person or client, or the system itself (a scheduled job), by name. */
export type Author = Identity | { readonly system: string };

/** One change of what the platform is configured with, as it is recorded before it is made. */
export interface ConfigurationChange {
  readonly author: Author;
  /** The tenant it concerns; absent for what belongs to none. */
  readonly tenant?: TenantId | undefined;
  /** As `tenant.update`, `member.add`, `role.put`, `limits.update`. */
  readonly action: string;
  /** What is changed: the id of the member, the role and so on. */
  readonly target: string;
  /** As it was; `null` for what is new. Never a secret. */
  readonly before: AttributeValue;
  /** As it will be; `null` for what is removed. */
  readonly after: AttributeValue;
  readonly requestId: string;
  readonly impersonation?: Impersonation | undefined;
  /** For operators: why. */
  readonly reason?: string | undefined;
}

/** Records a change. It is made when this resolves, and not at all when it rejects. */
export type ConfigurationRecorder = (change: ConfigurationChange) => Promise<void>;

/** One thing that an operator does, or tries to do, by virtue of being one; recorded before it is done. */
export interface OperatorEvent {
  readonly operator: Identity;
  /** As `tenants.list`, `grant.request`, `grant.approve`, `grant.use`, `grant.revoke`. */
  readonly action: string;
  readonly effect: 'allow' | 'deny';
  /** The tenant it concerns; absent where it is all of them. */
  readonly tenant?: TenantId | undefined;
  readonly grant?: string | undefined;
  readonly kind?: Impersonation['kind'] | undefined;
  /** The operator's own words. */
  readonly reason?: string | undefined;
  readonly approvedBy?: string | undefined;
  /** In milliseconds since the Unix epoch. */
  readonly expiresAt?: number | undefined;
  /** For a denial: the code of the refusal. */
  readonly code?: ErrorCode | undefined;
  /** For a denial: why, for those who read the trail. */
  readonly detail?: string | undefined;
  readonly requestId: string;
}

/** Records what an operator does, in the operators' trail and in the tenant's. It is done when this resolves. */
export type OperatorRecorder = (event: OperatorEvent) => Promise<void>;

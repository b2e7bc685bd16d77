import type { Identity } from './identity.js';
import type { TenantId } from './tenant-id.js';

/**
 * An operator's right to work in tenants that the operator does not belong to: for whom, why, and until when.
 *
 * It is no tenant context and cannot be mistaken for one: every storage adapter refuses it where it expects a tenant's
 * own context, and has a method of another name for it (`…AsOperator`), each use of which is recorded.
 */
export interface OperatorContext {
  readonly kind: 'operator';
  readonly identity: Identity;
  /** Why, in the operator's words: a ticket, a request of the customer's. Not empty. */
  readonly reason: string;
  /** The tenants it is for, or `all`. */
  readonly tenants: readonly TenantId[] | 'all';
  /** When it ends, in milliseconds since the Unix epoch: compared on every use. */
  readonly expiresAt: number;
  /** What it was decided for, as `provision` or `storage:open`; absent where whoever vouched for it did not say. */
  readonly action?: string | undefined;
  readonly requestId: string;
}

/** One use of an operator context. */
export interface OperatorAccess {
  readonly operator: OperatorContext;
  readonly tenant: TenantId;
  /** The adapter that was opened, as `postgres/row-level-security`. */
  readonly storage: string;
}

/**
 * Records that an operator opens a tenant's storage. The storage opens when this resolves, and not at all when it
 * rejects. `@portcullis/audit` makes one of an audit sink.
 */
export type OperatorAccessRecorder = (access: OperatorAccess) => Promise<void>;

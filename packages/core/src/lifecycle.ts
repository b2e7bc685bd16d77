import type { OperatorContext } from './operator.js';
import type { TenantId } from './tenant-id.js';

/** What an operator does with a tenant as a whole. */
export type LifecycleAction = 'provision' | 'rollback' | 'deprovision' | 'cancel' | 'restore';

/** One step of a tenant's life, as it is recorded before it is taken. */
export interface LifecycleEvent {
  readonly operator: OperatorContext;
  readonly tenant: TenantId;
  readonly action: LifecycleAction;
  /** The job that the step belongs to: all events of one provisioning, or of one removal, carry the same. */
  readonly job: string;
  /** The step, as `begin`, `provision:schema`, `suspend`, `archive`, `remove:keys`; `dry-run` for a look that changes nothing. */
  readonly step: string;
}

/**
 * Records a step of a tenant's life. The step is taken when this resolves, and not at all when it rejects.
 * `@portcullis/audit` makes one of an audit sink.
 */
export type LifecycleRecorder = (event: LifecycleEvent) => Promise<void>;

import type { Clock, TenantPlans } from '@portcullis/core';
import type { Backend } from './backend.js';

/** What a store over a backend is made of. */
export interface BackendStoreOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  /** What `maxUsers` a plan gives. `undefined`: plans limit nothing. */
  readonly plans: TenantPlans | undefined;
}

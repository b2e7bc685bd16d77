import type { Clock, TenantPlans } from '@portcullis/core';
import type { Backend } from './backend.js';
import { memberRecords } from './member-records.js';
import { offerRecords } from './offer-records.js';
import { roleRecords } from './role-records.js';
import type { TenantStore } from './store.js';
import { tenantRecords } from './tenant-records.js';

/** What a store over a backend is made of. */
export interface BackendStoreOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  /** What `maxUsers` a plan gives. `undefined`: plans limit nothing. */
  readonly plans: TenantPlans | undefined;
}

/**
 * A tenant store over a backend of texts and ordered sets. Every change is one optimistic transaction, so that any
 * number of stores on one backend keep each other's work.
 */
export function backendStore(options: BackendStoreOptions): TenantStore {
  return {
    ...tenantRecords(options),
    ...memberRecords(options),
    ...roleRecords(options),
    ...offerRecords(options),
    close: () => options.backend.close(),
  };
}

import type { BackendStoreOptions } from './backend-store-options.js';
import { memberRecords } from './member-records.js';
import { offerRecords } from './offer-records.js';
import { roleRecords } from './role-records.js';
import type { TenantStore } from './store.js';
import { tenantRecords } from './tenant-records.js';

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

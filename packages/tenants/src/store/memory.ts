import { systemClock, type Clock, type TenantPlans } from '@portcullis/core';
import { backendStore } from './backend-store.js';
import { memoryBackend } from './memory-backend.js';
import type { TenantStore } from './store.js';

/** How a store in memory is made. */
export interface MemoryStoreOptions {
  /** The plans on offer: what gives a tenant its `maxUsers` where its own settings are silent. Without, plans limit nothing. */
  readonly plans?: TenantPlans | undefined;
  readonly clock?: Clock | undefined;
}

/** A tenant store in this process's memory: for tests, demos and single-process servers that load it at start. */
export function memoryStore(options: MemoryStoreOptions = {}): TenantStore {
  return backendStore({ backend: memoryBackend(), clock: options.clock ?? systemClock, plans: options.plans });
}

import type { Clock } from '@portcullis/core';
import { backendStore } from './backend-store.js';
import { memoryBackend } from './backend.js';
import type { TenantStore } from './store.js';

/** A tenant store in this process's memory: for tests, demos and single-process servers that load it at start. */
export function memoryStore(options: { readonly clock?: Clock } = {}): TenantStore {
  return backendStore(memoryBackend(), options.clock);
}

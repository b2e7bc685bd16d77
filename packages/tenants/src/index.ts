export type { Invalidations, TenantChange } from './registry/invalidations.js';
export { registry, requireGoodStanding, type Registry, type RegistryOptions } from './registry/registry.js';
export type { HintOptions } from './resolver/hints.js';
export { resolver, type ResolverOptions } from './resolver/resolver.js';
export { memoryStore, type MemoryStoreOptions } from './store/memory.js';
export type { NewTenant, TenantUpdate } from './store/record.js';
export type {
  AddMemberOptions,
  ChangeOptions,
  ListOptions,
  Page,
  PageOptions,
  TenantPage,
  TenantStore,
} from './store/store.js';

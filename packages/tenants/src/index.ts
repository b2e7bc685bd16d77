export { registry, requireGoodStanding, type Registry, type RegistryOptions } from './registry/registry.js';
export type { HintOptions } from './resolver/hints.js';
export { resolver, type ResolverOptions } from './resolver/resolver.js';
export { memoryStore } from './store/memory.js';
export type { NewTenant, TenantUpdate } from './store/record.js';
export type { ListOptions, TenantPage, TenantStore } from './store/store.js';

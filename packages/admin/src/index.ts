export { admin, type Admin, type AdminRoute } from './admin.js';
export { memoryIdempotency, type MemoryIdempotencyOptions } from './idempotency/memory.js';
export { redisIdempotency, type RedisIdempotencyOptions, type RedisScripts } from './idempotency/redis.js';
export type { IdempotencyShares } from './idempotency/shares.js';
export type { IdempotencyClaim, IdempotencyKey, IdempotencyStore } from './idempotency/store.js';
export type { AdminOptions } from './options.js';
export type { AdminTrails, AdminUsage } from './parts.js';
export type {
  AdminDomains,
  AdminInvitations,
  AdminLifecycle,
  AdminMembers,
  AdminOperators,
  AdminRoles,
} from './ports.js';
export type { AdminScopes } from './scopes.js';

export type {
  Caller,
  CallLimits,
  CallRefusal,
  CountedUse,
  LimitStore,
  PlaceAnswer,
  RequestLimits,
  RequestRefusal,
  StoredPlace,
} from './limiter/limit-store.js';
export { limiter, type LimiterOptions } from './limiter/limiter.js';
export { memoryLimits, type MemoryLimitsOptions } from './limiter/memory-limits.js';

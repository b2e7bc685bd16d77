export { cached, type CachedOptions } from './cached.js';
export { circuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.js';
export type { CircuitState } from './circuit.js';
export { coalesced, type CoalescedOptions } from './coalesced.js';
export type { RevisionOf } from './revision.js';
export { shadow, type ShadowAspect, type ShadowEvent, type ShadowOptions, type ShadowSide } from './shadow.js';
export { withFallback, type FallbackEvent, type WithFallbackOptions } from './with-fallback.js';
export { traced, type DecisionMeter, type DecisionTracer, type TracedOptions } from './traced.js';

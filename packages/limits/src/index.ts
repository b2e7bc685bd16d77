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
export type { UsagePeriod } from './report/period.js';
export {
  quotaProgress,
  quotaProgressAsOperator,
  type QuotaProgress,
  type QuotaProgressOptions,
} from './report/quota-progress.js';
export type { OperatorReader } from './report/reader.js';
export { usageCsv } from './report/usage-csv.js';
export {
  usageReport,
  usageReportAsOperator,
  type UsageDimension,
  type UsageFigures,
  type UsageLatency,
  type UsageReport,
  type UsageReportQuery,
  type UsageRow,
} from './report/usage-report.js';
export { memoryUsage } from './usage/memory-usage.js';
export type { UsageBatch, UsageEntry } from './usage/usage-entry.js';
export type { UsageSink, UsageSource, UsageStore } from './usage/usage-store.js';
export { usageTracker, type UsageTracker, type UsageTrackerOptions } from './usage/usage-tracker.js';

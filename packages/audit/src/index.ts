export { recordedArguments, type RecordArguments } from './arguments.js';
export { auditLog, type AuditLogOptions } from './audit-log.js';
export { buffered, type BufferedOptions } from './buffered.js';
export { canonicalJson, digest } from './canonical.js';
export { recordsConfiguration } from './configuration.js';
export {
  auditActor,
  type AuditActor,
  type AuditedDecision,
  type AuditedImpersonation,
  type AuditEntry,
  type ConfigurationEntry,
  type DecisionEntry,
  type LifecycleEntry,
  type OutcomeEntry,
  type OperatorAccessEntry,
  type OperatorEntry,
  type RefusalEntry,
} from './entry.js';
export { recordsLifecycle } from './lifecycle.js';
export { redact, redacted } from './redact.js';
export { allOf, memoryAudit, type AuditSink } from './sink.js';
export { recordsOperatorAccess } from './operator-access.js';
export { recordsOperators } from './operators.js';
export { auditTrail, type AuditTrail, type AuditTrailOptions } from './trail/audit-trail.js';
export {
  exportBundle,
  verifyBundle,
  type BundleHeader,
  type BundleReport,
  type ExportOptions,
} from './trail/bundle.js';
export { readBundle } from './trail/bundle-file.js';
export type { Appended, TrailBatch, TrailEntry } from './trail/chain.js';
export type { PublishedCheckpoint } from './trail/checkpoint-rounds.js';
export { fileTrails, readTrailFile } from './trail/file-trails.js';
export type { FileJournalOptions, Repair } from './trail/file-journal.js';
export type { TrailLines } from './trail/journal-trails.js';
export type { TrailHead } from './trail/record.js';
export { memoryTrails, type MemoryTrails } from './trail/memory-trails.js';
export { retain, type RetainedTrail, type RetainOptions } from './trail/retain.js';
export {
  checkpointSigner,
  generateCheckpointKey,
  type CheckpointKey,
  type CheckpointPrivateKey,
  type CheckpointSigner,
} from './trail/signer.js';
export type {
  StoreQuery,
  TrailFilter,
  TrailPosition,
  TrailRange,
  TrailRemoval,
  TrailState,
  TrailStore,
} from './trail/store.js';
export {
  operatorTrails,
  tenantTrail,
  type OperatorTrailsOptions,
  type ReadRecord,
  type TrailPage,
  type TrailQuestion,
  type TrailReader,
} from './trail/trail-reader.js';
export { operatorsTrail, systemTrail, trailOfTenant, trailsOf } from './trail/trails-of.js';
export type { Finding, FindingKind, TrailReport, TrailSummary } from './verify/finding.js';
export { verifyTrail, type ExtractRange, type VerifyOptions } from './verify/verify-trail.js';

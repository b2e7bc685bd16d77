export { recordedArguments, type RecordArguments } from './arguments.js';
export { auditLog, type AuditLogOptions } from './audit-log.js';
export { canonicalJson, digest } from './canonical.js';
export {
  auditActor,
  type AuditActor,
  type AuditedDecision,
  type AuditEntry,
  type DecisionEntry,
  type LifecycleEntry,
  type OutcomeEntry,
  type OperatorAccessEntry,
  type RefusalEntry,
} from './entry.js';
export { recordsLifecycle } from './lifecycle.js';
export { redact, redacted } from './redact.js';
export { allOf, memoryAudit, type AuditSink } from './sink.js';
export { recordsOperatorAccess } from './operator-access.js';

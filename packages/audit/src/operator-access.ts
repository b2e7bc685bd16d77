import type { OperatorAccessRecorder } from '@portcullis/core';
import { auditActor } from './entry.js';
import type { AuditSink } from './sink.js';

/**
 * Records each use of an operator context with an audit sink: what storage adapters take as `operatorAccess`.
 *
 * @throws PortcullisError `audit_unavailable`, from the recorder, when the sink refuses: the storage then stays shut
 * @example
 * ```ts
 * import { Keyv } from 'keyv';
 * import { memoryAudit, recordsOperatorAccess } from '@portcullis/audit';
 * import { keyvStorage } from '@portcullis/storage/keyv';
 *
 * const storage = keyvStorage({ keyv: new Keyv(), operatorAccess: recordsOperatorAccess(memoryAudit()) });
 * await storage.close();
 * ```
 */
export function recordsOperatorAccess(audit: AuditSink): OperatorAccessRecorder {
  return ({ operator, tenant, storage }) =>
    audit.record({
      type: 'operator_access',
      effect: 'allow',
      requestId: operator.requestId,
      actor: auditActor(operator.identity),
      tenant,
      storage,
      reason: operator.reason,
      expiresAt: new Date(operator.expiresAt).toISOString(),
      latencyMs: 0,
    });
}

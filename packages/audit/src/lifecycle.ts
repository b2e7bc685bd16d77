import type { LifecycleRecorder } from '@portcullis/core';
import { auditActor } from './entry.js';
import type { AuditSink } from './sink.js';

/**
 * Records each step of tenants' lives with an audit sink: what `tenantLifecycle` takes as `record`.
 *
 * @throws PortcullisError `audit_unavailable`, from the recorder, when the sink refuses: the step is then not taken
 * @example
 * ```ts
 * import { memoryAudit, recordsLifecycle } from '@portcullis/audit';
 *
 * const record = recordsLifecycle(memoryAudit());
 * console.log(typeof record); // prints: function
 * ```
 */
export function recordsLifecycle(audit: AuditSink): LifecycleRecorder {
  return ({ operator, tenant, action, job, step }) =>
    audit.record({
      type: 'lifecycle',
      effect: 'allow',
      requestId: operator.requestId,
      actor: auditActor(operator.identity),
      tenant,
      action,
      job,
      step,
      reason: operator.reason,
      expiresAt: new Date(operator.expiresAt).toISOString(),
      latencyMs: 0,
    });
}

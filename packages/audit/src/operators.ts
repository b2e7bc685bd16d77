import type { OperatorRecorder } from '@portcullis/core';
import { auditActor } from './entry.js';
import type { AuditSink } from './sink.js';

/**
 * Records what operators do, or try to do, with an audit sink.
 *
 * @throws PortcullisError `audit_unavailable`, from the recorder, when the sink refuses: it is then not done
 * @example
 * ```ts
 * import { memoryAudit, recordsOperators } from '@portcullis/audit';
 *
 * const record = recordsOperators(memoryAudit());
 * console.log(typeof record); // prints: function
 * ```
 */
export function recordsOperators(audit: AuditSink): OperatorRecorder {
  return ({ operator, action, effect, tenant, grant, kind, reason, approvedBy, expiresAt, requestId, code, detail }) =>
    audit.record({
      type: 'operator',
      effect,
      requestId,
      actor: auditActor(operator),
      ...(tenant === undefined ? {} : { tenant }),
      action,
      ...(grant === undefined ? {} : { grant }),
      ...(kind === undefined ? {} : { grantKind: kind }),
      ...(approvedBy === undefined ? {} : { approvedBy }),
      ...(reason === undefined ? {} : { reason }),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
      ...(code === undefined ? {} : { code }),
      ...(detail === undefined ? {} : { detail }),
      latencyMs: 0,
    });
}

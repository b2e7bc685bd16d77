import type { ConfigurationRecorder } from '@portcullis/core';
import { changedMembers } from './changed-members.js';
import { auditActor } from './entry.js';
import { redactJson } from './redact.js';
import type { AuditSink } from './sink.js';

/**
 * Records each change of the configuration with an audit sink: who, what, and the members that differ, before and after.
 *
 * A change with a `reason` is an operator's, as the port has it, and goes into the operators' trail too.
 *
 * @throws PortcullisError `audit_unavailable`, from the recorder, when the sink refuses: the change is then not made
 * @example
 * ```ts
 * import { memoryAudit, recordsConfiguration } from '@portcullis/audit';
 *
 * const audit = memoryAudit();
 * await recordsConfiguration(audit)({
 *   author: { system: 'import' },
 *   action: 'plan.update',
 *   target: 'pro',
 *   before: { limits: { minute: 60, day: 1000 } },
 *   after: { limits: { minute: 90, day: 1000 } },
 *   requestId: 'r-1',
 * });
 * const [entry] = audit.entries;
 * if (entry?.type === 'configuration') console.log(entry.before, entry.after); // prints: { limits: { minute: 60 } } { limits: { minute: 90 } }
 * ```
 */
export function recordsConfiguration(audit: AuditSink): ConfigurationRecorder {
  return ({ author, tenant, action, target, before, after, requestId, impersonation, reason }) => {
    const changed = changedMembers(before, after);
    return audit.record({
      type: 'configuration',
      effect: 'allow',
      requestId,
      actor: auditActor(author, impersonation),
      ...(tenant === undefined ? {} : { tenant }),
      action,
      target,
      before: redactJson(changed.before),
      after: redactJson(changed.after),
      ...(impersonation === undefined && reason === undefined ? {} : { byOperator: true }),
      ...(reason === undefined ? {} : { reason }),
      latencyMs: 0,
    });
  };
}

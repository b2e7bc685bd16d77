import { admin, type Admin } from '@portcullis/admin';
import {
  auditTrail,
  checkpointSigner,
  generateCheckpointKey,
  memoryTrails,
  recordsConfiguration,
  recordsOperators,
  verifyTrail,
  type AuditSink,
  type AuditTrail,
} from '@portcullis/audit';
import type { IdentityVerifier, Limiter, PolicyDecisionPoint, TenantPlans, TenantResolver } from '@portcullis/core';
import { limiter, memoryLimits, memoryUsage, usageTracker, type UsageTracker } from '@portcullis/limits';
import { memoryGrants, operatorResolver, operators } from '@portcullis/operators';
import { hintReader, members, resolver, type Registry } from '@portcullis/tenants';

/** What the plans of the demo give. */
export const plans: TenantPlans = {
  free: { limits: { requestsPerMinute: 30 }, quotas: { maxUsers: 3 } },
  pro: { limits: { requestsPerMinute: 600 }, quotas: { maxUsers: 50 } },
  enterprise: { limits: {}, quotas: {} },
};

/** A trail of what happened, and whether it is still what was written. */
export interface VerifiedTrail {
  readonly trail: AuditTrail;
  /** Signs what is unsigned, and verifies all trails: one line each, and whether all are intact. */
  readonly verify: () => Promise<{ readonly lines: readonly string[]; readonly intact: boolean }>;
}

/** Keeps the audit trail in memory, chained and signed. */
export async function openTrail(): Promise<VerifiedTrail> {
  const key = await generateCheckpointKey();
  const signer = await checkpointSigner(key);
  const store = await memoryTrails();
  const trail = auditTrail({ store, signer });
  return {
    trail,
    async verify() {
      await trail.checkpoint();
      const report = await verifyTrail({
        records: store.records(),
        checkpoints: store.checkpoints(),
        keys: [signer.publicKey],
      });
      return {
        lines: [
          ...report.trails.map(
            ({ trail: name, records }) =>
              `${name.padEnd(16)} ${String(records).padStart(4)} records, chained and signed`,
          ),
          ...report.findings.map((finding) => `WRONG: ${JSON.stringify(finding)}`),
        ],
        intact: report.findings.length === 0,
      };
    },
  };
}

/** What administration is built from. */
export interface AdministrationParts {
  readonly registry: Registry;
  readonly identity: IdentityVerifier;
  readonly pdp: PolicyDecisionPoint;
  readonly audit: AuditSink;
  /** The public URL of the admin API. */
  readonly resource: string;
  readonly authorizationServers: readonly string[];
}

/** Everything beside the gate: who administers, what is limited, what is counted. */
export interface Administration {
  readonly api: Admin;
  /** Finds the tenant of members, and of operators by their grants. */
  readonly tenants: TenantResolver;
  readonly limiter: Limiter;
  readonly usage: UsageTracker;
}

/** Puts the operators, the limits and the admin API together. */
export function administration(parts: AdministrationParts): Administration {
  const { registry, identity, pdp, audit } = parts;
  const record = recordsConfiguration(audit);
  const staff = operators({
    pdp,
    // The company's own staff sign in by Okta; no customer does.
    providers: { okta: { roles: { 'platform-admins': 'operator_admin', support: 'operator_support' } } },
    store: memoryGrants(),
    record: recordsOperators(audit),
    tenant: (id) => registry.tenant(id),
  });
  const tenants = operatorResolver({ resolver: resolver({ registry }), operators: staff, hints: hintReader({}) });
  const limits = limiter({ store: memoryLimits(), plans });
  const counted = memoryUsage();
  const usage = usageTracker({ sink: counted });
  return {
    tenants,
    limiter: limits,
    usage,
    api: admin({
      resource: parts.resource,
      authorizationServers: parts.authorizationServers,
      identity,
      tenants,
      store: registry.store,
      members: members({ store: registry.store, record }),
      pdp,
      audit,
      record,
      operators: staff,
      plans,
    }),
  };
}

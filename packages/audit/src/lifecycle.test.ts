import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId } from '@portcullis/core';
import { operatorFor } from '@portcullis/testing/contexts';
import { recordsLifecycle } from './lifecycle.js';
import { memoryAudit } from './sink.js';

describe('the record of tenants’ lives', () => {
  const event = {
    operator: operatorFor({ reason: 'contract 7 has ended', expiresAt: 86_400_000 }),
    tenant: tenantId('acme'),
    action: 'deprovision',
    job: 'job-1',
    step: 'remove:schema',
  } as const;

  it('names the operator, the tenant, the job, the step and the reason', async () => {
    const audit = memoryAudit();
    await recordsLifecycle(audit)(event);
    expect(audit.entries).toMatchObject([
      {
        type: 'lifecycle',
        effect: 'allow',
        actor: { id: 'test#operator', provider: 'test' },
        tenant: 'acme',
        action: 'deprovision',
        job: 'job-1',
        step: 'remove:schema',
        reason: 'contract 7 has ended',
        expiresAt: '1970-01-02T00:00:00.000Z',
        requestId: 'request-1',
      },
    ]);
  });

  it('rejects when the sink refuses', async () => {
    const shut = { ...memoryAudit(), record: () => Promise.reject(new PortcullisError('audit_unavailable')) };
    await expect(recordsLifecycle(shut)(event)).rejects.toMatchObject({ code: 'audit_unavailable' });
  });
});

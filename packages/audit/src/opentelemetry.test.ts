import {
  BatchLogRecordProcessor,
  createLoggerConfigurator,
  InMemoryLogRecordExporter,
  LoggerProvider,
} from '@opentelemetry/sdk-logs';
import { logs } from '@opentelemetry/api-logs';
import { describe, expect, it } from 'vitest';
import { contextFor } from '@portcullis/testing/contexts';
import { auditActor, type AuditEntry } from './entry.js';
import { otelLogs } from './opentelemetry.js';

const entry: AuditEntry = {
  type: 'decision',
  effect: 'deny',
  requestId: 'r-1',
  actor: auditActor(contextFor()),
  tenant: 'acme',
  method: 'tools/call',
  name: 'note_read',
  code: 'cross_tenant',
  crossTenant: true,
  latencyMs: 1,
  decisions: [],
  arguments: { password: 'p4ss', id: 'n-1' },
};

function start(disabled = false) {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({
    processors: [new BatchLogRecordProcessor({ exporter, scheduledDelayMillis: 600_000 })],
    ...(disabled
      ? { loggerConfigurator: createLoggerConfigurator([{ pattern: '*', config: { disabled: true } }]) }
      : {}),
  });
  return { exporter, provider, sink: otelLogs(provider.getLogger('portcullis'), { provider }) };
}

describe('the OpenTelemetry sink', () => {
  it('emits one log record an entry, with attributes to ask for and the entry as its body', async () => {
    const { exporter, sink } = start();
    await sink.record(entry);
    await sink.record({ type: 'outcome', outcome: 'error', requestId: 'r-1', tenant: 'acme', latencyMs: 2 });
    expect(exporter.getFinishedLogRecords()).toEqual([]);
    await sink.flush();
    const [decision, outcome] = exporter.getFinishedLogRecords();
    expect(decision).toMatchObject({
      eventName: 'portcullis.audit.decision',
      severityText: 'WARN',
      attributes: {
        'portcullis.type': 'decision',
        'portcullis.effect': 'deny',
        'portcullis.tenant': 'acme',
        'portcullis.actor': 'test#alice',
        'portcullis.method': 'tools/call',
        'portcullis.name': 'note_read',
        'portcullis.code': 'cross_tenant',
        'portcullis.cross_tenant': true,
        'portcullis.request_id': 'r-1',
      },
      body: { tenant: 'acme', arguments: { password: '[redacted]', id: 'n-1' } },
    });
    expect(outcome?.severityText).toBe('ERROR');
    await sink.close();
  });

  it('hands over what is left when it closes, and takes nothing after that', async () => {
    const { exporter, provider, sink } = start();
    let seen = 0;
    const stop = exporter.shutdown.bind(exporter);
    exporter.shutdown = () => {
      seen = exporter.getFinishedLogRecords().length;
      return stop();
    };
    await sink.record(entry);
    await sink.close();
    expect(seen).toBe(1);
    await expect(sink.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
    await sink.close();
    await provider.shutdown();
  });

  it('refuses what a logger that is switched off would drop', async () => {
    const { sink } = start(true);
    await expect(sink.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
    await expect(otelLogs(logs.getLogger('nobody')).record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  it('says so when the exporter does not answer', async () => {
    const provider = {
      forceFlush: () => new Promise<never>(() => undefined),
      shutdown: () => Promise.reject(new Error('gone')),
    };
    const sink = otelLogs(start().provider.getLogger('x'), { provider, timeoutMs: 20 });
    await expect(sink.flush()).rejects.toMatchObject({ code: 'audit_unavailable' });
    await expect(sink.close()).rejects.toMatchObject({ code: 'audit_unavailable' });
  });
});

import { SeverityNumber, type AnyValue, type AnyValueMap, type Logger } from '@opentelemetry/api-logs';
import { PortcullisError, withDeadline } from '@portcullis/core';
import type { AuditEntry } from './entry.js';
import { redact } from './redact.js';
import type { AuditSink } from './sink.js';

/** What a sink over OpenTelemetry may be given. */
export interface OtelLogsOptions {
  /**
   * The provider of the logger, as the SDK has it: with it, `flush` waits until the exporter has everything, and
   * `close` ends the provider. Without it neither does anything.
   */
  readonly provider?: { forceFlush(): Promise<void>; shutdown(): Promise<void> } | undefined;
  /** How long `flush` and `close` wait, in milliseconds. @defaultValue 10 000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Emits one OpenTelemetry log record an entry, named `portcullis.audit.<type>`: the entry is the body, what one asks
 * for is in attributes.
 *
 * It is for seeing and alerting, and no trail by itself. OpenTelemetry does not say whether a record arrived: `record`
 * resolves when the SDK has it, and what the SDK's queue drops is dropped. Put it beside a trail:
 * `allOf(trail, otelLogs(logger))`.
 *
 * @throws PortcullisError `audit_unavailable`, from `record`, when the logger is switched off or throws, or the sink is
 * closed; from `flush` and `close`, when the provider fails or is too slow
 * @example
 * ```ts
 * import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
 * import { otelLogs } from '@portcullis/audit/opentelemetry';
 *
 * const exporter = new InMemoryLogRecordExporter();
 * const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] });
 * const audit = otelLogs(provider.getLogger('portcullis'), { provider });
 * await audit.record({ type: 'refusal', effect: 'deny', code: 'token_missing', requestId: 'r-1', latencyMs: 1 });
 * await audit.flush();
 * console.log(exporter.getFinishedLogRecords()[0]?.eventName); // prints: portcullis.audit.refusal
 * await audit.close();
 * ```
 */
export function otelLogs(logger: Logger, { provider, timeoutMs = 10_000 }: OtelLogsOptions = {}): AuditSink {
  let closed = false;
  const ask = async (what: 'forceFlush' | 'shutdown'): Promise<void> => {
    if (provider === undefined) return;
    try {
      await withDeadline(provider[what](), timeoutMs);
    } catch (cause) {
      throw unavailable('the OpenTelemetry provider failed', cause);
    }
  };
  return {
    record(entry) {
      try {
        if (closed) throw unavailable('the sink is closed');
        const severityNumber = severityOf(entry);
        const eventName = `portcullis.audit.${entry.type}`;
        // A logger that is switched off drops without a word.
        if (!logger.enabled({ severityNumber, eventName }))
          throw unavailable('the OpenTelemetry logger is switched off');
        const body = anyValue(redact(entry));
        logger.emit({
          eventName,
          severityNumber,
          severityText: SeverityNumber[severityNumber],
          body,
          attributes: attributesOf(body),
        });
        return Promise.resolve();
      } catch (error) {
        return Promise.reject(
          error instanceof PortcullisError ? error : unavailable('the OpenTelemetry logger failed', error),
        );
      }
    },
    flush: () => ask('forceFlush'),
    async close() {
      if (closed) return;
      closed = true;
      await ask('shutdown');
    },
  };
}

function severityOf(entry: AuditEntry): SeverityNumber {
  if (entry.type === 'outcome') return entry.outcome === 'error' ? SeverityNumber.ERROR : SeverityNumber.INFO;
  return entry.effect === 'deny' ? SeverityNumber.WARN : SeverityNumber.INFO;
}

const asked = ['type', 'effect', 'outcome', 'tenant', 'method', 'name', 'code', 'requestId', 'action', 'crossTenant'];

function attributesOf(body: AnyValue): AnyValueMap {
  if (!isMap(body)) return {};
  const attributes: AnyValueMap = {};
  for (const name of asked) {
    const value = body[name];
    if (value !== undefined) attributes[`portcullis.${snake(name)}`] = value;
  }
  const actor = body['actor'];
  if (isMap(actor)) {
    attributes['portcullis.actor'] = actor['id'];
    const mark = actor['impersonation'];
    if (isMap(mark)) attributes['portcullis.impersonation.grant'] = mark['grant'];
  }
  return attributes;
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isMap(value: AnyValue): value is AnyValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** What JSON can say, as OpenTelemetry's value. */
function anyValue(value: unknown): AnyValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(anyValue);
  if (typeof value !== 'object' || value === null) return null;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, anyValue(member)]),
  );
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

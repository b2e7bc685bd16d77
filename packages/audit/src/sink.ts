import type { AuditEntry } from './entry.js';

/** Where audit records go. */
export interface AuditSink {
  /**
   * Records an entry. Resolves once the destination has accepted it.
   *
   * @throws PortcullisError `audit_unavailable` when it has not: the gate then does not run the call
   */
  record(entry: AuditEntry): Promise<void>;
  /** Records entries in one step, in this order, all of them or none: for sinks that can. */
  recordAll?(entries: readonly AuditEntry[]): Promise<void>;
  /** Waits until all that was recorded is with the destination. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps the records in memory: for tests and for showing them. */
export function memoryAudit(): AuditSink & { readonly entries: readonly (AuditEntry & { readonly time: string })[] } {
  const entries: (AuditEntry & { readonly time: string })[] = [];
  return {
    entries,
    record(entry) {
      entries.push({ time: new Date().toISOString(), ...entry });
      return Promise.resolve();
    },
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** Records to several sinks; it is recorded when all of them have it. */
export function allOf(...sinks: readonly AuditSink[]): AuditSink {
  const each = async (run: (sink: AuditSink) => Promise<void>): Promise<void> => {
    await Promise.all(sinks.map(run));
  };
  return {
    record: (entry) => each((sink) => sink.record(entry)),
    flush: () => each((sink) => sink.flush()),
    close: () => each((sink) => sink.close()),
  };
}

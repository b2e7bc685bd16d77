import { closeSync, openSync, writeSync } from 'node:fs';
import pino from 'pino';
import { PortcullisError } from '@portcullis/core';
import type { AuditEntry } from './entry.js';
import { redact } from './redact.js';
import type { AuditSink } from './sink.js';

/** Where the lines go, and how. */
export interface AuditLogOptions {
  /** A file that is appended to, created with mode 0600; or an open file descriptor, which is not closed. */
  readonly destination: string | number;
}

/**
 * Writes one JSON line a record, by pino.
 *
 * Each line is written by one `write` to a file opened for appending, before `record` resolves: what the gate then
 * runs is on record with the operating system. A line that cannot be written rejects (a full disk, a closed pipe), and
 * none is ever dropped. Secrets are taken out, and a line break in a value cannot make a second line.
 *
 * @throws PortcullisError `config_invalid` when the destination cannot be opened
 * @example
 * ```ts
 * import { auditLog } from '@portcullis/audit';
 *
 * const audit = auditLog({ destination: 1 });
 * await audit.close();
 * ```
 */
export function auditLog({ destination }: AuditLogOptions): AuditSink {
  const fd = typeof destination === 'number' ? destination : open(destination);
  let failure: unknown;
  let closed = false;
  const logger = pino(
    {
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    {
      write(line) {
        try {
          writeWhole(fd, Buffer.from(line));
        } catch (error) {
          failure = error;
        }
      },
    },
  );
  return {
    record(entry: AuditEntry) {
      if (closed) return Promise.reject(unavailable('the audit log is closed'));
      failure = undefined;
      try {
        logger.info(redact(entry));
      } catch (error) {
        failure = error;
      }
      return failure === undefined
        ? Promise.resolve()
        : Promise.reject(unavailable('the audit log cannot be written', failure));
    },
    flush: () => Promise.resolve(),
    close() {
      if (!closed && typeof destination === 'string') closeSync(fd);
      closed = true;
      return Promise.resolve();
    },
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new PortcullisError('config_invalid', 'the audit log cannot be opened', { detail: path, cause });
  }
}

/** A pipe may take a part of a line, or none for now. */
function writeWhole(fd: number, bytes: Buffer): void {
  let written = 0;
  let attempts = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
      attempts = 0;
    } catch (error) {
      if (!isBusy(error) || ++attempts > 200) throw error;
      Atomics.wait(pause, 0, 0, 5);
    }
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

import { constants } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { lockFolder } from './folder-lock.js';
import type { TrailJournal } from './journal-trails.js';
import { parseRecord } from './record.js';
import { endOfLastLine, readLines } from './read-lines.js';
import { trailsOf } from './trails-of.js';

/** The file in the folder. */
export const trailFile = 'trails.jsonl';

/** The end of a file that a crash left, and that was cut off. */
export interface Repair {
  readonly file: string;
  /** What was cut off. None of it was ever acknowledged. */
  readonly bytes: number;
}

/** How a file is written. */
export interface FileJournalOptions {
  /** Made with mode 0700 when it is not there. */
  readonly folder: string;
  /** Told when the end of the file is incomplete and cut off. @defaultValue a process warning */
  readonly onRepair?: ((repair: Repair) => void) | undefined;
  /** Whether to wait until the disk has it. @defaultValue true */
  readonly sync?: boolean | undefined;
}

/**
 * A journal in a file, for one process.
 *
 * @throws PortcullisError `config_invalid` when the folder cannot be used or another process has it
 */
export async function fileJournal({ folder, onRepair = warn, sync = true }: FileJournalOptions): Promise<TrailJournal> {
  const path = join(folder, trailFile);
  const lock = await prepared(folder);
  let file: FileHandle;
  let size: number;
  try {
    file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    size = await repaired(file, path, onRepair);
    if (sync) await syncFolder(folder);
  } catch (cause) {
    await lock.release();
    throw invalid('the audit trail cannot be opened', path, cause);
  }
  let broken: unknown;

  async function append(lines: readonly string[]): Promise<void> {
    if (broken !== undefined) throw unavailable('the file failed before: restart', broken);
    // Whoever else writes into the file would be overwritten, or overwrite.
    const there = (await file.stat()).size;
    if (there !== size) {
      broken = new Error(`the file has ${String(there)} bytes where this process left ${String(size)}`);
      throw unavailable('somebody else writes to the audit trail', broken);
    }
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    try {
      await writeWhole(file, bytes, size);
    } catch (cause) {
      // A part may be there: it is taken back, or nothing can follow it.
      await file.truncate(size).catch((error: unknown) => (broken = error));
      throw unavailable('the audit trail cannot be written', cause);
    }
    try {
      if (sync) await file.datasync();
    } catch (cause) {
      // After a failed sync nobody knows what the disk has, nor would a second one say.
      broken = cause;
      throw unavailable('the disk did not take the audit trail', cause);
    }
    size += bytes.length;
  }

  return {
    append,
    async *read() {
      const end = size;
      const reader = await open(path, 'r');
      try {
        yield* readLines(reader, end);
      } finally {
        await reader.close();
      }
    },
    async replace(lines) {
      const draft = `${path}.new`;
      await rm(draft, { force: true });
      const next = await open(draft, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        const written = await writeAll(next, lines);
        await next.sync();
        await rename(draft, path);
        await syncFolder(folder);
        await file.close();
        [file, size] = [next, written];
      } catch (cause) {
        await next.close();
        throw unavailable('the audit trail cannot be rewritten', cause);
      }
    },
    async close() {
      await file.close();
      await lock.release();
    },
  };
}

async function prepared(folder: string): ReturnType<typeof lockFolder> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await lockFolder(folder);
  } catch (error) {
    throw error instanceof PortcullisError
      ? error
      : invalid('the folder of the audit trail cannot be used', folder, error);
  }
}

/** Cuts off what a crash left half written. @returns the size in bytes */
async function repaired(file: FileHandle, path: string, onRepair: (repair: Repair) => void): Promise<number> {
  const { size } = await file.stat();
  let end = await endOfLastLine(file, size);
  end = await endOfLastEntry(file, end);
  if (end < size) {
    await file.truncate(end);
    await file.sync();
    onRepair({ file: path, bytes: size - end });
  }
  return end;
}

/**
 * Where the last whole entry ends. The records of an entry that is in two trails stand together: one without the
 * other is half an entry.
 */
async function endOfLastEntry(file: FileHandle, end: number): Promise<number> {
  if (end === 0) return 0;
  const start = await endOfLastLine(file, end - 1);
  const { buffer } = await file.read(Buffer.allocUnsafe(end - 1 - start), 0, end - 1 - start, start);
  const record = parseRecord(buffer.toString());
  if (record === undefined) return end;
  const trails = trailsOf(record.placed);
  return trails.length > 1 && trails.indexOf(record.trail) < trails.length - 1 ? start : end;
}

async function writeWhole(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  }
}

async function writeAll(file: FileHandle, lines: AsyncIterable<string>): Promise<number> {
  let size = 0;
  let pending = '';
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(pending);
    await writeWhole(file, bytes, size);
    size += bytes.length;
    pending = '';
  };
  for await (const line of lines) {
    pending += `${line}\n`;
    if (pending.length > 1 << 20) await flush();
  }
  await flush();
  return size;
}

/** A new name in a folder is durable when the folder is. Where folders cannot be synced, the file system does it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function warn({ file, bytes }: Repair): void {
  process.emitWarning(`${file}: the last ${String(bytes)} bytes were incomplete, after a crash, and were cut off`);
}

function invalid(message: string, detail: string, cause: unknown): PortcullisError {
  return new PortcullisError('config_invalid', message, { detail, cause });
}

function unavailable(detail: string, cause: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

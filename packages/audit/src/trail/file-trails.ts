import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileJournal, trailFile, type FileJournalOptions } from './file-journal.js';
import { journalReader, journalTrails, type TrailLines } from './journal-trails.js';
import { readLines } from './read-lines.js';
import type { TrailStore } from './store.js';

/**
 * Keeps trails in a folder: one file of JSON lines, which one process writes. A line is a record or a checkpoint.
 *
 * What is acknowledged is on the disk. What a crash left half written is cut off at the next start, told aloud, and
 * was never acknowledged.
 *
 * @throws PortcullisError `config_invalid` when the folder cannot be used, another process writes there, or a line of
 * the file is neither a record nor a checkpoint; `audit_unavailable`, from each method, when the disk fails
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs';
 * import { join } from 'node:path';
 * import { fileTrails } from '@portcullis/audit';
 *
 * const store = await fileTrails({ folder: mkdtempSync(join('/tmp', 'trails-')) });
 * console.log(await store.trails()); // prints: []
 * await store.close();
 * ```
 */
export async function fileTrails(options: FileJournalOptions): Promise<TrailStore> {
  const journal = await fileJournal(options);
  try {
    return await journalTrails(journal);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/**
 * Reads the file of a folder without opening it for writing, whoever writes there.
 *
 * @param path - the folder, or the file
 */
export function readTrailFile(path: string): TrailLines {
  return journalReader({
    async *read() {
      const file = await open(path.endsWith('.jsonl') ? path : join(path, trailFile), 'r');
      try {
        yield* readLines(file, (await file.stat()).size);
      } finally {
        await file.close();
      }
    },
  });
}

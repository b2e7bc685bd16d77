import { mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from '../../access.js';
import { fileJournal } from '../../provisioning/file-journal.js';
import { syncFolder } from '../../provisioning/sync-folder.js';
import { isSystemError } from '../../provisioning/system-error.js';
import type { AdoptionJournal, Ledger } from './adoption-journal.js';

/**
 * A journal in a folder of its own on a local file system: how far the adoption is, and a file of JSON lines for each
 * step. A line that a crash cut off is dropped when the next one is written; every note is flushed before it counts.
 *
 * @param folder - made when it is not there, for this account alone; keep it for as long as you may want to go back
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { folderAdoptionJournal } from '@portcullis/storage/adoption';
 *
 * const journal = folderAdoptionJournal(await mkdtemp(join(tmpdir(), 'adoption-')));
 * console.log(await journal.jobs.tenants()); // prints: []
 * ```
 */
export function folderAdoptionJournal(folder: string): AdoptionJournal {
  return {
    jobs: fileJournal(folder),
    ledger: (name) => fileLedger(folder, join(folder, `ledger-${name}.jsonl`)),
  };
}

function fileLedger(folder: string, path: string): Ledger {
  let repaired = false;

  async function append(lines: string): Promise<void> {
    if (lines === '') return;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, 'a', 0o600);
    try {
      if (!repaired) await file.truncate(Buffer.byteLength(await wholeLines(path)));
      // A write that fails half-way leaves half a line once more.
      repaired = false;
      await file.writeFile(lines);
      await file.sync();
      repaired = true;
    } finally {
      await file.close();
    }
    await syncFolder(folder);
  }

  return {
    append: (notes) => asUnavailable(() => append(notes.map((note) => `${JSON.stringify(note)}\n`).join(''))),
    async *read() {
      const text = await asUnavailable(() => wholeLines(path));
      for (const line of text.split('\n')) if (line !== '') yield parsed(line);
    },
    clear: () =>
      asUnavailable(async () => {
        await unlink(path).catch(unlessMissing);
        await syncFolder(folder).catch(unlessMissing);
      }),
  };
}

/** The text up to its last line break: what comes after it was never accepted. */
async function wholeLines(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    return text.slice(0, text.lastIndexOf('\n') + 1);
  } catch (error) {
    return unlessMissing(error);
  }
}

function unlessMissing(error: unknown): '' {
  if (isSystemError(error, 'ENOENT')) return '';
  throw error;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    throw unavailable(cause, 'a ledger of the adoption is no JSON');
  }
}

async function asUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSystemError(error) ? unavailable(error) : error;
  }
}

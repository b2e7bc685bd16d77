import { journalTrails, type TrailJournal } from './journal-trails.js';
import type { TrailStore } from './store.js';

/** Trails in memory, and what was done to them: for tests and for showing them. */
export interface MemoryTrails extends TrailStore {
  /** The lines, as a file would have them. A test may change them. */
  readonly lines: string[];
}

/** Keeps trails in memory. */
export async function memoryTrails(lines: string[] = []): Promise<MemoryTrails> {
  const journal: TrailJournal = {
    append(more) {
      lines.push(...more);
      return Promise.resolve();
    },
    async *read() {
      const end = lines.length;
      for (let at = 0; at < end; at++) {
        const line = lines[at];
        if (line !== undefined) yield await Promise.resolve(line);
      }
    },
    async replace(kept) {
      const next: string[] = [];
      for await (const line of kept) next.push(line);
      lines.splice(0, lines.length, ...next);
    },
    close: () => Promise.resolve(),
  };
  return { ...(await journalTrails(journal)), lines };
}

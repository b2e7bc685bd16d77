import { memoryJournal } from '../../provisioning/memory-journal.js';
import type { AdoptionJournal } from './adoption-journal.js';

/**
 * A journal in this process's memory: for tests and dry runs. With it the way back is gone when the process ends.
 *
 * @example
 * ```ts
 * import { memoryAdoptionJournal } from '@portcullis/storage/adoption';
 *
 * const journal = memoryAdoptionJournal();
 * await journal.ledger('keys').append([{ key: 'a' }]);
 * for await (const note of journal.ledger('keys').read()) console.log(note); // prints: { key: 'a' }
 * ```
 */
export function memoryAdoptionJournal(): AdoptionJournal {
  const notes = new Map<string, string[]>();
  return {
    jobs: memoryJournal(),
    ledger: (name) => ({
      append(added) {
        notes.set(name, [...(notes.get(name) ?? []), ...added.map((note) => JSON.stringify(note))]);
        return Promise.resolve();
      },
      async *read() {
        for (const text of notes.get(name) ?? []) yield await Promise.resolve(JSON.parse(text) as unknown);
      },
      clear() {
        notes.delete(name);
        return Promise.resolve();
      },
    }),
  };
}

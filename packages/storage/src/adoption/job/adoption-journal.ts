import type { JobJournal } from '../../provisioning/job-journal.js';

/**
 * The notes of one step, in the order in which they were written. What `append` has accepted survives a crash of the
 * process, and of the machine where it is a file.
 */
export interface Ledger {
  append(notes: readonly unknown[]): Promise<void>;
  /** JSON values, parsed by whoever reads them. */
  read(): AsyncIterable<unknown>;
  clear(): Promise<void>;
}

/** Where an adoption is written down: how far it is, and what each step needs for the way back. */
export interface AdoptionJournal {
  /** Of its own: a lifecycle's journal holds other entries under the same tenant. */
  readonly jobs: JobJournal;
  /** @param name - of a step */
  ledger(name: string): Ledger;
}

import { z } from 'zod';
import { unavailable } from '../../access.js';
import type { Ledger } from '../job/adoption-journal.js';

const note = z.discriminatedUnion('note', [
  /** The tenant had nothing, and the copying began: what is on its side from here on is a copy or its own work. */
  z.strictObject({ note: z.literal('begun') }),
  /** A key was copied, and the copy compared; with what both were then. */
  z.strictObject({ note: z.literal('copied'), key: z.string(), original: z.string(), copy: z.string() }),
  /** Everything was. */
  z.strictObject({ note: z.literal('whole') }),
  /** The way back was begun, with this answer to conflicts. */
  z.strictObject({ note: z.literal('undo'), onConflict: z.enum(['tenant', 'original', 'none']) }),
]);

/** A line of a copying step's ledger. */
export type CopyNote = z.infer<typeof note>;

/** The states that a key had on both sides when it was copied. */
interface CopiedKey {
  readonly original: string;
  readonly copy: string;
}

/** What a ledger says. */
export interface CopyNotes {
  readonly begun: boolean;
  readonly whole: boolean;
  readonly copied: ReadonlyMap<string, CopiedKey>;
  readonly undo: 'tenant' | 'original' | 'none' | undefined;
}

/** Reads a ledger. @throws PortcullisError `storage_unavailable` for a line that is none of a copying step's */
export async function copyNotes(ledger: Ledger): Promise<CopyNotes> {
  let [begun, whole] = [false, false];
  let undo: CopyNotes['undo'];
  const copied = new Map<string, CopiedKey>();
  for await (const line of ledger.read()) {
    const parsed = note.safeParse(line);
    if (!parsed.success) throw unavailable(parsed.error, 'a ledger of the adoption is malformed');
    switch (parsed.data.note) {
      case 'begun':
        begun = true;
        break;
      case 'copied':
        copied.set(parsed.data.key, { original: parsed.data.original, copy: parsed.data.copy });
        break;
      case 'whole':
        whole = true;
        break;
      case 'undo':
        undo = parsed.data.onConflict;
        break;
    }
  }
  return { begun, whole, copied, undo };
}

/** Writes notes down. */
export const addNotes = (ledger: Ledger, ...notes: readonly CopyNote[]): Promise<void> => ledger.append(notes);

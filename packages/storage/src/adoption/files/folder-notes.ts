import { z } from 'zod';
import { unavailable } from '../../access.js';
import type { Ledger } from '../job/adoption-journal.js';

const path = z.array(z.string().min(1)).min(1).readonly();
const note = z.discriminatedUnion('note', [
  /** A folder that was there, and its permission bits: to be made again. Before what is in it. */
  z.strictObject({ note: z.literal('folder'), path, mode: z.number().int().min(0).max(0o7777) }),
  /** The tenant had nothing, all folders are noted, and the moving began. */
  z.strictObject({ note: z.literal('begun') }),
]);

/** A line of the ledger of files. */
export type FolderNote = z.infer<typeof note>;

/** A folder, by its path from the root. */
export type NotedFolder = Pick<Extract<FolderNote, { note: 'folder' }>, 'path' | 'mode'>;

/** Reads the ledger. @throws PortcullisError `storage_unavailable` for a line that is none of it */
export async function folderNotes(
  ledger: Ledger,
): Promise<{ readonly begun: boolean; readonly folders: readonly NotedFolder[] }> {
  let begun = false;
  const folders: NotedFolder[] = [];
  for await (const line of ledger.read()) {
    const parsed = note.safeParse(line);
    if (!parsed.success) throw unavailable(parsed.error, 'a ledger of the adoption is malformed');
    if (parsed.data.note === 'begun') begun = true;
    else folders.push({ path: parsed.data.path, mode: parsed.data.mode });
  }
  return { begun, folders };
}

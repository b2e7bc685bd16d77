import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../../access.js';
import type { AdoptionCall, AdoptionCounts, UndoOptions } from '../adoption-step.js';
import { addNotes, copyNotes, type CopyNotes } from './copy-notes.js';
import type { SideBySide } from './side-by-side.js';
import { inBatches, survey, type Survey } from './survey.js';

/** What the way back finds. */
interface BothSides {
  /** What the tenant has and the old place has not, or has older. */
  readonly toWrite: readonly string[];
  /** Written on both sides since. */
  readonly conflicts: readonly string[];
}

/**
 * Looks at each key that the tenant has. Its state stays, since it is the later one; where only the original has
 * changed, the original's does.
 */
export async function lookAtBothSides(
  place: SideBySide,
  found: Survey,
  notes: CopyNotes,
  signal: AbortSignal,
): Promise<BothSides> {
  const look = { toWrite: [] as string[], conflicts: [] as string[] };
  await inBatches(found.copies, signal, async (key) => {
    const original = await place.stamp('original', key);
    const then = notes.copied.get(key);
    if (original === undefined) look.toWrite.push(key);
    else if (await place.same(key)) return;
    else if (then === undefined) {
      // Without a note a copy was cut short, as long as the copying has not come to its end.
      if (notes.whole) look.conflicts.push(key);
    } else if ((await place.stamp('copy', key)) !== then.copy)
      (original === then.original ? look.toWrite : look.conflicts).push(key);
  });
  return look;
}

/** @throws PortcullisError `storage_conflict` for keys that were written on both sides, unless it is said which stays */
export async function requireNoConflicts(
  place: SideBySide,
  { ledger, signal }: AdoptionCall,
  { onConflict }: UndoOptions,
): Promise<void> {
  const notes = await copyNotes(ledger);
  if (!notes.begun || (onConflict ?? notes.undo ?? 'none') !== 'none') return;
  const { conflicts } = await lookAtBothSides(place, await survey(place, signal), notes, signal);
  if (conflicts.length > 0) throw writtenOnBothSides(conflicts);
}

function writtenOnBothSides(conflicts: readonly string[]): PortcullisError {
  return new PortcullisError('storage_conflict', 'keys were written on both sides', {
    detail: `${String(conflicts.length)} keys, \`${conflicts[0] ?? ''}\` first: say by \`onConflict\` which of the two stays`,
  });
}

/** Brings everything back: what is missing or older there is written, compared, and then the tenant's is deleted. */
export async function takeCopiesBack(
  place: SideBySide,
  { ledger, signal, progress }: AdoptionCall,
  { onConflict }: UndoOptions,
): Promise<AdoptionCounts> {
  const notes = await copyNotes(ledger);
  if (!notes.begun) return { broughtBack: 0, deleted: 0 };
  const found = await survey(place, signal);
  const { toWrite, conflicts } = await lookAtBothSides(place, found, notes, signal);
  const decided = onConflict ?? notes.undo ?? 'none';
  if (conflicts.length > 0 && decided === 'none') throw writtenOnBothSides(conflicts);
  if (decided !== notes.undo) await addNotes(ledger, { note: 'undo', onConflict: decided });
  const written = decided === 'tenant' ? [...toWrite, ...conflicts] : toWrite;
  await inBatches(written, signal, async (key) => {
    await place.write('original', key);
    if (!(await place.same(key)) && (await place.stamp('copy', key)) !== undefined)
      throw unavailable(undefined, `\`${key}\` did not come back as it was`);
  });
  let deleted = 0;
  for (let at = 0; at < found.copies.length; at += 100) {
    signal.throwIfAborted();
    const some = found.copies.slice(at, at + 100);
    await place.remove('copy', some);
    deleted += some.length;
    progress({ deleted, of: found.copies.length });
  }
  return { broughtBack: written.length, deleted };
}

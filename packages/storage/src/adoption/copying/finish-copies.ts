import { PortcullisError } from '@portcullis/core';
import { refused } from '../../access.js';
import type { AdoptionCall, AdoptionCounts, FinishOptions } from '../adoption-step.js';
import { copyNotes, type CopyNotes } from './copy-notes.js';
import type { SideBySide } from './side-by-side.js';
import { inBatches, survey, type Survey } from './survey.js';

/** What `finish` finds of the originals. */
export interface OriginalsLook {
  /** To be deleted. */
  readonly there: readonly string[];
  /** Written after they had been copied, or not copied at all: an old server is still at work. */
  readonly changed: readonly string[];
  /** Copied, and the tenant does not have it any more. */
  readonly gone: readonly string[];
}

/** Looks at each original that is still there. */
export async function lookAtOriginals(
  place: SideBySide,
  found: Survey,
  { copied }: CopyNotes,
  signal: AbortSignal,
): Promise<OriginalsLook> {
  const look = { there: [] as string[], changed: [] as string[], gone: [] as string[] };
  const copies = new Set(found.copies);
  await inBatches(found.originals, signal, async (key) => {
    const stamp = await place.stamp('original', key);
    if (stamp === undefined) return;
    if (stamp !== copied.get(key)?.original) look.changed.push(key);
    else {
      look.there.push(key);
      if (!copies.has(key)) look.gone.push(key);
    }
  });
  return look;
}

/** Deletes the originals, once all of them are what was copied and have a copy. */
export async function finishCopies(
  place: SideBySide,
  { ledger, signal, progress }: AdoptionCall,
  { acceptDeleted = false }: FinishOptions,
): Promise<AdoptionCounts> {
  const notes = await copyNotes(ledger);
  if (!notes.whole) throw refused('the copying has not come to its end, or its ledger is lost: nothing is deleted');
  const found = await survey(place, signal);
  const { there, changed, gone } = await lookAtOriginals(place, found, notes, signal);
  if (changed.length > 0)
    throw new PortcullisError('storage_conflict', 'the old data has changed since it was copied', {
      detail: `${String(changed.length)} keys, \`${changed[0] ?? ''}\` first: stop the old server, then \`undo\` and \`run\` again`,
    });
  if (gone.length > 0 && !acceptDeleted)
    throw refused(
      `${String(gone.length)} keys, \`${gone[0] ?? ''}\` first, are not the tenant’s any more: say \`acceptDeleted\` if it has deleted them`,
    );
  let deleted = 0;
  await inBatches(
    there,
    signal,
    async (key) => ((await place.stamp('original', key)) === notes.copied.get(key)?.original ? key : undefined),
    async (batch) => {
      const same = batch.filter((key) => key !== undefined);
      if (same.length > 0) await place.remove('original', same);
      deleted += same.length;
      progress({ deleted, of: there.length });
    },
  );
  return { deleted };
}

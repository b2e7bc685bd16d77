import { PortcullisError } from '@portcullis/core';
import { unavailable } from '../../access.js';
import type { AdoptionCall, AdoptionCounts } from '../adoption-step.js';
import { addNotes, copyNotes, type CopyNote } from './copy-notes.js';
import type { SideBySide } from './side-by-side.js';
import { inBatches, type Survey } from './survey.js';

/**
 * Copies what has not been copied, and compares it. A key counts as copied when its note is written; one whose note was
 * lost is copied again.
 */
export async function makeCopies(place: SideBySide, found: Survey, call: AdoptionCall): Promise<AdoptionCounts> {
  const { ledger, signal, progress, tenant } = call;
  const notes = await copyNotes(ledger);
  if (!notes.begun) {
    if (found.copies.length > 0)
      throw new PortcullisError('conflict', `tenant \`${tenant}\` has something already`, {
        detail: `\`${found.copies[0] ?? ''}\` is under its prefix: what is there would be mixed with what is moved`,
      });
    await addNotes(ledger, { note: 'begun' });
  }
  if (notes.whole) return { copied: notes.copied.size };
  const left = found.originals.filter((key) => !notes.copied.has(key));
  let { size } = notes.copied;
  await inBatches(
    left,
    signal,
    (key) => copyOne(place, key),
    async (batch) => {
      const written = batch.filter((each) => each !== undefined);
      if (written.length > 0) await addNotes(ledger, ...written);
      size += written.length;
      progress({ copied: size, of: found.originals.length });
    },
  );
  await addNotes(ledger, { note: 'whole' });
  return { copied: size };
}

/** @returns `undefined` for a key that ended meanwhile */
async function copyOne(place: SideBySide, key: string): Promise<CopyNote | undefined> {
  const original = await place.stamp('original', key);
  if (original === undefined) return undefined;
  await place.write('copy', key);
  if (!(await place.same(key))) {
    if ((await place.stamp('original', key)) !== undefined)
      throw unavailable(undefined, `the copy of \`${key}\` is not what was copied: is the old server still writing?`);
    await place.remove('copy', [key]);
    return undefined;
  }
  const copy = await place.stamp('copy', key);
  return copy === undefined ? undefined : { note: 'copied', key, original, copy };
}

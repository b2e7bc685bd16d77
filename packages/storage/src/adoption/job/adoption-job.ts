import { z } from 'zod';
import { isTenantId, type TenantId } from '@portcullis/core';
import { unavailable } from '../../access.js';
import type { JournalEntry } from '../../provisioning/job-journal.js';

const job = z.strictObject({
  /** The same from `run` to the end of `undo`. */
  id: z.string(),
  /**
   * `running`, `finishing`, `undoing`: at it, or cut short. `adopted`: the tenant has the data, and what `run` left
   * behind is there still. `finished`: it is not. `undone`: the data is where it was.
   */
  state: z.enum(['running', 'adopted', 'finishing', 'finished', 'undoing', 'undone']),
  startedAt: z.number().int(),
  /** The steps that `run` has begun, in order: their effect may be there, and `undo` takes it back. */
  begun: z.array(z.string()),
  /** The steps of the present action that are done. */
  done: z.array(z.string()),
});

const record = z.strictObject({
  tenant: z.custom<TenantId>(isTenantId),
  kind: z.literal('adoption'),
  job,
  /** Who is at work, and until when that is to be believed. */
  lease: z.strictObject({ worker: z.string(), until: z.number().int() }).nullable(),
});

/** An adoption, as the journal has it. */
export type AdoptionJob = Readonly<z.infer<typeof job>>;

/** All that the journal has of it. */
export type AdoptionRecord = z.infer<typeof record>;

/** Reads an entry. @throws PortcullisError `storage_unavailable` for one that is not an adoption's of this tenant */
export function adoptionRecord(tenant: TenantId, entry: JournalEntry): AdoptionRecord {
  const parsed = record.safeParse(entry.value);
  if (!parsed.success || parsed.data.tenant !== tenant)
    throw unavailable(
      parsed.error,
      `the journal’s entry of \`${tenant}\` is none of an adoption: keep it apart from others`,
    );
  return parsed.data;
}

import { z } from 'zod';
import { isTenantId, type TenantId, type TenantStatus } from '@portcullis/core';
import { unavailable } from '../access.js';
import type { JournalEntry } from './job-journal.js';

const instant = z.number().int();
const archiveRef = z.strictObject({
  id: z.string(),
  /** SHA-256 of the manifest, in hexadecimal. Kept here so that whoever can write archives cannot make one up. */
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
  /** Milliseconds since the Unix epoch. */
  writtenAt: instant,
});

const status: z.ZodType<TenantStatus> = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('active') }),
  z.strictObject({ state: z.literal('suspended'), reason: z.string().optional() }),
  z.strictObject({ state: z.literal('trial'), expiresAt: z.number() }),
]);

const job = z.strictObject({
  /** The same from the beginning of a job to its end, or to the end of its rollback or cancellation. */
  id: z.string(),
  action: z.enum(['provision', 'rollback', 'deprovision', 'cancel', 'restore']),
  /** `retained`: archived, and waiting for the retention period to end. */
  state: z.enum(['running', 'retained', 'done']),
  startedAt: instant,
  /** The steps that were begun, in order: their effect may be there. */
  begun: z.array(z.string()),
  /** The steps that are done, in order. */
  done: z.array(z.string()),
  /** The resources that held something of the tenant when the job began, and `registry`. */
  existed: z.array(z.string()),
  /** For `rollback`: the steps that the job before it had begun. */
  undoes: z.array(z.string()),
  /** For `provision`: the record that the tenant gets. */
  newTenant: z.unknown().optional(),
  /** For `deprovision`: the status that the tenant had. */
  statusBefore: status.optional(),
  /** For `deprovision` and `restore`. Without a checksum it is being written. */
  archive: archiveRef.partial({ checksum: true }).optional(),
  /** For `deprovision`: when the data may be deleted, in milliseconds since the Unix epoch. */
  retainUntil: instant.optional(),
});

const record = z.strictObject({
  tenant: z.custom<TenantId>(isTenantId),
  job,
  /** The archives that were read back and found whole, oldest first. */
  archives: z.array(archiveRef),
  /** Who is at work, and until when that is to be believed. */
  lease: z.strictObject({ worker: z.string(), until: instant }).nullable(),
});

/** A job of a tenant's life, as the journal has it. */
export type TenantJob = z.infer<typeof job>;

/** An archive that was read back and found whole. */
export type ArchiveRef = z.infer<typeof archiveRef>;

/** All that the journal has of a tenant: its latest job, and its archives. */
export type JobRecord = z.infer<typeof record>;

/** Reads a tenant's entry. @throws PortcullisError `storage_unavailable` for one that is not as it was written */
export function jobRecord(tenant: TenantId, entry: JournalEntry): JobRecord {
  const parsed = record.safeParse(entry.value);
  if (!parsed.success) throw unavailable(parsed.error, `the journal’s entry of \`${tenant}\` is malformed`);
  if (parsed.data.tenant !== tenant)
    throw unavailable(undefined, `the journal’s entry of \`${tenant}\` is of another tenant`);
  return parsed.data;
}

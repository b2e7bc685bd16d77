import { z } from 'zod';
import type { ChainedRecord, TrailHead } from '../trail/record.js';
import type { TrailState } from '../trail/store.js';

// Numbers come as text: pg gives int8 so, and a number that does not fit is refused and not rounded.
export const count = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .pipe(z.int().nonnegative());

const head = z.object({ trail: z.string(), seq: count, hash: z.string().nullable() });
const state = head.extend({ checkpoint_n: count, checkpoint_seq: count, checkpoint_digest: z.string().nullable() });
const record = z.object({
  trail: z.string(),
  seq: count,
  time: z.string(),
  prev: z.string().nullable(),
  hash: z.string(),
  entry: z.string(),
});

export const headColumns = 'trail, seq::text, hash';
export const stateColumns = `${headColumns}, checkpoint_n::text, checkpoint_seq::text, checkpoint_digest`;
export const recordColumns = 'trail, seq::text, time, prev, hash, entry';

export function headsOf(rows: readonly unknown[]): Map<string, TrailHead> {
  return new Map(rows.map((row) => head.parse(row)).map(({ trail, seq, hash }) => [trail, { seq, hash }]));
}

export function statesOf(rows: readonly unknown[]): readonly TrailState[] {
  return rows
    .map((row) => state.parse(row))
    .map(({ trail, seq, hash, checkpoint_n, checkpoint_seq, checkpoint_digest }) => ({
      ...{ trail, seq, hash },
      checkpoint: { n: checkpoint_n, seq: checkpoint_seq, digest: checkpoint_digest },
    }));
}

export function recordsOf(rows: readonly unknown[]): readonly ChainedRecord[] {
  return rows.map((row) => record.parse(row));
}

const checkpoint = z.object({ trail: z.string(), n: count, jws: z.string() });

export function checkpointsOf(rows: readonly unknown[]): readonly z.infer<typeof checkpoint>[] {
  return rows.map((row) => checkpoint.parse(row));
}

const named = z.object({ trail: z.string() });

export function trailNames(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => named.parse(row).trail);
}

import type { StoredCheckpoint } from '../trail/checkpoint.js';
import type { TrailRemoval } from '../trail/store.js';
import { stateColumns, statesOf } from './rows.js';
import type { Run } from './transaction.js';

/**
 * @returns false, and keeps none, when one does not follow the last of its trail; `missing`, when a trail has no row
 * that could be locked
 */
export async function keepCheckpoints(
  run: Run,
  schema: string,
  checkpoints: readonly StoredCheckpoint[],
): Promise<boolean | 'missing'> {
  const names = [...new Set(checkpoints.map(({ trail }) => trail))].sort();
  const locked = `SELECT ${stateColumns} FROM ${schema}.heads WHERE trail = ANY($1::text[]) ORDER BY trail FOR UPDATE`;
  const states = statesOf(await run(locked, [names]));
  if (states.length < names.length) return 'missing';
  const last = new Map(states.map(({ trail, checkpoint }) => [trail, checkpoint]));
  for (const { trail, n, previous } of checkpoints) {
    const { n: lastN, digest } = last.get(trail) ?? { n: 0, digest: null };
    if (n !== lastN + 1 || previous !== digest) return false;
  }
  await run(
    `WITH added AS (
       INSERT INTO ${schema}.checkpoints (trail, n, seq, previous, digest, jws)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[]))
     UPDATE ${schema}.heads h
     SET checkpoint_n = c.n, checkpoint_seq = greatest(h.checkpoint_seq, c.seq), checkpoint_digest = c.digest
     FROM unnest($1::text[], $2::bigint[], $3::bigint[], $5::text[]) AS c (trail, n, seq, digest) WHERE h.trail = c.trail`,
    [
      checkpoints.map(({ trail }) => trail),
      checkpoints.map(({ n }) => n),
      checkpoints.map(({ seq }) => seq),
      checkpoints.map(({ previous }) => previous),
      checkpoints.map(({ digest }) => digest),
      checkpoints.map(({ jws }) => jws),
    ],
  );
  return true;
}

/**
 * Removes the beginning of a trail and keeps the record of it, in one step. What may take long comes first: the row of
 * the trail, which everybody who adds to it waits for, is locked at the end.
 *
 * @returns false when the tombstone does not follow: then what was removed has to be undone
 */
export async function removeBeginning(run: Run, schema: string, removal: TrailRemoval): Promise<boolean> {
  const { trail, seq, checkpointN, tombstone } = removal;
  await run(`SELECT set_config('portcullis.retention', 'on', true)`);
  await run(`DELETE FROM ${schema}.records WHERE trail = $1 AND seq <= $2`, [trail, seq]);
  await run(`DELETE FROM ${schema}.checkpoints WHERE trail = $1 AND n <= $2`, [trail, checkpointN]);
  await run(`SELECT set_config('portcullis.retention', 'off', true)`);
  return (await keepCheckpoints(run, schema, [tombstone])) === true;
}

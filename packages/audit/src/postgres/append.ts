import { z } from 'zod';
import { nothingAdded } from '../nothing-added.js';
import { trailsIn, type Appended, type TrailBatch } from '../trail/chain.js';
import type { TrailHead } from '../trail/record.js';
import { count } from './rows.js';
import { sqlState, unavailable, type Run } from './transaction.js';

/**
 * Adds entries in one statement, so that the rows of trails are locked for as long as the server needs and not for as
 * long as a busy process takes to answer. It chains them as `hashOf` does.
 *
 * `at_trail` and `entries` are the records in their order, each with the number of its trail in `trails`. Where a
 * trail is behind what the caller knows of it, nothing is added, and what is returned says where it is.
 */
export const appendFunction = (schema: string): string => `
  CREATE FUNCTION ${schema}.append(
    trails text[], trail_texts text[], known_seqs bigint[], known_hashes text[], at_trail int[], entries text[],
    at_time text, lock_ms int
  ) RETURNS TABLE (trail text, seq bigint, hash text, new_seq bigint, new_hash text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    old_seqs bigint[]; old_hashes text[]; seqs bigint[]; hashes text[];
    out_trails text[] := '{}'; out_seqs bigint[] := '{}'; out_prevs text[] := '{}'; out_hashes text[] := '{}';
    n int; item record; stored_hash text;
  BEGIN
    -- Off would acknowledge what a crash can lose.
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;
    PERFORM set_config('lock_timeout', lock_ms::text, true);
    FOR attempt IN 1..2 LOOP
      -- In one order, so that no two wait for each other.
      SELECT array_agg(h.seq ORDER BY array_position(trails, h.trail)), array_agg(h.hash ORDER BY array_position(trails, h.trail))
      INTO old_seqs, old_hashes FROM (
        SELECT g.trail, g.seq, g.hash FROM ${schema}.heads g WHERE g.trail = ANY (trails) ORDER BY g.trail FOR UPDATE) h;
      EXIT WHEN cardinality(old_seqs) = cardinality(trails);
      INSERT INTO ${schema}.heads (trail) SELECT t FROM unnest(trails) t ORDER BY t COLLATE "C" ON CONFLICT DO NOTHING;
    END LOOP;
    IF cardinality(old_seqs) IS DISTINCT FROM cardinality(trails) THEN
      RAISE EXCEPTION 'the trails cannot be made' USING ERRCODE = 'serialization_failure';
    END IF;
    -- It may have waited for one row after the other: nothing is added that nobody waits for.
    IF clock_timestamp() - statement_timestamp() > lock_ms * interval '1 millisecond' THEN
      RAISE EXCEPTION 'the trails were locked for too long' USING ERRCODE = 'lock_not_available';
    END IF;
    FOR i IN 1..cardinality(trails) LOOP
      IF old_seqs[i] > known_seqs[i] THEN
        -- Others went on with it: from the record that the caller knows, unless that was removed for its age.
        SELECT r.hash INTO stored_hash FROM ${schema}.records r WHERE r.trail = trails[i] AND r.seq = known_seqs[i];
        IF stored_hash <> known_hashes[i] THEN old_seqs[i] := known_seqs[i]; old_hashes[i] := stored_hash; END IF;
      END IF;
      IF old_seqs[i] < known_seqs[i] OR (old_seqs[i] = known_seqs[i] AND old_hashes[i] IS DISTINCT FROM known_hashes[i]) THEN
        RETURN QUERY SELECT * FROM unnest(trails, old_seqs, old_hashes, NULL::bigint[], NULL::text[]);
        RETURN;
      END IF;
    END LOOP;
    seqs := old_seqs; hashes := old_hashes;
    FOR item IN SELECT * FROM unnest(at_trail, entries) WITH ORDINALITY AS u (at, entry, place) ORDER BY place LOOP
      n := item.at;
      seqs[n] := seqs[n] + 1;
      out_trails := array_append(out_trails, trails[n]);
      out_seqs := array_append(out_seqs, seqs[n]);
      out_prevs := array_append(out_prevs, hashes[n]);
      hashes[n] := translate(rtrim(encode(sha256(convert_to(
        '{"entry":' || item.entry || ',"prev":' || coalesce('"' || hashes[n] || '"', 'null') || ',"seq":' || seqs[n]
        || ',"time":"' || at_time || '","trail":' || trail_texts[n] || ',"v":1}', 'UTF8')), 'base64'), '='), '+/', '-_');
      out_hashes := array_append(out_hashes, hashes[n]);
    END LOOP;
    INSERT INTO ${schema}.records (trail, seq, time, prev, hash, entry)
      SELECT r.trail, r.seq, at_time, r.prev, r.hash, r.entry
      FROM unnest(out_trails, out_seqs, out_prevs, out_hashes, entries) AS r (trail, seq, prev, hash, entry);
    UPDATE ${schema}.heads h SET seq = l.seq, hash = l.hash
      FROM unnest(trails, seqs, hashes) AS l (trail, seq, hash) WHERE h.trail = l.trail;
    RETURN QUERY SELECT * FROM unnest(trails, old_seqs, old_hashes, seqs, hashes);
  END $$;`;

export const appendRight = (schema: string): string => `EXECUTE ON FUNCTION ${schema}.append`;

const row = z.object({
  trail: z.string(),
  seq: count,
  hash: z.string().nullable(),
  new_seq: count.nullable(),
  new_hash: z.string().nullable(),
});

/**
 * Adds a batch.
 *
 * @param lockMs - how long it may wait for the rows of trails, all of them together
 * @throws PortcullisError `audit_unavailable`
 */
export async function append(run: Run, schema: string, batch: TrailBatch, lockMs: number): Promise<Appended> {
  const trails = trailsIn(batch);
  const numbers = new Map(trails.map((trail, index) => [trail, index + 1]));
  const known = trails.map((trail) => batch.known.get(trail));
  const items = batch.entries.flatMap((entry) => entry.trails.map((trail) => ({ at: numbers.get(trail), entry })));
  const rows = await asked(run, schema, [
    trails,
    trails.map((trail) => JSON.stringify(trail)),
    known.map((head) => head?.seq ?? null),
    known.map((head) => head?.hash ?? null),
    items.map(({ at }) => at),
    items.map(({ entry }) => entry.text),
    batch.time,
    Math.max(1, Math.floor(lockMs)),
  ]);
  const before = new Map<string, TrailHead>(rows.map(({ trail, seq, hash }) => [trail, { seq, hash }]));
  if (rows.some(({ new_seq }) => new_seq === null)) return { before, after: undefined };
  const after = rows.map(({ trail, new_seq, new_hash }) => [trail, { seq: new_seq ?? 0, hash: new_hash }] as const);
  return { before, after: new Map(after) };
}

async function asked(run: Run, schema: string, values: readonly unknown[]): Promise<readonly z.infer<typeof row>[]> {
  try {
    const rows = await run(
      `SELECT trail, seq::text, hash, new_seq::text, new_hash FROM ${schema}.append($1, $2, $3, $4, $5, $6, $7, $8)`,
      values,
    );
    return rows.map((each) => row.parse(each));
  } catch (error) {
    const state = sqlState(error);
    if (state === '42883')
      throw unavailable(error, 'the tables of the audit trail are older than this version: run `migrate`');
    // A row that the server refuses, as for its size: the statement is undone, and others may do better alone.
    if (state !== undefined && /^(?:22|23|54)/.test(state)) throw nothingAdded(unavailable(error));
    throw error;
  }
}

import { recordText } from '../trail/record.js';
import type { TrailRange } from '../trail/store.js';
import { checkpointsOf, recordColumns, recordsOf } from './rows.js';
import type { Run } from './transaction.js';

// Columns are ordered by their table's name: by its own, an answer's column of the same name, a text, would come first.
const pageSize = 1000;

/** Runs work in a transaction that reads. */
type Read = <T>(work: (run: Run) => Promise<T>) => Promise<T>;

/** The texts of records, page by page, trail by trail. */
export async function* pagesOfRecords(
  read: Read,
  schema: string,
  { trail, after = 0, upTo = Number.MAX_SAFE_INTEGER }: TrailRange,
): AsyncGenerator<string> {
  let at = trail === undefined ? { trail: '', seq: 0 } : { trail, seq: after };
  for (;;) {
    const text = `SELECT ${recordColumns} FROM ${schema}.records r
      WHERE (trail, seq) > ($1, $2) AND ($3::text IS NULL OR trail = $3) AND seq > $4 AND seq <= $5
      ORDER BY r.trail, r.seq LIMIT ${String(pageSize)}`;
    const values = [at.trail, at.seq, trail ?? null, after, upTo];
    const page = recordsOf(await read((run) => run(text, values)));
    for (const record of page) yield recordText(record);
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    at = { trail: last.trail, seq: last.seq };
  }
}

/** Checkpoints, page by page, trail by trail. */
export async function* pagesOfCheckpoints(
  read: Read,
  schema: string,
  trail: string | undefined,
): AsyncGenerator<string> {
  let at = { trail: trail ?? '', n: 0 };
  for (;;) {
    const text = `SELECT trail, n::text, jws FROM ${schema}.checkpoints c
      WHERE (trail, n) > ($1, $2) AND ($3::text IS NULL OR trail = $3) ORDER BY c.trail, c.n LIMIT ${String(pageSize)}`;
    const values = [at.trail, at.n, trail ?? null];
    const page = checkpointsOf(await read((run) => run(text, values)));
    for (const { jws } of page) yield jws;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    at = { trail: last.trail, n: last.n };
  }
}

import { nextRecord, type ChainedRecord, type TrailHead } from './record.js';

/** An entry, and the trails that it is to be in. */
export interface TrailEntry {
  readonly trails: readonly string[];
  /** Canonical JSON. */
  readonly text: string;
}

/** Entries that are added to their trails in one step, in this order. */
export interface TrailBatch {
  readonly entries: readonly TrailEntry[];
  /** When they are written: ISO 8601, UTC, to the millisecond. */
  readonly time: string;
  /** Where this process last saw a trail, for those that it has seen. */
  readonly known: ReadonlyMap<string, TrailHead>;
}

/** What became of a batch. */
export interface Appended {
  /** Where each of its trails stood. */
  readonly before: ReadonlyMap<string, TrailHead>;
  /** Where each of them stands now; `undefined` when nothing was added. */
  readonly after: ReadonlyMap<string, TrailHead> | undefined;
}

/** The trails of a batch, each once, in one order for everybody who locks them. */
export function trailsIn({ entries }: Pick<TrailBatch, 'entries'>): readonly string[] {
  return [...new Set(entries.flatMap(({ trails }) => trails))].sort();
}

/** The records that follow the heads. */
export function chain(
  before: ReadonlyMap<string, TrailHead>,
  { entries, time }: Pick<TrailBatch, 'entries' | 'time'>,
): { readonly records: readonly ChainedRecord[]; readonly after: ReadonlyMap<string, TrailHead> } {
  const after = new Map(before);
  const records = entries.flatMap(({ trails, text }) =>
    trails.map((trail) => {
      const head = after.get(trail);
      if (head === undefined) throw new TypeError(`the store gave no head for \`${trail}\``);
      const record = nextRecord(trail, head, time, text);
      after.set(trail, { seq: record.seq, hash: record.hash });
      return record;
    }),
  );
  return { records, after };
}

/** Whether a trail is where it was seen, or further. */
export function isNotBehind(head: TrailHead, known: TrailHead | undefined): boolean {
  return known === undefined || head.seq > known.seq || (head.seq === known.seq && head.hash === known.hash);
}

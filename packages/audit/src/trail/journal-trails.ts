import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import {
  allTrails,
  checkpointDigest,
  readCheckpoint,
  type CheckpointPayload,
  type StoredCheckpoint,
} from './checkpoint.js';
import { chain, isNotBehind, trailsIn } from './chain.js';
import { matcher, positionOrder } from './match-record.js';
import { parseRecord, recordText, type ChainedRecord, type TrailHead } from './record.js';
import type { StoreQuery, TrailRange, TrailState, TrailStore } from './store.js';

/** Lines, one after the other, with one process that writes them. */
export interface TrailJournal {
  /** Appends lines, durably before it resolves; what a crash leaves of them is a beginning. */
  append(lines: readonly string[]): Promise<void>;
  /** The lines that were there when the reading began. */
  read(): AsyncIterable<string>;
  /** Replaces all lines, in one step. */
  replace(lines: AsyncIterable<string>): Promise<void>;
  close(): Promise<void>;
}

/** A line that is a checkpoint. */
const checkpointLine = z.strictObject({ checkpoint: z.string() });

/** A line as what it is; `undefined` for neither. */
function readLine(
  line: string,
):
  | { readonly record: ChainedRecord }
  | { readonly checkpoint: StoredCheckpoint; readonly payload: CheckpointPayload }
  | undefined {
  if (!line.startsWith('{"checkpoint":')) {
    const record = parseRecord(line);
    return record && { record };
  }
  try {
    const { checkpoint: jws } = checkpointLine.parse(JSON.parse(line));
    const payload = readCheckpoint(jws);
    if (payload === undefined) return undefined;
    const { trail, n, previous } = payload;
    const seq = payload.kind === 'all' ? 0 : payload.seq;
    return { checkpoint: { trail, n, seq, previous, digest: checkpointDigest(jws), jws }, payload };
  } catch {
    return undefined;
  }
}

/**
 * A store of trails over a journal that one process writes.
 *
 * @throws PortcullisError `config_invalid` when a line of the journal is neither a record nor a checkpoint
 */
export async function journalTrails(journal: TrailJournal): Promise<TrailStore> {
  const states = await replay(journal);
  let turn: Promise<unknown> = Promise.resolve();
  const stateOf = (trail: string): TrailState =>
    states.get(trail) ?? { trail, seq: 0, hash: null, checkpoint: { n: 0, seq: 0, digest: null } };

  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  }

  return {
    append: (batch) =>
      exclusively(async () => {
        const before = new Map(trailsIn(batch).map((trail) => [trail, headOf(stateOf(trail))]));
        if (![...before].every(([trail, head]) => isNotBehind(head, batch.known.get(trail))))
          return { before, after: undefined };
        const { records, after } = chain(before, batch);
        await journal.append(records.map(recordText));
        for (const record of records) states.set(record.trail, afterRecord(stateOf(record.trail), record));
        return { before, after };
      }),
    unsigned: (atLeast, limit) =>
      exclusively(() =>
        Promise.resolve(
          [...states.values()].filter(({ seq, checkpoint }) => seq - checkpoint.seq >= atLeast).slice(0, limit),
        ),
      ),
    state: (trail) => exclusively(() => Promise.resolve(stateOf(trail))),
    putCheckpoints: (checkpoints) =>
      exclusively(async () => {
        if (!checkpoints.every((next) => follows(stateOf(next.trail), next))) return false;
        await journal.append(checkpoints.map(checkpointText));
        for (const next of checkpoints) states.set(next.trail, afterCheckpoint(stateOf(next.trail), next));
        return true;
      }),
    ...journalReader(journal),
    trails: () => Promise.resolve([...states.keys()].filter((trail) => trail !== allTrails).sort()),
    remove: ({ trail, seq, checkpointN, tombstone }) =>
      exclusively(async () => {
        const state = stateOf(trail);
        if (!follows(state, tombstone)) return false;
        await journal.replace(
          remaining(
            journal,
            (read) =>
              'record' in read
                ? read.record.trail !== trail || read.record.seq > seq
                : read.checkpoint.trail !== trail || read.checkpoint.n > checkpointN,
            [checkpointText(tombstone)],
          ),
        );
        states.set(trail, afterCheckpoint(state, tombstone));
        return true;
      }),
    close: () => exclusively(() => journal.close()),
  };
}

/** What can be asked of lines that somebody else writes. */
export type TrailLines = Pick<TrailStore, 'find' | 'records' | 'checkpoints' | 'trails'>;

/** Reads the trails of a journal. What is neither a record nor a checkpoint is given as it is, for a verification. */
export function journalReader(journal: Pick<TrailJournal, 'read'>): TrailLines {
  return {
    find: (query) => find(journal, query),
    records: (range) => recordsOf(journal, range ?? {}),
    checkpoints: (trail) => checkpointsOf(journal, trail),
    async trails() {
      const names = new Set<string>();
      for await (const line of journal.read()) {
        const read = readLine(line);
        if (read !== undefined) names.add('record' in read ? read.record.trail : read.checkpoint.trail);
      }
      return [...names].filter((name) => name !== allTrails).sort();
    },
  };
}

async function replay(journal: TrailJournal): Promise<Map<string, TrailState>> {
  const states = new Map<string, TrailState>();
  let number = 0;
  for await (const line of journal.read()) {
    number++;
    const read = readLine(line);
    if (read === undefined) throw damaged(number);
    const { trail } = 'record' in read ? read.record : read.checkpoint;
    const state = states.get(trail) ?? { trail, seq: 0, hash: null, checkpoint: { n: 0, seq: 0, digest: null } };
    states.set(trail, 'record' in read ? afterRecord(state, read.record) : afterLine(state, read));
  }
  return states;
}

function damaged(line: number): PortcullisError {
  return new PortcullisError('config_invalid', 'the audit trail is damaged', {
    detail: `line ${String(line)} is neither a record nor a checkpoint: keep the file as evidence, and go on in another place`,
  });
}

function headOf({ seq, hash }: TrailState): TrailHead {
  return { seq, hash };
}

function afterRecord(state: TrailState, { seq, hash }: ChainedRecord): TrailState {
  return { ...state, seq, hash };
}

function afterCheckpoint(state: TrailState, { n, seq, digest }: StoredCheckpoint): TrailState {
  return { ...state, checkpoint: { n, seq: Math.max(seq, state.checkpoint.seq), digest } };
}

function afterLine(state: TrailState, { checkpoint, payload }: CheckpointLine): TrailState {
  const next = afterCheckpoint(state, checkpoint);
  // A trail of which all records were removed goes on behind them.
  return payload.kind === 'removal' && payload.seq > state.seq
    ? { ...next, seq: payload.seq, hash: payload.hash }
    : next;
}

function follows({ checkpoint }: TrailState, next: StoredCheckpoint): boolean {
  return next.n === checkpoint.n + 1 && next.previous === checkpoint.digest;
}

function checkpointText({ jws }: StoredCheckpoint): string {
  return `{"checkpoint":"${jws}"}`;
}

type Line = NonNullable<ReturnType<typeof readLine>>;
type CheckpointLine = Exclude<Line, { readonly record: ChainedRecord }>;

async function* remaining(
  journal: TrailJournal,
  keep: (line: Line) => boolean,
  more: readonly string[],
): AsyncIterable<string> {
  for await (const line of journal.read()) {
    const read = readLine(line);
    if (read === undefined || keep(read)) yield line;
  }
  yield* more;
}

async function* recordsOf(
  journal: Pick<TrailJournal, 'read'>,
  { trail, after = 0, upTo = Infinity }: TrailRange,
): AsyncIterable<string> {
  const whole = trail === undefined && after === 0 && upTo === Infinity;
  for await (const line of journal.read()) {
    if (line.startsWith('{"checkpoint":')) continue;
    if (whole) yield line;
    else {
      const record = parseRecord(line);
      // What is no record any more is for the verification to say.
      if (record === undefined) yield line;
      else if ((trail === undefined || record.trail === trail) && record.seq > after && record.seq <= upTo) yield line;
    }
  }
}

async function* checkpointsOf(journal: Pick<TrailJournal, 'read'>, trail: string | undefined): AsyncIterable<string> {
  for await (const line of journal.read()) {
    if (!line.startsWith('{"checkpoint":')) continue;
    const read = readLine(line);
    if (read === undefined || !('checkpoint' in read)) yield line;
    else if (trail === undefined || read.checkpoint.trail === trail) yield read.checkpoint.jws;
  }
}

async function find(journal: Pick<TrailJournal, 'read'>, query: StoreQuery): Promise<readonly ChainedRecord[]> {
  const matches = matcher(query);
  const order = positionOrder(query.order);
  const found: ChainedRecord[] = [];
  for await (const line of journal.read()) {
    if (line.startsWith('{"checkpoint":')) continue;
    const record = parseRecord(line);
    if (record === undefined || !matches(record)) continue;
    if (query.after !== undefined && order(record, query.after) <= 0) continue;
    found.push(record);
    // Twice as many as are asked for are kept, not all there are.
    if (found.length >= 2 * query.limit + 100) found.sort(order).splice(query.limit);
  }
  return found.sort(order).slice(0, query.limit);
}

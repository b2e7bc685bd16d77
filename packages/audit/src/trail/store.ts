import type { StoredCheckpoint } from './checkpoint.js';
import type { Appended, TrailBatch } from './chain.js';
import type { ChainedRecord, TrailHead } from './record.js';

/** Where a trail stands, and its checkpoints. */
export interface TrailState extends TrailHead {
  readonly trail: string;
  /** The last checkpoint; `n` 0 before the first. `seq`: the last record that a checkpoint vouches for. */
  readonly checkpoint: { readonly n: number; readonly seq: number; readonly digest: string | null };
}

/** Which records, in which order. What is absent does not narrow. */
export interface TrailFilter {
  /** `Identity.key`. */
  readonly actor?: string | undefined;
  /** In milliseconds since the Unix epoch: this moment and later. */
  readonly from?: number | undefined;
  /** In milliseconds since the Unix epoch: before this moment. */
  readonly to?: number | undefined;
  readonly effect?: 'allow' | 'deny' | undefined;
  /** As `decision`, `configuration`. */
  readonly type?: string | undefined;
  /** The MCP method. */
  readonly method?: string | undefined;
  /** The tool or prompt, or the URI of the resource. */
  readonly name?: string | undefined;
  readonly requestId?: string | undefined;
}

/** One page of a question to a store. */
export interface StoreQuery extends TrailFilter {
  readonly trails: readonly string[] | 'all';
  readonly order: 'newest' | 'oldest';
  readonly limit: number;
  /** Goes on behind this record. */
  readonly after?: TrailPosition | undefined;
}

/** The place of a record in the order of answers: by time, trail, number. */
export interface TrailPosition {
  readonly time: string;
  readonly trail: string;
  readonly seq: number;
}

/** The records of one trail, or of all. */
export interface TrailRange {
  readonly trail?: string | undefined;
  /** Only records behind this one. */
  readonly after?: number | undefined;
  /** Only records up to this one. */
  readonly upTo?: number | undefined;
}

/** The beginning of a trail that is to go. */
export interface TrailRemoval {
  readonly trail: string;
  /** The last record that goes. */
  readonly seq: number;
  /** The last checkpoint that goes. */
  readonly checkpointN: number;
  /** The signed record of the removal: the next checkpoint of the trail. */
  readonly tombstone: StoredCheckpoint;
}

/**
 * Where trails are kept. Several processes may write to one store, if it says so.
 *
 * @throws PortcullisError `audit_unavailable`, from each method, when it cannot be asked
 */
export interface TrailStore {
  /**
   * Chains entries and adds them to their trails, all of them or none, durably before it resolves. Nobody else adds to
   * these trails between the reading of where they stand and the end. Nothing is added when one of them is not where
   * the batch knows it, or further.
   */
  append(batch: TrailBatch): Promise<Appended>;
  /** Trails with at least so many records that no checkpoint vouches for. */
  unsigned(atLeast: number, limit: number): Promise<readonly TrailState[]>;
  /** Where a trail stands, or, for `*`, the checkpoints over all trails. */
  state(trail: string): Promise<TrailState>;
  /** @returns false, and keeps none, when one of them does not follow the last checkpoint of its trail */
  putCheckpoints(checkpoints: readonly StoredCheckpoint[]): Promise<boolean>;
  /** One page of records. */
  find(query: StoreQuery): Promise<readonly ChainedRecord[]>;
  /** The texts of records as they are stored; those of one trail in the order in which they are stored. */
  records(range?: TrailRange): AsyncIterable<string>;
  /** The checkpoints of one trail (or `*`), or of all, those of one trail in order. */
  checkpoints(trail?: string): AsyncIterable<string>;
  /** All trails, ordered by name. */
  trails(): Promise<readonly string[]>;
  /** @returns false, and removes nothing, when the tombstone does not follow the last checkpoint of the trail */
  remove(removal: TrailRemoval): Promise<boolean>;
  close(): Promise<void>;
}

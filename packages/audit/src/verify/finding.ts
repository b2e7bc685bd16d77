/** What can be wrong with a trail. */
export type FindingKind =
  /** A line that is no record. */
  | 'malformed'
  /** The record's content is not the one that its hash was made of. */
  | 'edited'
  /** The record does not follow the one before it: one of the two was written anew. */
  | 'relinked'
  /** Records are missing: `seq` to `to`. */
  | 'removed'
  /** A number that was there before: a record was added, repeated or moved. */
  | 'out_of_order'
  /** The record is not the one that was signed: it, and perhaps all before it, were written anew. */
  | 'rewritten'
  /** The trail ends before what was signed: records `seq` to `to` are missing. */
  | 'truncated'
  /** No checkpoint vouches for the records `seq` to `to`. */
  | 'unsigned'
  /** The record's entry belongs to another trail, or the trail to no such extract. */
  | 'misplaced'
  /** No checkpoint, or one that says something impossible. */
  | 'checkpoint_malformed'
  /** Signed with a key that is not trusted. */
  | 'checkpoint_untrusted'
  /** The signature is not the key's. */
  | 'checkpoint_forged'
  /** Checkpoints are missing: those with the numbers `seq` to `to`. */
  | 'checkpoint_removed'
  /** A checkpoint that was there before, or that is not where it belongs. */
  | 'checkpoint_out_of_order'
  /** The checkpoint does not follow the one before it, or is not the one that was signed or published. */
  | 'checkpoint_replaced'
  /** A whole trail is gone. */
  | 'trail_removed';

/** One thing that is wrong, and where. */
export interface Finding {
  readonly kind: FindingKind;
  /** `*`: the checkpoints over all trails. Empty where it cannot be told. */
  readonly trail: string;
  /** The number of the record, or of the checkpoint for kinds that begin with `checkpoint_`. */
  readonly seq?: number | undefined;
  /** The last number, where several are meant. */
  readonly to?: number | undefined;
  /** For people. */
  readonly detail: string;
}

/** What was found of one trail. */
export interface TrailSummary {
  readonly trail: string;
  readonly records: number;
  /** The first record that is there; 0 without. */
  readonly first: number;
  readonly last: number;
  /** Up to here checkpoints vouch for the records. What was cut off behind it cannot be noticed. */
  readonly signedTo: number;
  /** Records up to here were removed, and a checkpoint says so; 0 for none. */
  readonly removedTo: number;
}

/** The result of a verification. */
export interface TrailReport {
  /** Nothing is wrong. */
  readonly intact: boolean;
  /** As many as were asked for. */
  readonly findings: readonly Finding[];
  /** How many there are. */
  readonly findingCount: number;
  readonly records: number;
  readonly checkpoints: number;
  readonly trails: readonly TrailSummary[];
}

import { hashOf, type ChainedRecord } from '../trail/record.js';
import { trailsOf, type Placed } from '../trail/trails-of.js';
import type { TrailPins } from './checked-checkpoints.js';
import type { Finding, TrailSummary } from './finding.js';

/** Which records of a trail are looked at. */
export interface WalkRange {
  readonly start: TrailStart;
  /** What is signed behind this record is not asked for. @defaultValue the end */
  readonly upTo?: number | undefined;
}

/** Where the records of a trail begin that are looked at. */
export interface TrailStart {
  /** The record before the first. */
  readonly seq: number;
  readonly hash: string | null;
}

/** Walks along one trail, record by record, and says what is wrong. */
export class TrailWalk {
  readonly #trail: string;
  readonly #pins: readonly { readonly seq: number; readonly hash: string }[];
  readonly #tell: (finding: Finding) => void;
  readonly #removedTo: number;
  #pin = 0;
  #next: number;
  #prev: string | null;
  #records = 0;
  #first = 0;

  constructor(
    trail: string,
    pins: TrailPins | undefined,
    { start, upTo = Infinity }: WalkRange,
    tell: (finding: Finding) => void,
  ) {
    this.#trail = trail;
    this.#pins = (pins?.pins ?? []).filter(({ seq }) => seq <= upTo).sort((one, other) => one.seq - other.seq);
    this.#removedTo = pins?.removal?.seq ?? 0;
    this.#tell = tell;
    this.#next = start.seq + 1;
    this.#prev = start.hash;
    while ((this.#pins[this.#pin]?.seq ?? Infinity) <= start.seq) this.#pin++;
  }

  record(record: ChainedRecord & { readonly placed: Placed }): void {
    const { seq } = record;
    this.#records++;
    if (seq < this.#next) {
      const detail = `a record with the number ${String(seq)} where ${String(this.#next)} is due`;
      this.#tell({ kind: 'out_of_order', trail: this.#trail, seq, detail });
      return;
    }
    if (this.#first === 0) this.#first = seq;
    const hash = hashOf(record);
    const edited = hash !== record.hash;
    if (edited) this.#tell({ kind: 'edited', trail: this.#trail, seq, detail: 'the hash is not that of the content' });
    if (seq > this.#next) {
      const [from, to] = [this.#next, seq - 1];
      this.#tell({ kind: 'removed', trail: this.#trail, seq: from, to, detail: `${count(to - from + 1)} missing` });
    } else if (record.prev !== this.#prev) {
      const detail = `does not follow record ${String(seq - 1)}: one of the two was written anew`;
      this.#tell({ kind: 'relinked', trail: this.#trail, seq, detail });
    }
    if (!trailsOf(record.placed).includes(this.#trail))
      this.#tell({ kind: 'misplaced', trail: this.#trail, seq, detail: 'the entry belongs to another trail' });
    this.#compare(seq, edited ? record.hash : hash);
    this.#prev = record.hash;
    this.#next = seq + 1;
  }

  #compare(seq: number, hash: string): void {
    for (let pin = this.#pins[this.#pin]; pin !== undefined && pin.seq <= seq; pin = this.#pins[++this.#pin]) {
      // What is missing was told.
      if (pin.seq < seq || pin.hash === hash) continue;
      const detail = 'not the record that was signed: it, and perhaps records before it, were written anew';
      this.#tell({ kind: 'rewritten', trail: this.#trail, seq, detail });
    }
  }

  /**
   * @param head - where the store says that the trail ends, if it does
   * @param requireSigned - whether what is not signed is a finding
   */
  end(head: number | undefined, requireSigned = false): TrailSummary {
    const signedTo = this.#pins.at(-1)?.seq ?? 0;
    const unsigned = Math.max(signedTo, this.#removedTo) + 1;
    if (requireSigned && unsigned < this.#next) {
      const to = this.#next - 1;
      const detail = `no checkpoint vouches for ${to === unsigned ? 'the last record' : 'the last records'}`;
      this.#tell({ kind: 'unsigned', trail: this.#trail, seq: unsigned, to, detail });
    }
    const end = Math.max(signedTo, head ?? 0);
    if (end >= this.#next) {
      const [seq, to] = [this.#next, end];
      const detail = `${count(to - seq + 1)} at the end missing`;
      this.#tell({ kind: 'truncated', trail: this.#trail, seq, to, detail });
    }
    return {
      trail: this.#trail,
      records: this.#records,
      first: this.#first,
      last: this.#records === 0 ? 0 : this.#next - 1,
      signedTo: Math.max(signedTo, this.#removedTo),
      removedTo: this.#removedTo,
    };
  }
}

function count(records: number): string {
  return records === 1 ? '1 record is' : `${String(records)} records are`;
}

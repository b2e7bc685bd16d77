import { PortcullisError, systemClock, type Clock } from '@portcullis/core';
import { checkpointVerifier } from '../verify/checked-checkpoints.js';
import { TrailWalk } from '../verify/trail-walk.js';
import type { Finding } from '../verify/finding.js';
import { signCheckpoint, type CheckpointPayload } from './checkpoint.js';
import { parseRecord } from './record.js';
import type { CheckpointKey, CheckpointSigner } from './signer.js';
import type { TrailStore } from './store.js';

/** What is kept, and for how long. */
export interface RetainOptions {
  readonly store: TrailStore;
  /** Signs the record of the removal. */
  readonly signer: CheckpointSigner;
  /** Former public keys that are still trusted. */
  readonly keys?: readonly CheckpointKey[] | undefined;
  /** Records that are older go, in milliseconds. */
  readonly olderThanMs: number;
  /** Trails that are kept for another time, by name (`tenant:acme`), in milliseconds. `Infinity`: for ever. */
  readonly perTrail?: Readonly<Record<string, number>> | undefined;
  /** Why, in the words of who does it: it is in the trail for ever. */
  readonly reason: string;
  /** Says what would go, and removes nothing. @defaultValue false */
  readonly dryRun?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

/** What became of one trail. */
export interface RetainedTrail {
  readonly trail: string;
  /** How many records went, or would go. */
  readonly removed: number;
  /** The last record that went, or would go; 0 for none. */
  readonly removedTo: number;
  /** Why nothing went although something is old enough: the beginning does not verify, and is evidence. */
  readonly refused?: readonly Finding[] | undefined;
}

/**
 * Removes what is past its time: of each trail the beginning, up to the last checkpoint of which everything is older.
 * A signed record of the removal takes its place, so that the rest verifies still and everybody sees that something
 * was removed, how much, when and why.
 *
 * What does not verify is not removed. Not to be run while the trails are being verified.
 *
 * @throws PortcullisError `audit_unavailable`, `config_invalid` for times out of range
 * @throws TypeError without a reason
 */
export async function retain(options: RetainOptions): Promise<readonly RetainedTrail[]> {
  const { store, olderThanMs, perTrail = {}, reason } = options;
  if (reason.trim() === '') throw new TypeError('a removal needs a reason');
  for (const time of [olderThanMs, ...Object.values(perTrail)])
    if (!(time >= 0)) throw new PortcullisError('config_invalid', 'the time that records are kept is out of range');
  const results: RetainedTrail[] = [];
  for (const trail of await store.trails()) {
    const keptMs = Object.hasOwn(perTrail, trail) ? (perTrail[trail] ?? olderThanMs) : olderThanMs;
    results.push(keptMs === Infinity ? none(trail) : await retainTrail(options, trail, keptMs));
  }
  return results;
}

type Pin = Extract<CheckpointPayload, { kind: 'checkpoint' }> & { readonly digest: string };

async function retainTrail(options: RetainOptions, trail: string, keptMs: number): Promise<RetainedTrail> {
  const { store, signer, keys = [], clock = systemClock, dryRun = false, reason } = options;
  const before = clock() - keptMs;
  const oldTo = await lastOld(store, trail, before);
  if (oldTo === 0) return none(trail);
  const findings: Finding[] = [];
  const read = await readCheckpoints(store, trail, [...keys, signer.publicKey], findings);
  const boundary = read.pins.filter((pin) => pin.seq <= oldTo && Date.parse(pin.time) < before).at(-1);
  const start = read.removal ?? { seq: 0, hash: null };
  if (boundary === undefined || boundary.seq <= start.seq)
    return findings.length === 0 ? none(trail) : { ...none(trail), refused: findings };
  const pins = { ...emptyPins, pins: read.pins.filter(({ seq }) => seq <= boundary.seq) };
  const walk = new TrailWalk(trail, pins, { start }, (finding) => findings.push(finding));
  let removed = 0;
  for await (const text of store.records({ trail, after: start.seq, upTo: boundary.seq })) {
    const record = parseRecord(text);
    if (record === undefined) findings.push({ kind: 'malformed', trail, detail: 'no record' });
    else walk.record(record);
    removed++;
  }
  walk.end(undefined);
  if (findings.length > 0) return { ...none(trail), refused: findings };
  const result = { trail, removed, removedTo: boundary.seq };
  if (dryRun) return result;
  const from = start.seq + 1;
  const time = new Date(clock()).toISOString();
  for (let attempt = 0; attempt < 10; attempt++) {
    const { checkpoint } = await store.state(trail);
    const tombstone = await signCheckpoint(signer, {
      ...{ v: 1, kind: 'removal', trail, time, reason, from, seq: boundary.seq, hash: boundary.hash },
      ...{ n: checkpoint.n + 1, previous: checkpoint.digest },
      checkpoint: { n: boundary.n, digest: boundary.digest },
    });
    if (await store.remove({ trail, seq: boundary.seq, checkpointN: boundary.n, tombstone })) return result;
  }
  throw new PortcullisError('audit_unavailable', undefined, {
    detail: 'other processes sign checkpoints all the time',
  });
}

function none(trail: string): RetainedTrail {
  return { trail, removed: 0, removedTo: 0 };
}

const emptyPins = {
  digests: new Map<number, string>(),
  first: undefined,
  lastN: 0,
  lastDigest: null,
  removal: undefined,
};

/** The last record up to which all are older. A clock that jumped keeps more, not less. */
async function lastOld(store: TrailStore, trail: string, before: number): Promise<number> {
  let last = 0;
  for await (const text of store.records({ trail })) {
    const record = parseRecord(text);
    if (record === undefined || !(Date.parse(record.time) < before)) break;
    last = record.seq;
  }
  return last;
}

async function readCheckpoints(
  store: TrailStore,
  trail: string,
  keys: readonly CheckpointKey[],
  findings: Finding[],
): Promise<{ readonly pins: readonly Pin[]; readonly removal: { seq: number; hash: string } | undefined }> {
  const verify = await checkpointVerifier(keys);
  const pins: Pin[] = [];
  let removal: { seq: number; hash: string } | undefined;
  for await (const jws of store.checkpoints(trail)) {
    const verified = await verify(jws);
    if ('kind' in verified) findings.push(verified);
    else if (verified.payload.kind === 'checkpoint') pins.push({ ...verified.payload, digest: verified.digest });
    else if (verified.payload.kind === 'removal') removal = verified.payload;
  }
  return { pins, removal };
}

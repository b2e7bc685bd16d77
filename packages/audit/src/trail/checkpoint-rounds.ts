import { PortcullisError, type Clock } from '@portcullis/core';
import { allTrails, signCheckpoint, type StoredCheckpoint } from './checkpoint.js';
import type { KnownHeads } from './known-heads.js';
import { parseRecord } from './record.js';
import type { CheckpointSigner } from './signer.js';
import type { TrailState, TrailStore } from './store.js';

/** A checkpoint for the world outside. */
export interface PublishedCheckpoint {
  /** The trail, or `*` for the one over all trails: with it, the others can be left out. */
  readonly trail: string;
  readonly jws: string;
}

/** What rounds need. */
export interface CheckpointRoundsOptions {
  readonly store: TrailStore;
  readonly signer: CheckpointSigner;
  readonly known: KnownHeads;
  readonly clock: Clock;
  readonly checkpointEvery?: number | undefined;
  readonly anchor?: ((checkpoints: readonly PublishedCheckpoint[]) => Promise<void>) | undefined;
  readonly onError?: ((error: Error) => void) | undefined;
}

/** Signs where the trails stand, one round after the other. */
export interface CheckpointRounds {
  /** Signs all trails with at least so many unsigned records. */
  run(atLeast: number): Promise<void>;
  /** The same, for nobody who waits. */
  inBackground(atLeast: number): void;
  /** Whether a trail that this process wrote to has enough unsigned records, as far as this process knows. */
  isDue(trail: string, seq: number): boolean;
}

/** How many trails one round signs at most: the rest is for the next. */
const mostTrails = 500;

/** How often another replica may have been first. */
const mostAttempts = 10;

/** How long nothing is tried again after a failure, unless somebody waits for it. */
const pauseMs = 1000;

/** Makes rounds. Each stores the checkpoints of some trails and one over all trails, or nothing. */
export function checkpointRounds(options: CheckpointRoundsOptions): CheckpointRounds {
  const { store, checkpointEvery = 1000, anchor, onError = warn } = options;
  const signedUpTo = new Map<string, number>();
  const last = new Map<string, SignedLast>();
  let unpublished: PublishedCheckpoint[] = [];
  let running: Promise<void> = Promise.resolve();
  let waiting = 0;
  let quietUntil = 0;

  async function round(atLeast: number): Promise<void> {
    let failures: readonly PortcullisError[] = [];
    let missed = 0;
    for (;;) {
      const states = await store.unsigned(atLeast, mostTrails);
      if (states.length === 0) break;
      const made = await signed(options, states, last);
      const { checkpoints } = made;
      failures = made.failures;
      if (checkpoints.length === 0) break;
      if (await store.putCheckpoints(checkpoints)) {
        for (const { trail, seq, n, digest } of checkpoints) {
          remember(trail, seq);
          rememberIn(last, trail, { n, digest });
        }
        if (anchor !== undefined) unpublished = [...unpublished, ...checkpoints].slice(-10_000);
        if (states.length < mostTrails) break;
      } else if (++missed >= mostAttempts) throw unavailable('other processes sign checkpoints all the time');
    }
    await publish();
    const [failure] = failures;
    if (failure !== undefined) throw failure;
  }

  function remember(trail: string, seq: number): void {
    rememberIn(signedUpTo, trail, seq);
  }

  async function publish(): Promise<void> {
    if (anchor === undefined || unpublished.length === 0) return;
    const now = unpublished;
    try {
      await anchor(now.map(({ trail, jws }) => ({ trail, jws })));
      unpublished = unpublished.filter((checkpoint) => !now.includes(checkpoint));
    } catch (cause) {
      onError(unavailable('the checkpoints cannot be published', cause));
    }
  }

  function run(atLeast: number): Promise<void> {
    const next = running
      .then(() => round(atLeast))
      .catch((error: unknown) => {
        throw error instanceof PortcullisError ? error : unavailable('the checkpoints cannot be signed', error);
      });
    running = next.catch(() => undefined);
    return next;
  }

  return {
    run,
    inBackground(atLeast) {
      // One that runs and one that waits see everything there is.
      if (waiting >= 2 || performance.now() < quietUntil) return;
      waiting++;
      run(atLeast)
        .catch((error: unknown) => {
          quietUntil = performance.now() + pauseMs;
          // What was due still is.
          signedUpTo.clear();
          onError(error instanceof Error ? error : new Error(String(error)));
        })
        .finally(() => waiting--);
    },
    isDue(trail, seq) {
      const from = signedUpTo.get(trail);
      if (from !== undefined && seq - from < checkpointEvery) return false;
      // The store knows, and another replica may have signed it; from here on it is counted.
      remember(trail, seq);
      return true;
    },
  };
}

/** The last checkpoint that this process signed. */
interface SignedLast {
  readonly n: number;
  readonly digest: string;
}

/** What was signed, and why the other trails were not. */
interface Signed {
  readonly checkpoints: readonly StoredCheckpoint[];
  readonly failures: readonly PortcullisError[];
}

async function signed(
  { store, signer, known, clock }: CheckpointRoundsOptions,
  states: readonly TrailState[],
  last: ReadonlyMap<string, SignedLast>,
): Promise<Signed> {
  const all = (await store.state(allTrails)).checkpoint;
  requireNotBehind(allTrails, all, last);
  const time = new Date(clock()).toISOString();
  const checkpoints: StoredCheckpoint[] = [];
  const failures: PortcullisError[] = [];
  for (const state of states) {
    const { trail, seq, hash, checkpoint } = state;
    try {
      requireNotBehind(trail, checkpoint, last);
      await requireContinued(store, known, state);
    } catch (error) {
      if (!(error instanceof PortcullisError)) throw error;
      failures.push(error);
      continue;
    }
    if (hash === null) continue;
    checkpoints.push(
      await signCheckpoint(signer, {
        ...{ v: 1, kind: 'checkpoint', trail, seq, hash, time },
        ...{ n: checkpoint.n + 1, previous: checkpoint.digest },
      }),
    );
  }
  if (checkpoints.length === 0) return { checkpoints, failures };
  const trails = checkpoints
    .map(({ trail, n, digest }): [string, number, string] => [trail, n, digest])
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const over = { v: 1, kind: 'all', trail: allTrails, n: all.n + 1, previous: all.digest, time, trails } as const;
  return { checkpoints: [...checkpoints, await signCheckpoint(signer, over)], failures };
}

/** Where the checkpoints of a trail are gone that this process signed, nothing is signed in their place. */
function requireNotBehind(
  trail: string,
  { n, digest }: TrailState['checkpoint'],
  last: ReadonlyMap<string, SignedLast>,
): void {
  const signedLast = last.get(trail);
  if (signedLast === undefined || n > signedLast.n || (n === signedLast.n && digest === signedLast.digest)) return;
  throw unavailable(`the checkpoints of \`${trail}\` are not as this process left them: nothing is signed after them`);
}

/** A trail that others went on with still has the record in it that this process saw last, unless for its age. */
async function requireContinued(store: TrailStore, known: KnownHeads, { trail, seq }: TrailState): Promise<void> {
  // The trail may have moved on since the state was read: what counts is what was known before.
  const before = known.of(trail);
  if (before === undefined) return;
  if (seq <= before.seq) {
    known.check(trail, await store.state(trail), before);
    return;
  }
  for await (const text of store.records({ trail, after: before.seq - 1, upTo: before.seq })) {
    const record = parseRecord(text);
    if (record === undefined)
      throw unavailable(`a record of \`${trail}\` is none any more: nothing is signed after it`);
    if (record.trail === trail) known.check(trail, record, before);
  }
}

/** Keeps those that were used last. */
function rememberIn<T>(map: Map<string, T>, trail: string, value: T): void {
  map.delete(trail);
  map.set(trail, value);
  const [oldest] = map.keys();
  if (map.size > 20_000 && oldest !== undefined) map.delete(oldest);
}

function warn(error: Error): void {
  process.emitWarning(error);
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('audit_unavailable', undefined, { detail, cause });
}

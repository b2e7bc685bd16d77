import { compactVerify, decodeProtectedHeader, importJWK, type CryptoKey } from 'jose';
import {
  allTrails,
  checkpointDigest,
  parsePayload,
  readCheckpoint,
  type CheckpointPayload,
  type RemovalCheckpoint,
} from '../trail/checkpoint.js';
import { checkpointType, type CheckpointKey } from '../trail/signer.js';
import type { Finding } from './finding.js';

/** What the checkpoints of one trail say. */
export interface TrailPins {
  /** Ordered by number of record. */
  readonly pins: { readonly seq: number; readonly hash: string }[];
  /** By the checkpoint's number. */
  readonly digests: Map<number, string>;
  /** The first checkpoint that is there. */
  first: { readonly n: number; readonly previous: string | null; readonly seq: number } | undefined;
  lastN: number;
  lastDigest: string | null;
  removal: RemovalCheckpoint | undefined;
}

/** The checkpoints, verified. */
export interface CheckedCheckpoints {
  readonly trails: ReadonlyMap<string, TrailPins>;
  /** The last checkpoint of each trail, as those over all trails have it. */
  readonly over: ReadonlyMap<string, { readonly n: number; readonly digest: string }>;
  readonly count: number;
}

type Verified = { readonly payload: CheckpointPayload; readonly digest: string } | Finding;

/** Verifies one checkpoint by itself. */
export type CheckpointVerifier = (jws: string) => Promise<Verified>;

/** Makes the verifier for some keys. No other algorithm, key or type of signed thing is accepted. */
export async function checkpointVerifier(keys: readonly CheckpointKey[]): Promise<CheckpointVerifier> {
  const known = new Map<string, CryptoKey | Uint8Array>();
  for (const { kty, crv, x, kid } of keys) known.set(kid, await importJWK({ kty, crv, x }, 'EdDSA'));
  return async (jws) => {
    const said = readCheckpoint(jws);
    const at = { trail: said?.trail ?? '', ...(said === undefined ? {} : { seq: said.n }) };
    const kid = keyIdOf(jws);
    if (said === undefined || kid === undefined)
      return { kind: 'checkpoint_malformed', ...at, detail: 'this is no checkpoint' };
    const key = known.get(kid);
    if (key === undefined)
      return { kind: 'checkpoint_untrusted', ...at, detail: `signed with the key \`${kid}\`, which is not trusted` };
    try {
      const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: ['EdDSA'] });
      const parsed = parsePayload(payload);
      if (parsed === undefined || protectedHeader.typ !== checkpointType) throw new TypeError('not a checkpoint');
      return { payload: parsed, digest: checkpointDigest(jws) };
    } catch {
      return { kind: 'checkpoint_forged', ...at, detail: `the signature is not that of the key \`${kid}\`` };
    }
  };
}

function keyIdOf(jws: string): string | undefined {
  try {
    return decodeProtectedHeader(jws).kid;
  } catch {
    return undefined;
  }
}

/** Reads all checkpoints, and looks whether those of each trail follow one another. */
export async function checkCheckpoints(
  checkpoints: AsyncIterable<string> | Iterable<string>,
  verify: CheckpointVerifier,
  tell: (finding: Finding) => void,
  isExtract: boolean,
): Promise<CheckedCheckpoints> {
  const trails = new Map<string, TrailPins>();
  const over = new Map<string, { n: number; digest: string }>();
  let count = 0;
  for await (const jws of checkpoints) {
    count++;
    const verified = await verify(jws);
    if ('kind' in verified) {
      tell(verified);
      continue;
    }
    const { payload, digest } = verified;
    const trail = trails.get(payload.trail) ?? emptyPins();
    trails.set(payload.trail, trail);
    if (!follow(trail, payload, digest, tell)) continue;
    if (payload.kind !== 'all') pin(trail, payload);
    else
      for (const [name, n, of] of payload.trails) if (n >= (over.get(name)?.n ?? 0)) over.set(name, { n, digest: of });
  }
  if (!isExtract) for (const [trail, pins] of trails) checkBeginning(trail, pins, tell);
  return { trails, over, count };
}

function emptyPins(): TrailPins {
  return { pins: [], digests: new Map(), first: undefined, lastN: 0, lastDigest: null, removal: undefined };
}

function follow(
  trail: TrailPins,
  payload: CheckpointPayload,
  digest: string,
  tell: (finding: Finding) => void,
): boolean {
  const { n, previous, trail: name } = payload;
  if ((payload.kind === 'all') !== (name === allTrails)) {
    tell({ kind: 'checkpoint_malformed', trail: name, seq: n, detail: 'a checkpoint of another kind than its trail' });
    return false;
  }
  if (trail.first !== undefined) {
    if (n <= trail.lastN) {
      tell({
        kind: 'checkpoint_out_of_order',
        trail: name,
        seq: n,
        detail: `follows checkpoint ${String(trail.lastN)}`,
      });
      return false;
    }
    if (n > trail.lastN + 1) {
      const [seq, to] = [trail.lastN + 1, n - 1];
      tell({ kind: 'checkpoint_removed', trail: name, seq, to, detail: `checkpoints are missing` });
    } else if (previous !== trail.lastDigest) {
      tell({ kind: 'checkpoint_replaced', trail: name, seq: n, detail: 'does not follow the checkpoint before it' });
    }
  }
  trail.first ??= { n, previous, seq: payload.kind === 'all' ? 0 : payload.seq };
  trail.digests.set(n, digest);
  trail.lastN = n;
  trail.lastDigest = digest;
  return true;
}

function pin(trail: TrailPins, payload: Exclude<CheckpointPayload, { kind: 'all' }>): void {
  if (payload.kind === 'removal') {
    if (payload.seq >= (trail.removal?.seq ?? 0)) trail.removal = payload;
  } else trail.pins.push({ seq: payload.seq, hash: payload.hash });
}

/** The first checkpoint is the first there ever was, or follows those whose removal is on record. */
function checkBeginning(trail: string, { first, removal }: TrailPins, tell: (finding: Finding) => void): void {
  if (first === undefined || first.n === 1) return;
  const gone = removal?.checkpoint;
  if (gone !== undefined && first.n === gone.n + 1 && first.previous === gone.digest) return;
  const from = gone !== undefined && first.n > gone.n ? gone.n + 1 : 1;
  tell({ kind: 'checkpoint_removed', trail, seq: from, to: first.n - 1, detail: 'checkpoints are missing' });
}

import { createHash } from 'node:crypto';
import { base64url } from 'jose';
import { z } from 'zod';
import { canonicalJson } from '../canonical.js';
import type { CheckpointSigner } from './signer.js';

const sha256 = z.string().regex(/^[\w-]{43}$/);
const natural = z.int().nonnegative();
const chained = {
  v: z.literal(1),
  trail: z.string(),
  /** 1 for the first checkpoint of its trail, and one more for each. */
  n: z.int().positive(),
  time: z.string(),
  /** The digest of the checkpoint before it; `null` for the first. */
  previous: sha256.nullable(),
};

/** What a checkpoint says of one trail: its record `seq` has this hash. */
const trailCheckpoint = z.strictObject({
  ...chained,
  kind: z.literal('checkpoint'),
  seq: z.int().positive(),
  hash: sha256,
});

/** What a checkpoint says of a removal: the records up to `seq`, the last of which had this hash, are gone. */
const removalCheckpoint = z.strictObject({
  ...chained,
  kind: z.literal('removal'),
  seq: z.int().positive(),
  hash: sha256,
  /** The first record that was removed. */
  from: z.int().positive(),
  /** The last checkpoint that was removed with them. */
  checkpoint: z.strictObject({ n: z.int().positive(), digest: sha256 }),
  reason: z.string(),
});

/** What a checkpoint says of all trails: the last checkpoint of each that has a new one. */
const allCheckpoint = z.strictObject({
  ...chained,
  kind: z.literal('all'),
  /** Trail, number and digest of its checkpoint, ordered by trail. */
  trails: z.array(z.tuple([z.string(), natural, sha256])),
});

const checkpointPayload = z.discriminatedUnion('kind', [trailCheckpoint, removalCheckpoint, allCheckpoint]);

/** What is signed. */
export type CheckpointPayload = z.infer<typeof checkpointPayload>;
export type RemovalCheckpoint = z.infer<typeof removalCheckpoint>;

/** The name under which the checkpoints over all trails are kept. No trail has it. */
export const allTrails = '*';

/** A checkpoint as a store keeps it. */
export interface StoredCheckpoint {
  readonly trail: string;
  readonly n: number;
  /** The last record that it vouches for; 0 for a checkpoint over all trails. */
  readonly seq: number;
  readonly previous: string | null;
  /** The SHA-256 of the JWS, as base64url. */
  readonly digest: string;
  readonly jws: string;
}

/** The digest by which a checkpoint is referred to. */
export function checkpointDigest(jws: string): string {
  return createHash('sha256').update(jws).digest('base64url');
}

/** Signs a checkpoint. */
export async function signCheckpoint(signer: CheckpointSigner, payload: CheckpointPayload): Promise<StoredCheckpoint> {
  const jws = await signer.sign(canonicalJson(payload));
  const seq = payload.kind === 'all' ? 0 : payload.seq;
  return { trail: payload.trail, n: payload.n, seq, previous: payload.previous, digest: checkpointDigest(jws), jws };
}

/** What a checkpoint says, unverified; `undefined` for what is none. */
export function readCheckpoint(jws: string): CheckpointPayload | undefined {
  try {
    const [, payload = ''] = jws.split('.');
    return parsePayload(base64url.decode(payload));
  } catch {
    return undefined;
  }
}

/** @returns `undefined` for what is no checkpoint's payload */
export function parsePayload(bytes: Uint8Array): CheckpointPayload | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    const parsed = checkpointPayload.safeParse(value);
    return parsed.success && canonicalJson(value) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

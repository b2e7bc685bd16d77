import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../canonical.js';
import type { Placed } from './trails-of.js';

/** One record of a trail, with its entry as it is stored. */
export interface ChainedRecord {
  readonly trail: string;
  /** 1 for the first of its trail, and one more for each. */
  readonly seq: number;
  /** When it was written: ISO 8601, UTC, to the millisecond. */
  readonly time: string;
  /** The hash of the record before it; `null` for the first. */
  readonly prev: string | null;
  /** The SHA-256 of the record's canonical JSON without this member, as base64url. */
  readonly hash: string;
  /** The entry, as canonical JSON. */
  readonly entry: string;
}

/** Where a trail stands: its last record, or `seq` 0 before the first. */
export interface TrailHead {
  readonly seq: number;
  readonly hash: string | null;
}

/** Makes the record that follows a head. @param entry - canonical JSON */
export function nextRecord(trail: string, head: TrailHead, time: string, entry: string): ChainedRecord {
  const unhashed = { trail, seq: head.seq + 1, time, prev: head.hash, entry };
  return { ...unhashed, hash: hashOf(unhashed) };
}

/**
 * The hash that a record has to have.
 *
 * The members are written out in the order of RFC 8785: by name.
 */
export function hashOf(record: Omit<ChainedRecord, 'hash'>): string {
  return createHash('sha256')
    .update(`{"entry":${record.entry}${tail(record)}`)
    .digest('base64url');
}

/** A record as text: its canonical JSON, one line. */
export function recordText(record: ChainedRecord): string {
  return `{"entry":${record.entry},"hash":"${record.hash}"${tail(record)}`;
}

function tail({ prev, seq, time, trail }: Omit<ChainedRecord, 'hash'>): string {
  const before = prev === null ? 'null' : `"${prev}"`;
  return `,"prev":${before},"seq":${String(seq)},"time":"${time}","trail":${JSON.stringify(trail)},"v":1}`;
}

const sha256 = z.string().regex(/^[\w-]{43}$/);

const placed: z.ZodType<Placed> = z.looseObject({
  type: z.string(),
  tenant: z.string().optional(),
  effect: z.string().optional(),
  byOperator: z.boolean().optional(),
  actor: z.looseObject({ impersonation: z.unknown().optional() }).optional(),
});

const envelope = z.strictObject({
  entry: z.unknown(),
  hash: sha256,
  prev: sha256.nullable(),
  seq: z.int().positive(),
  time: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  trail: z.string(),
  v: z.literal(1),
});

/**
 * Reads a record from text.
 *
 * Only the canonical text is one: a member that is there twice, of which one reader takes the first and another the
 * last, is none.
 *
 * @returns `undefined` for what is no record
 */
export function parseRecord(text: string): (ChainedRecord & { readonly placed: Placed }) | undefined {
  const parsed = envelope.safeParse(jsonOf(text));
  if (!parsed.success) return undefined;
  const { entry, trail, seq, time, prev, hash } = parsed.data;
  const place = placed.safeParse(entry);
  if (!place.success) return undefined;
  const record = { trail, seq, time, prev, hash, entry: canonicalJson(entry) };
  return recordText(record) === text ? { ...record, placed: place.data } : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

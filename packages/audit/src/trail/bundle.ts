import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import { canonicalJson } from '../canonical.js';
import { verifyTrail, type VerifyOptions } from '../verify/verify-trail.js';
import type { TrailReport } from '../verify/finding.js';
import { allTrails, readCheckpoint, type CheckpointPayload } from './checkpoint.js';
import { parseRecord } from './record.js';
import type { CheckpointKey } from './signer.js';
import type { TrailStore } from './store.js';

/** What goes into a bundle. */
export interface ExportOptions {
  readonly store: TrailStore;
  /** The public keys of the checkpoints: they go along. */
  readonly keys: readonly CheckpointKey[];
  /** Which trails. `all` has the checkpoints over all trails in it, and with them every trail's name. */
  readonly trails: readonly string[] | 'all';
  /** In milliseconds since the Unix epoch. Whole checkpoints are exported: a little more may be there. */
  readonly from?: number | undefined;
  /** In milliseconds since the Unix epoch. */
  readonly to?: number | undefined;
}

/** The first line of a bundle. */
export interface BundleHeader {
  readonly bundle: 'portcullis-audit';
  readonly v: 1;
  /** Of each trail, the record before the first; for whole trails, absent. */
  readonly extract?: Readonly<Record<string, number>> | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly keys: readonly CheckpointKey[];
}

/**
 * Exports trails, or a period of them, as lines of text that verify by themselves: a header with the public keys,
 * checkpoints, records, and a last line that says how many there were.
 *
 * A period begins and ends at a checkpoint: sign one (`checkpoint()`) before an export up to now. Whoever receives a
 * bundle compares the key ids with those that you published.
 *
 * @throws PortcullisError `audit_unavailable`
 */
export async function* exportBundle(options: ExportOptions): AsyncGenerator<string> {
  const { store, keys, from, to } = options;
  const whole = from === undefined && to === undefined && options.trails === 'all';
  const trails = options.trails === 'all' ? await store.trails() : [...new Set(options.trails)].sort();
  const ranges = new Map<string, Range>();
  if (!whole) for (const trail of trails) ranges.set(trail, await rangeOf(store, trail, from, to));
  const header: BundleHeader = {
    ...{ bundle: 'portcullis-audit', v: 1, keys: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid })) },
    ...(whole ? {} : { extract: Object.fromEntries([...ranges].map(([trail, { after }]) => [trail, after])) }),
    ...(from === undefined ? {} : { from: new Date(from).toISOString() }),
    ...(to === undefined ? {} : { to: new Date(to).toISOString() }),
  };
  yield canonicalJson(header);
  let [checkpoints, records] = [0, 0];
  const every = whole ? [...trails, allTrails] : trails;
  for (const trail of every)
    for await (const jws of store.checkpoints(trail)) {
      if (!isWithin(readCheckpoint(jws), ranges.get(trail))) continue;
      checkpoints++;
      yield canonicalJson({ checkpoint: jws });
    }
  for (const trail of trails)
    for await (const text of store.records({ trail, ...ranges.get(trail) })) {
      records++;
      yield text;
    }
  yield canonicalJson({ end: { checkpoints, records } });
}

/** Records behind `after`, up to `upTo`. */
interface Range {
  readonly after: number;
  readonly upTo: number;
}

/** From the last checkpoint before the period to the first one behind it. */
async function rangeOf(
  store: TrailStore,
  trail: string,
  from: number | undefined,
  to: number | undefined,
): Promise<Range> {
  let [firstSeq, lastSeq] = [Infinity, 0];
  for await (const text of store.records({ trail })) {
    const record = parseRecord(text);
    const time = record === undefined ? NaN : Date.parse(record.time);
    if (record === undefined || (from !== undefined && time < from) || (to !== undefined && time >= to)) continue;
    firstSeq = Math.min(firstSeq, record.seq);
    lastSeq = Math.max(lastSeq, record.seq);
  }
  let [after, upTo] = [0, Infinity];
  for await (const jws of store.checkpoints(trail)) {
    const payload = readCheckpoint(jws);
    if (payload === undefined || payload.kind === 'all') continue;
    // A removal begins the trail anew.
    if (payload.kind === 'removal') after = Math.max(after, payload.seq);
    else {
      if (from !== undefined && payload.seq < firstSeq) after = Math.max(after, payload.seq);
      if (to !== undefined && payload.seq >= lastSeq) upTo = Math.min(upTo, payload.seq);
    }
  }
  return { after, upTo };
}

function isWithin(payload: CheckpointPayload | undefined, range: Range | undefined): boolean {
  if (payload === undefined || payload.kind !== 'checkpoint' || range === undefined) return true;
  return payload.seq >= range.after && payload.seq <= range.upTo;
}

const header = z.looseObject({
  bundle: z.literal('portcullis-audit'),
  v: z.literal(1),
  extract: z.record(z.string(), z.int().nonnegative()).optional(),
  keys: z.array(
    z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43), kid: z.string() }),
  ),
});
const checkpointLine = z.strictObject({ checkpoint: z.string() });
const endLine = z.strictObject({ end: z.strictObject({ checkpoints: z.int(), records: z.int() }) });

/** What was found of a bundle. */
export interface BundleReport extends TrailReport {
  /** Ids of the keys that it was verified with. */
  readonly keyIds: readonly string[];
  /** Whether these are the keys in the bundle itself: then nothing says yet that they are the right ones. */
  readonly ownKeys: boolean;
}

/**
 * Verifies a bundle, with nothing but its lines.
 *
 * @param lines - read twice: once for the checkpoints
 * @throws PortcullisError `request_invalid` when it is no bundle
 */
export async function verifyBundle(
  lines: () => AsyncIterable<string>,
  options: Partial<Pick<VerifyOptions, 'keys' | 'anchors' | 'maxFindings' | 'onFinding'>> = {},
): Promise<BundleReport> {
  const { header: first, end, counted } = await frameOf(lines());
  const keys = options.keys ?? first.keys;
  const report = await verifyTrail({
    ...options,
    keys,
    checkpoints: linesOf(lines(), 'checkpoint'),
    records: linesOf(lines(), 'record'),
    ...(first.extract === undefined ? {} : { extract: first.extract }),
  });
  const keyIds = keys.map(({ kid }) => kid);
  const complete = end?.checkpoints === counted.checkpoints && end.records === counted.records;
  const all = { ...report, keyIds, ownKeys: options.keys === undefined };
  if (complete) return all;
  const cut = {
    kind: 'truncated',
    trail: '',
    detail: 'the bundle has not the lines that its end says, or no end',
  } as const;
  options.onFinding?.(cut);
  return { ...all, intact: false, findings: [...report.findings, cut], findingCount: report.findingCount + 1 };
}

async function frameOf(lines: AsyncIterable<string>): Promise<{
  readonly header: z.infer<typeof header>;
  readonly end: { readonly checkpoints: number; readonly records: number } | undefined;
  readonly counted: { readonly checkpoints: number; readonly records: number };
}> {
  let first: z.infer<typeof header> | undefined;
  let end: z.infer<typeof endLine>['end'] | undefined;
  let [checkpoints, records] = [0, 0];
  for await (const line of lines) {
    if (first === undefined) {
      const parsed = header.safeParse(jsonOf(line));
      if (!parsed.success) break;
      first = parsed.data;
    } else if (line.startsWith('{"end":')) end = endLine.safeParse(jsonOf(line)).data?.end;
    else if (line.startsWith('{"checkpoint":')) checkpoints++;
    else records++;
  }
  if (first === undefined) throw new PortcullisError('request_invalid', 'this is no audit bundle');
  return { header: first, end, counted: { checkpoints, records } };
}

async function* linesOf(lines: AsyncIterable<string>, kind: 'checkpoint' | 'record'): AsyncGenerator<string> {
  let isFirst = true;
  for await (const line of lines) {
    if (isFirst || line.startsWith('{"end":')) isFirst = false;
    else if (line.startsWith('{"checkpoint":')) {
      if (kind === 'checkpoint') yield checkpointLine.safeParse(jsonOf(line)).data?.checkpoint ?? line;
    } else if (kind === 'record') yield line;
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

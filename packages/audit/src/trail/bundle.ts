import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import { canonicalJson } from '../canonical.js';
import { verifyTrail, type ExtractRange, type VerifyOptions } from '../verify/verify-trail.js';
import type { TrailReport } from '../verify/finding.js';
import { allTrails, readCheckpoint, type CheckpointPayload } from './checkpoint.js';
import { parseRecord } from './record.js';
import type { CheckpointKey } from './signer.js';
import type { TrailStore } from './store.js';

/** What goes into a bundle. */
export interface ExportOptions {
  readonly store: Pick<TrailStore, 'trails' | 'records' | 'checkpoints'>;
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
  /** Of each trail, from where to where; for all trails as they are, absent. */
  readonly extract?: Readonly<Record<string, ExtractRange>> | undefined;
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
  const first: BundleHeader = {
    ...{ bundle: 'portcullis-audit', v: 1, keys: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid })) },
    ...(whole ? {} : { extract: Object.fromEntries([...ranges].map(([trail, { extract }]) => [trail, extract])) }),
    ...(from === undefined ? {} : { from: new Date(from).toISOString() }),
    ...(to === undefined ? {} : { to: new Date(to).toISOString() }),
  };
  yield canonicalJson(first);
  let [checkpoints, records] = [0, 0];
  for (const trail of whole ? [...trails, allTrails] : trails)
    for await (const jws of store.checkpoints(trail)) {
      const payload = readCheckpoint(jws);
      if (!isWithin(payload, ranges.get(trail)) || (!whole && payload?.trail !== trail)) continue;
      checkpoints++;
      yield canonicalJson({ checkpoint: jws });
    }
  for (const trail of trails)
    for await (const text of store.records({ trail, ...ranges.get(trail)?.extract })) {
      // What is no record may be anybody's. Where it was one of this trail, its number is missing.
      if (!whole && parseRecord(text)?.trail !== trail) continue;
      records++;
      yield text;
    }
  yield canonicalJson({ end: { checkpoints, records } });
}

/** The part of a trail that is exported, and the checkpoints that vouch for it, by number. */
interface Range {
  readonly extract: ExtractRange;
  readonly firstN: number;
  readonly lastN: number;
}

/** From the last checkpoint before the period to the first one behind it. */
async function rangeOf(
  store: ExportOptions['store'],
  trail: string,
  from: number | undefined,
  to: number | undefined,
): Promise<Range> {
  const { first, last } = await recordsWithin(store, trail, from, to);
  let start = { seq: 0, n: 0 };
  let end: { readonly seq: number; readonly n: number } | undefined;
  let removal = { seq: 0, n: 0 };
  for await (const jws of store.checkpoints(trail)) {
    const payload = readCheckpoint(jws);
    if (payload === undefined || payload.kind === 'all') continue;
    const { seq, n } = payload;
    if (payload.kind === 'removal') {
      removal = { seq, n };
      // The trail begins behind it. Checkpoints that stand before it may vouch for what follows.
      if (seq >= start.seq) start = { seq, n: 0 };
    } else if (from !== undefined && seq < first) start = { seq, n };
    else if (to !== undefined && seq >= last) end ??= { seq, n };
  }
  const upTo = last === 0 ? start.seq : end?.seq;
  const extract = { after: start.seq, ...(upTo === undefined ? {} : { upTo }) };
  const lastN = upTo === undefined ? Infinity : Math.max(end?.n ?? start.n, start.seq === removal.seq ? removal.n : 0);
  return { extract, firstN: start.n, lastN };
}

/** The numbers of the first and the last record of a period; `last` 0 where there is none. */
async function recordsWithin(
  store: ExportOptions['store'],
  trail: string,
  from = -Infinity,
  to = Infinity,
): Promise<{ readonly first: number; readonly last: number }> {
  let [first, last] = [Infinity, 0];
  for await (const text of store.records({ trail })) {
    const record = parseRecord(text);
    if (record === undefined) continue;
    const time = Date.parse(record.time);
    if (time < from || time >= to) continue;
    first = Math.min(first, record.seq);
    last = Math.max(last, record.seq);
  }
  return { first, last };
}

function isWithin(payload: CheckpointPayload | undefined, range: Range | undefined): boolean {
  return payload === undefined || range === undefined || (payload.n >= range.firstN && payload.n <= range.lastN);
}

const header = z.looseObject({
  bundle: z.literal('portcullis-audit'),
  v: z.literal(1),
  extract: z
    .record(z.string(), z.strictObject({ after: z.int().nonnegative(), upTo: z.int().nonnegative().optional() }))
    .optional(),
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
  options: Partial<Pick<VerifyOptions, 'keys' | 'anchors' | 'requireSigned' | 'maxFindings' | 'onFinding'>> = {},
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

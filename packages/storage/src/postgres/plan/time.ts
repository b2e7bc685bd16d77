import { parameter, sql, trusted, type Fragment } from './fragment.js';
import type { Ordering } from './order.js';
import { describe, type BooleanTerm, type SpanTerm, type Term, type TimestampTerm } from './term.js';
import { untranslatable } from './untranslatable.js';

const nsPerMs = 1_000_000n;

/** The first and the last millisecond of what `timestamp(…)` takes: the years 1 to 9999. */
const firstMs = BigInt(Date.parse('0001-01-01T00:00:00.000Z'));
const lastMs = BigInt(Date.parse('9999-12-31T23:59:59.999Z'));

/** The longest time between two timestamps, in nanoseconds: a longer one is an error. */
const longestNs = 2n ** 63n - 1n;

/** Whether a term is about time. */
export function isTime(term: Term): boolean {
  return ['timestamp', 'instant', 'duration', 'span', 'stamp'].includes(term.kind);
}

/**
 * A timestamp that a plan carries.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339 (section 5.6)
 */
export function readInstant(text: string): bigint {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1] ?? ''}${parts[3] ?? ''}`);
  if (Number.isNaN(ms)) throw untranslatable('a timestamp is not of RFC 3339');
  return BigInt(ms) * nsPerMs + BigInt((parts?.[2] ?? '').padEnd(9, '0'));
}

const unitsNs = { h: 3_600_000_000_000n, m: 60_000_000_000n, s: 1_000_000_000n, ms: nsPerMs, us: 1000n, ns: 1n };

/** A duration that a plan carries: `3600s`, `1h30m`, `-1.5s`. */
export function readDuration(text: string): bigint {
  if (!/^-?(?:\d{1,15}(?:\.\d{1,9})?(?:h|m|s|ms|us|ns))+$/.test(text)) throw untranslatable('a duration is malformed');
  let total = 0n;
  for (const [, whole = '0', fraction = '', unit] of text.matchAll(/(\d+)(?:\.(\d+))?(ms|us|ns|h|m|s)/g)) {
    const each = unitsNs[unit as keyof typeof unitsNs];
    total += BigInt(whole) * each + (BigInt(fraction.padEnd(9, '0')) * each) / 1_000_000_000n;
  }
  return text.startsWith('-') ? -total : total;
}

/** Whether a term about time comes before another. */
export function compareTimes(one: Term, by: Ordering | '=', other: Term): BooleanTerm {
  if (one.kind === 'timestamp') {
    if (other.kind === 'instant') return against(one, by, other.ns, []);
    if (other.kind === 'timestamp') return columnsCompared(one, by, other);
  }
  if (one.kind === 'instant' && other.kind === 'timestamp') return against(other, mirrored[by], one.ns, []);
  if (one.kind === 'span' && other.kind === 'duration') return spanAgainst(one, by, other.ns);
  if (one.kind === 'duration' && other.kind === 'span') return spanAgainst(other, mirrored[by], one.ns);
  throw untranslatable(`a ${describe(one)} is not compared with a ${describe(other)}`);
}

const mirrored = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=' } as const;

function spanAgainst({ timestamp, instantNs, sign, limited }: SpanTerm, by: Ordering | '=', ns: bigint): BooleanTerm {
  const reach = limited ? [[instantNs - longestNs, instantNs + longestNs] as const] : [];
  return sign === 1
    ? against(timestamp, by, instantNs + ns, reach)
    : against(timestamp, mirrored[by], instantNs - ns, reach);
}

/**
 * A timestamp of the row against an instant. The row’s is a whole millisecond, as its `Date` is: what that means for
 * the column, which has microseconds, is worked out here, so that the column stays bare for an index.
 */
function against(
  { column, movedNs }: TimestampTerm,
  by: Ordering | '=',
  instantNs: bigint,
  within: readonly (readonly [bigint, bigint])[],
): BooleanTerm {
  const bounds = [[firstMs * nsPerMs, lastMs * nsPerMs + (nsPerMs - 1n)] as const, ...within];
  // The column itself has to be a timestamp, and so has what it becomes.
  const lowMs = max(firstMs, ...bounds.map(([low]) => ceilMs(low - movedNs)));
  const highMs = min(lastMs, ...bounds.map(([, high]) => floorMs(high - movedNs)));
  if (lowMs > highMs) return { kind: 'boolean', sql: sql`NULL::boolean`, nullable: false };
  const known = sql`${column} >= ${atMs(lowMs)} AND ${column} < ${afterMs(highMs)}`;
  const target = instantNs - movedNs;
  const comparison = compareMs(column, by, target, lowMs, highMs);
  return {
    kind: 'boolean',
    sql: sql`(CASE WHEN ${known} THEN ${comparison} END)`,
    whenTrue: sql`(${known} AND ${comparison})`,
    nullable: false,
  };
}

function compareMs(column: Fragment, by: Ordering | '=', ns: bigint, lowMs: bigint, highMs: bigint): Fragment {
  const clamp = (ms: bigint): bigint => max(lowMs, min(ms, highMs + 1n));
  const from = (ms: bigint): Fragment =>
    clamp(ms) === highMs + 1n ? sql`FALSE` : sql`${column} >= ${atMs(clamp(ms))}`;
  const before = (ms: bigint): Fragment =>
    clamp(ms) === highMs + 1n ? sql`TRUE` : sql`${column} < ${atMs(clamp(ms))}`;
  switch (by) {
    case '<':
      return before(ceilMs(ns));
    case '<=':
      return before(floorMs(ns) + 1n);
    case '>':
      return from(floorMs(ns) + 1n);
    case '>=':
      return from(ceilMs(ns));
    case '=':
      return ns === floorMs(ns) * nsPerMs ? sql`(${from(floorMs(ns))} AND ${before(floorMs(ns) + 1n)})` : sql`FALSE`;
  }
}

function columnsCompared(one: TimestampTerm, by: Ordering | '=', other: TimestampTerm): BooleanTerm {
  if (one.movedNs !== other.movedNs || one.movedNs !== 0n)
    throw untranslatable('two timestamps of the row are compared as they are, not moved');
  return {
    kind: 'boolean',
    sql: sql`(${milliseconds(one)} ${trusted(by)} ${milliseconds(other)})`,
    nullable: false,
  };
}

/** A column as its `Date` has it; NULL where `timestamp(…)` is an error. */
function milliseconds({ column }: TimestampTerm): Fragment {
  const known = sql`${column} >= ${atMs(firstMs)} AND ${column} < ${afterMs(lastMs)}`;
  return sql`(CASE WHEN ${known} THEN date_trunc('milliseconds', ${column} AT TIME ZONE 'UTC') END)`;
}

/** The parts of a timestamp in UTC, as the language counts them: months and two of the days from 0. */
const parts: Readonly<Record<string, (at: Fragment) => Fragment>> = {
  getFullYear: (at) => sql`extract(year FROM ${at})`,
  getMonth: (at) => sql`extract(month FROM ${at}) - 1`,
  getDate: (at) => sql`extract(day FROM ${at})`,
  getDayOfMonth: (at) => sql`extract(day FROM ${at}) - 1`,
  getDayOfWeek: (at) => sql`extract(dow FROM ${at})`,
  getDayOfYear: (at) => sql`extract(doy FROM ${at}) - 1`,
  getHours: (at) => sql`extract(hour FROM ${at})`,
  getMinutes: (at) => sql`extract(minute FROM ${at})`,
  getSeconds: (at) => sql`floor(extract(second FROM ${at}))`,
  getMilliseconds: (at) => sql`mod(extract(milliseconds FROM ${at})::bigint, 1000)`,
};

/** The names of the operators that take a timestamp apart. */
export const partNames: readonly string[] = Object.keys(parts);

/** A part of a timestamp. */
export function partOf(timestamp: TimestampTerm, name: string): Term {
  const read = parts[name];
  if (read === undefined || timestamp.movedNs !== 0n) throw untranslatable(`\`${name}\` of a timestamp that was moved`);
  return {
    kind: 'number',
    sql: sql`(${read(milliseconds(timestamp))})::double precision`,
    nullable: false,
    type: 'int',
  };
}

/** Adds to a timestamp, or takes from it. */
export function moved(one: Term, other: Term, sign: 1n | -1n): Term {
  if (one.kind === 'timestamp' && other.kind === 'duration')
    return { ...one, movedNs: keptInReach(one, one.movedNs + sign * other.ns) };
  if (sign === 1n && one.kind === 'duration' && other.kind === 'timestamp') return moved(other, one, 1n);
  if (sign === -1n && one.kind === 'timestamp' && other.kind === 'instant')
    return { kind: 'span', timestamp: one, instantNs: other.ns, sign: 1, limited: true };
  if (sign === -1n && one.kind === 'instant' && other.kind === 'timestamp')
    return { kind: 'span', timestamp: other, instantNs: one.ns, sign: -1, limited: true };
  throw untranslatable(`a ${describe(one)} and a ${describe(other)} are not added or subtracted`);
}

/** Each step of moving twice could leave the years that there are; only one step is followed. */
function keptInReach({ movedNs }: TimestampTerm, next: bigint): bigint {
  if (movedNs !== 0n) throw untranslatable('a timestamp is moved once');
  return next;
}

const atMs = (ms: bigint): Fragment => parameter(new Date(Number(ms)).toISOString(), '::text::timestamptz');
const afterMs = (ms: bigint): Fragment => (ms === lastMs ? sql`'10000-01-01T00:00:00Z'::timestamptz` : atMs(ms + 1n));
const floorMs = (ns: bigint): bigint => (ns - (((ns % nsPerMs) + nsPerMs) % nsPerMs)) / nsPerMs;
const ceilMs = (ns: bigint): bigint => -floorMs(-ns);
const max = (...all: readonly [bigint, ...bigint[]]): bigint => all.reduce((one, other) => (one > other ? one : other));
const min = (...all: readonly [bigint, ...bigint[]]): bigint => all.reduce((one, other) => (one < other ? one : other));

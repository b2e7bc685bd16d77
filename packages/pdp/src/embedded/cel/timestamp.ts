import { durationOf, type Duration } from './duration.js';
import { CelObject, failed, type CelResult, type CelValue } from './cel-value.js';

const second = 1_000_000_000n;
const millisecond = 1_000_000n;
/** The years 1 to 9999. */
const first = -62_135_596_800n * second;
const last = 253_402_300_800n * second - 1n;

/** An instant, in nanoseconds since 1970. The offset from UTC that it was given with only shows when it is written. */
export class Timestamp extends CelObject {
  readonly type = 'google.protobuf.Timestamp';
  readonly nanos: bigint;
  readonly offsetSeconds: number;

  constructor(nanos: bigint, offsetSeconds = 0) {
    super();
    this.nanos = nanos;
    this.offsetSeconds = offsetSeconds;
  }

  override equals(other: CelValue): boolean {
    return other instanceof Timestamp && other.nanos === this.nanos;
  }

  override compare(other: CelValue): number | typeof failed {
    if (!(other instanceof Timestamp)) return failed;
    return this.nanos < other.nanos ? -1 : Number(this.nanos > other.nanos);
  }

  /** Its date and time somewhere: read them as UTC. */
  at(offsetSeconds: number): Date {
    return new Date(Number(floored(this.nanos, millisecond)) + offsetSeconds * 1000);
  }

  plus(duration: Duration, sign: 1n | -1n): CelResult {
    return timestampOf(this.nanos + sign * duration.nanos, this.offsetSeconds);
  }

  since(other: Timestamp): CelResult {
    return durationOf(this.nanos - other.nanos);
  }

  /** In RFC 3339, with as many digits as it needs. */
  override toString(): string {
    const date = this.at(this.offsetSeconds);
    const year = String(date.getUTCFullYear()).padStart(4, '0');
    const time = date.toISOString().slice(-20, -5);
    const rest = this.nanos - floored(this.nanos, second) * second;
    const fraction = rest === 0n ? '' : `.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
    return `${year}${time}${fraction}${offsetText(this.offsetSeconds)}`;
  }

  override toJson(): string {
    return this.toString();
  }
}

/** A timestamp, if it is within the years that CEL has. */
export function timestampOf(nanos: bigint, offsetSeconds = 0): Timestamp | typeof failed {
  return nanos >= first && nanos <= last ? new Timestamp(nanos, offsetSeconds) : failed;
}

/** From milliseconds since 1970. */
export function timestampOfMs(ms: number): Timestamp {
  return new Timestamp(BigInt(Math.floor(ms)) * millisecond);
}

function floored(value: bigint, unit: bigint): bigint {
  const quotient = value / unit;
  return value < 0n && quotient * unit !== value ? quotient - 1n : quotient;
}

function offsetText(seconds: number): string {
  const minutes = Math.trunc(seconds / 60);
  if (seconds === 0) return 'Z';
  const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${seconds < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Reads a timestamp of RFC 3339 the way Go does, which takes an hour of one digit, a comma before the fraction, and
 * offsets of up to a day.
 *
 * @see https://pkg.go.dev/time#Parse
 */
export function parseTimestamp(text: string): CelResult {
  const [whole, year, month, day, hour, minute, seconds, fraction = '', sign, hours, minutes] = form.exec(text) ?? [];
  if (whole === undefined) return failed;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isDay = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  if (!isDay || Number(hour) > 23 || Number(minute) > 59 || Number(seconds) > 59) return failed;
  date.setUTCHours(Number(hour), Number(minute), Number(seconds));
  if (Number(hours ?? 0) > 24 || Number(minutes ?? 0) > 60) return failed;
  const offset = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60) * (sign === '-' ? -1 : 1);
  const nanos = BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return timestampOf((BigInt(date.getTime() / 1000) - BigInt(offset)) * second + nanos, offset);
}

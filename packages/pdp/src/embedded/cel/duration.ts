import { decimalText } from './double.js';
import { CelObject, failed, type CelResult, type CelValue } from './cel-value.js';

const limit = 2n ** 63n;

/** A duration in nanoseconds, within 64 bits: some 292 years. */
export class Duration extends CelObject {
  readonly type = 'google.protobuf.Duration';
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    super();
    this.nanos = nanos;
  }

  override equals(other: CelValue): boolean {
    return other instanceof Duration && other.nanos === this.nanos;
  }

  override compare(other: CelValue): number | typeof failed {
    if (!(other instanceof Duration)) return failed;
    return this.nanos < other.nanos ? -1 : Number(this.nanos > other.nanos);
  }

  /** In seconds, as the nearest double: this is what Cerbos writes. */
  override toString(): string {
    return `${decimalText(this.inUnits(1_000_000_000n))}s`;
  }

  override toJson(): string {
    return this.toString();
  }

  /** How many of a unit it is, as Go's doubles have it. */
  inUnits(unit: bigint): number {
    return Number(this.nanos / unit) + Number(this.nanos % unit) / Number(unit);
  }
}

/** A duration, if it is within 64 bits. */
export function durationOf(nanos: bigint): Duration | typeof failed {
  return nanos >= -limit && nanos < limit ? new Duration(nanos) : failed;
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/**
 * Reads a duration such as `1h30m` or `-1.5s`.
 *
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(text: string): CelResult {
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return new Duration(0n);
  if (rest === '') return failed;
  const part = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)(?=[\d.]|$)/y;
  let total = 0n;
  while (part.lastIndex < rest.length) {
    const [, whole = '', fraction = '', unit = ''] = part.exec(rest) ?? [];
    const nanos = whole === '' && fraction === '' ? undefined : nanosOf(whole, fraction, units[unit] ?? 0n);
    if (nanos === undefined) return failed;
    total += nanos;
    if (total > limit) return failed;
  }
  return durationOf(sign === '-' ? -total : total);
}

/** Fractions are computed in doubles, as Go does it. */
function nanosOf(whole: string, fraction: string, unit: bigint): bigint | undefined {
  const counted = whole.replace(/^0+/, '');
  // More digits than 63 bits take.
  if (counted.length > 19) return undefined;
  const count = counted === '' ? 0n : BigInt(counted);
  if (count > limit / unit) return undefined;
  const digits = significant(fraction);
  const nanos = count * unit + BigInt(Math.trunc(Number(digits || '0') * (Number(unit) / 10 ** digits.length)));
  return nanos > limit ? undefined : nanos;
}

/** The digits that Go reads before 63 bits are full. */
function significant(fraction: string): string {
  let value = 0n;
  for (let index = 0; index < fraction.length; index++) {
    if (value > (limit - 1n) / 10n) return fraction.slice(0, index);
    value = value * 10n + BigInt(fraction.charAt(index));
    if (value > limit) return fraction.slice(0, index);
  }
  return fraction;
}

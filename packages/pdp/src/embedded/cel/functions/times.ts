import { Duration } from '../duration.js';
import type { Kind } from '../kind.js';
import { method, overload, type Overload } from '../overload.js';
import { offsetAt } from '../time-zone.js';
import type { Timestamp } from '../timestamp.js';
import { failed } from '../cel-value.js';

const dayMs = 86_400_000;
/** What it takes to look up the offset of a time zone, in steps. */
const zoneSteps = 100;

/** What is read of a date, which stands in UTC for its place. */
const fields: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDayOfYear,
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

const durationUnits = {
  getHours: 3_600_000_000_000n,
  getMinutes: 60_000_000_000n,
  getSeconds: 1_000_000_000n,
} as const;

/** What is read of timestamps and durations. Without a time zone, a timestamp is read in UTC. */
export const timeFunctions: readonly Overload[] = [
  ...Object.entries(fields).flatMap(([name, read]) => [
    method(name, ['timestamp'], 'int', (timestamp: Timestamp) => BigInt(read(timestamp.at(0)))),
    method(name, ['timestamp', 'string'], 'int', (timestamp, zone, work) => {
      work.spend(zoneSteps);
      work.spendText(zone.length);
      const offset = offsetAt(zone, timestamp);
      return offset === undefined ? failed : BigInt(read(timestamp.at(offset)));
    }),
  ]),
  ...Object.entries(durationUnits).map(([name, unit]) =>
    method(name, ['duration'], 'int', (duration) => BigInt(Math.trunc(duration.inUnits(unit)))),
  ),
  method('getMilliseconds', ['duration'], 'int', ({ nanos }) => nanos / 1_000_000n),
];

/** From zero, as the months are. */
function getDayOfYear(date: Date): number {
  const newYear = new Date(date);
  newYear.setUTCMonth(0, 1);
  return Math.round((date.getTime() - newYear.getTime()) / dayMs);
}

/** The functions that ask for the time of the question: the expression is given it. */
export const clockFunctions: ReadonlyMap<string, Kind> = new Map([
  ['now/0', 'timestamp'],
  ['timeSince/1', 'duration'],
  ['.timeSince/1', 'duration'],
]);

const longest = 2n ** 63n - 1n;

/** How long ago it was. What is too long for a duration is as long as one can be: this is the only place. */
export const timeSince: Overload = overload('timeSince', ['timestamp', 'timestamp'], 'duration', (then, now) => {
  const nanos = now.nanos - then.nanos;
  return new Duration(nanos > longest ? longest : nanos < -longest - 1n ? -longest - 1n : nanos);
});

import type { Timestamp } from './timestamp.js';
import { timeZoneNames } from './time-zone-names.js';
import { Unanswerable } from './unanswerable.js';

/** How many zones are kept: policies name a few, and an attribute may name any. */
const maxFormats = 50;
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * The offset from UTC in seconds of a time zone, by its IANA name or as `+05:30`, at an instant; `undefined` where there
 * is no such zone.
 *
 * @throws Unanswerable for the zone of the machine, and for what one database may know and another does not
 */
export function offsetAt(zone: string, timestamp: Timestamp): number | undefined {
  if (zone === '' || zone === 'UTC') return 0;
  if (zone.includes(':')) return fixedOffset(zone);
  if (zone === 'Local') throw new Unanswerable('the time zone of the machine is asked for');
  if (!timeZoneNames.has(zone)) return undefined;
  const parts = formatOf(zone).formatToParts(timestamp.at(0));
  return longOffset(parts.find(({ type }) => type === 'timeZoneName')?.value ?? '');
}

/** Hours and minutes as Go reads integers, and in no bounds. A minus counts for both, but for `-00`. */
function fixedOffset(zone: string): number | undefined {
  const [, hours, minutes] = /^([+-]?\d+):([+-]?\d+)$/.exec(zone) ?? [];
  if (hours === undefined || minutes === undefined) return undefined;
  if (zone.length > 12) throw new Unanswerable('a time zone is centuries away');
  const total = Number(hours) * 60 + (zone.startsWith('-') ? -1 : 1) * Number(minutes);
  return total * 60;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = newFormat(zone);
  if (formats.size >= maxFormats) formats.clear();
  formats.set(zone, format);
  return format;
}

function newFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch (error) {
    throw new Unanswerable('the time zone is not known here', { cause: error });
  }
}

/** `GMT`, `GMT-05:00` or, before there were zones, `GMT+00:53:28`. */
function longOffset(text: string): number {
  const [whole, sign, hours, minutes, seconds] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  if (whole === undefined) throw new Unanswerable('the offset of the time zone cannot be read');
  const total = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  return sign === '-' ? -total : total;
}

import { PortcullisError } from '@portcullis/core';
import { dayMs } from '../limiter/calendar.js';

/** A period of UTC days: from the first to the last, both included, or a month as `2026-05`. */
export type UsagePeriod = { readonly from: string; readonly to: string } | { readonly month: string };

/** The longest period of one report, in days. */
const longest = 400;

/** The first and the last day. @throws PortcullisError `request_invalid`, naming what is wrong */
export function daysOfPeriod(period: UsagePeriod): { readonly from: string; readonly to: string } {
  if ('month' in period) {
    const first = timeOf('month', `${period.month}-01`);
    const date = new Date(first);
    return { from: dayText(first), to: dayText(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) - dayMs) };
  }
  const from = timeOf('from', period.from);
  const to = timeOf('to', period.to);
  if (from > to) throw invalid('`from` is after `to`');
  if (to - from >= longest * dayMs) throw invalid(`a period has at most ${String(longest)} days`);
  return { from: dayText(from), to: dayText(to) };
}

function timeOf(name: 'from' | 'to' | 'month', text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : NaN;
  // `2026-02-30` parses as the 2nd of March.
  if (Number.isFinite(at) && dayText(at) === text) return at;
  throw invalid(`\`${name}\` must be as \`${name === 'month' ? '2026-05' : '2026-05-31'}\``);
}

function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function invalid(message: string): PortcullisError {
  return new PortcullisError('request_invalid', message);
}

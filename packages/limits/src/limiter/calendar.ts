/** A day in milliseconds. UTC as Unix time counts it has no leap seconds: every day is as long. */
export const dayMs = 86_400_000;

/** The number of the UTC day since the Unix epoch. @param at - milliseconds since the Unix epoch */
export function dayOf(at: number): number {
  return Math.floor(at / dayMs);
}

/** The number of the UTC month, counted from the year 0. @param at - milliseconds since the Unix epoch */
export function monthOf(at: number): number {
  const date = new Date(at);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** When the month after this one begins, in milliseconds since the Unix epoch. @param month - of `monthOf` */
export function endOfMonth(month: number): number {
  return Date.UTC(Math.floor((month + 1) / 12), (month + 1) % 12);
}

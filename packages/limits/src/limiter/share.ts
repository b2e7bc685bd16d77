import type { Allowance } from './allowance.js';

/** What one of `replicas` processes may let through where they cannot ask one another. */
export function shareOf(allowance: Allowance, replicas: number): Allowance {
  if (replicas === 1) return allowance;
  const share = (figure: number): number => (figure === 0 ? 0 : Math.max(1, Math.floor(figure / replicas)));
  const shares = <T extends object>(figures: T): T =>
    Object.fromEntries(Object.entries(figures).map(([name, figure]: [string, number]) => [name, share(figure)])) as T;
  return {
    request: shares(allowance.request),
    call: shares(allowance.call),
    ...(allowance.maxSessionsPerUser === undefined ? {} : { maxSessionsPerUser: share(allowance.maxSessionsPerUser) }),
  };
}

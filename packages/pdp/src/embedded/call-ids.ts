import { randomUUID } from 'node:crypto';

const radix = 36;
/** Two digits: to write a number as text takes longer than to put two texts together. */
const lows: readonly string[] = Array.from({ length: radix ** 2 }, (_none, low) =>
  low.toString(radix).padStart(2, '0'),
);

/** Ids of calls: a random part that is this engine's own, and a number. */
export function callIds(): () => string {
  const own = randomUUID();
  let high = 0;
  let low = 0;
  let prefix = `${own}-0`;
  return () => {
    if (low === lows.length) {
      low = 0;
      prefix = `${own}-${(++high).toString(radix)}`;
    }
    return prefix + (lows[low++] ?? '');
  };
}

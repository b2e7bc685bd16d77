/** By how much a percentile may be off, relative to the latency that really has that rank. */
export const latencyError = 0.05;

const ratio = (1 + latencyError) / (1 - latencyError);
/** Latencies below it are taken for it, in microseconds. */
const leastMicros = 10;
/** The bucket of an hour; longer ones are in it, too. */
const lastBucket = bucketOf(3_600_000_000);

/**
 * The bucket of a latency. Each is a little wider than the one before, so that any latency in it is within 5 % of its
 * middle.
 *
 * @see Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with relative-error guarantees, VLDB
 * 2019, section 2.1
 */
export function latencyBucket(micros: number): number {
  return Math.min(bucketOf(micros), lastBucket);
}

function bucketOf(micros: number): number {
  return micros <= leastMicros ? 0 : Math.ceil(Math.log(micros / leastMicros) / Math.log(ratio));
}

/** Adds the counts of one histogram to another. */
export function addLatencies(into: Map<number, number>, from: Readonly<Record<string, number>>): void {
  for (const [bucket, count] of Object.entries(from)) into.set(Number(bucket), (into.get(Number(bucket)) ?? 0) + count);
}

/**
 * The latency at a percentile, by nearest rank: within 5 % of the true one, for latencies of 10 µs to an hour.
 *
 * @param share - above 0 and at most 1
 * @param maxMicros - the longest latency, which is known exactly
 * @returns microseconds; 0 of an empty histogram
 */
export function latencyAt(histogram: ReadonlyMap<number, number>, share: number, maxMicros: number): number {
  let total = 0;
  for (const count of histogram.values()) total += count;
  let rank = Math.ceil(share * total);
  for (const [bucket, count] of [...histogram].sort(([one], [two]) => one - two)) {
    rank -= count;
    if (rank <= 0) return Math.min(maxMicros, bucket === 0 ? leastMicros : middleOf(bucket));
  }
  return 0;
}

function middleOf(bucket: number): number {
  return (leastMicros * 2 * ratio ** bucket) / (ratio + 1);
}

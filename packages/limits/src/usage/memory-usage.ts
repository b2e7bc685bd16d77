import type { UsageEntry } from './usage-entry.js';
import type { UsageStore } from './usage-store.js';

/**
 * Usage in this process: for tests, and for one process whose usage may be forgotten with it.
 *
 * @example
 * ```ts
 * import { memoryUsage, usageTracker } from '@portcullis/limits';
 *
 * const tracker = usageTracker({ sink: memoryUsage() });
 * await tracker.close();
 * ```
 */
export function memoryUsage(): UsageStore {
  const entries = new Map<string, UsageEntry>();
  const sequences = new Map<string, number>();
  return {
    add({ writer, sequence, entries: added }) {
      if (sequence <= (sequences.get(writer) ?? 0)) return Promise.resolve();
      sequences.set(writer, sequence);
      for (const entry of added) {
        const key = JSON.stringify([entry.tenant, entry.day, entry.user, entry.tool]);
        const known = entries.get(key);
        entries.set(key, known === undefined ? entry : sum(known, entry));
      }
      return Promise.resolve();
    },
    async *read(tenant, from, to) {
      await Promise.resolve();
      for (const entry of entries.values())
        if (entry.tenant === tenant && entry.day >= from && entry.day <= to) yield entry;
    },
  };
}

function sum(one: UsageEntry, two: UsageEntry): UsageEntry {
  const latency = { ...one.latency };
  for (const [bucket, count] of Object.entries(two.latency)) latency[bucket] = (latency[bucket] ?? 0) + count;
  return {
    ...one,
    allowed: one.allowed + two.allowed,
    denied: one.denied + two.denied,
    limited: one.limited + two.limited,
    errors: one.errors + two.errors,
    latencyMicros: one.latencyMicros + two.latencyMicros,
    latencyMaxMicros: Math.max(one.latencyMaxMicros, two.latencyMaxMicros),
    latency,
  };
}

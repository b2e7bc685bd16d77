import type { TenantId, UsageEvent } from '@portcullis/core';
import { latencyBucket } from './latency-histogram.js';
import { other, type UsageEntry } from './usage-entry.js';

/** How much is told apart. */
export interface UsageBufferOptions {
  readonly maxEntries: number;
  readonly maxEntriesPerTenant: number;
  readonly maxToolsPerTenant: number;
}

interface Counts {
  readonly tenant: TenantId;
  readonly day: string;
  readonly user: string;
  readonly tool: string;
  allowed: number;
  denied: number;
  limited: number;
  errors: number;
  latencyMicros: number;
  latencyMaxMicros: number;
  readonly latency: Map<number, number>;
}

/** The longest name that is told apart, in UTF-16 code units: a key of an index has an end. */
const maxName = 256;
/** Longer than any request: what is above is a broken clock. */
const maxLatencyMicros = 86_400_000_000;

/**
 * What has been counted and not flushed. Where it would grow without bound, counts are put together under `(other)`:
 * first all users of a tool, then all tools. A tenant's totals stay exact.
 */
export class UsageBuffer {
  readonly #options: UsageBufferOptions;
  readonly #entries = new Map<string, Counts>();
  readonly #sizes = new Map<TenantId, number>();
  /** The tools that each tenant has used on the present day: names are the caller's to choose, and can be made up. */
  readonly #tools = new Map<TenantId, Set<string>>();
  #toolsDay = '';

  constructor(options: UsageBufferOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param at - when it happened, in milliseconds since the Unix epoch */
  add({ tenant, user, tool, outcome, latencyMs }: UsageEvent, at: number): void {
    const day = new Date(at).toISOString().slice(0, 10);
    const counts = this.#countsOf(tenant, day, nameOf(user), this.#toolOf(tenant, day, nameOf(tool)));
    const micros = latencyMs > 0 ? Math.min(Math.round(latencyMs * 1000), maxLatencyMicros) : 0;
    switch (outcome) {
      case 'allowed':
      case 'denied':
      case 'limited':
        counts[outcome]++;
        break;
      case 'error':
        counts.errors++;
        break;
    }
    counts.latencyMicros += micros;
    counts.latencyMaxMicros = Math.max(counts.latencyMaxMicros, micros);
    const bucket = latencyBucket(micros);
    counts.latency.set(bucket, (counts.latency.get(bucket) ?? 0) + 1);
  }

  /** Takes out up to `most` entries, the oldest first. */
  take(most: number): readonly UsageEntry[] {
    const taken: UsageEntry[] = [];
    for (const [key, counts] of this.#entries) {
      if (taken.length >= most) break;
      this.#entries.delete(key);
      const size = (this.#sizes.get(counts.tenant) ?? 0) - 1;
      if (size > 0) this.#sizes.set(counts.tenant, size);
      else this.#sizes.delete(counts.tenant);
      taken.push({ ...counts, latency: Object.fromEntries(counts.latency) });
    }
    return taken;
  }

  #countsOf(tenant: TenantId, day: string, user: string, tool: string): Counts {
    const { maxEntries, maxEntriesPerTenant } = this.#options;
    const size = this.#sizes.get(tenant) ?? 0;
    const hasRoom = (more: number): boolean =>
      size < maxEntriesPerTenant + Math.ceil(maxEntriesPerTenant * more) &&
      this.#entries.size < maxEntries + Math.ceil(maxEntries * more);
    return (
      this.#entry(tenant, day, user, tool, hasRoom(0)) ??
      this.#entry(tenant, day, other, tool, hasRoom(0.1)) ??
      this.#entry(tenant, day, other, other, true)
    );
  }

  #entry(tenant: TenantId, day: string, user: string, tool: string, mayMake: true): Counts;
  #entry(tenant: TenantId, day: string, user: string, tool: string, mayMake: boolean): Counts | undefined;
  #entry(tenant: TenantId, day: string, user: string, tool: string, mayMake: boolean): Counts | undefined {
    const key = JSON.stringify([tenant, day, user, tool]);
    const known = this.#entries.get(key);
    if (known !== undefined || !mayMake) return known;
    const counts: Counts = {
      ...{ tenant, day, user, tool, allowed: 0, denied: 0, limited: 0, errors: 0 },
      ...{ latencyMicros: 0, latencyMaxMicros: 0, latency: new Map<number, number>() },
    };
    this.#entries.set(key, counts);
    this.#sizes.set(tenant, (this.#sizes.get(tenant) ?? 0) + 1);
    return counts;
  }

  #toolOf(tenant: TenantId, day: string, tool: string): string {
    if (day > this.#toolsDay) {
      this.#tools.clear();
      this.#toolsDay = day;
    }
    let tools = this.#tools.get(tenant);
    if (tools === undefined) this.#tools.set(tenant, (tools = new Set()));
    if (tools.has(tool)) return tool;
    if (tools.size >= this.#options.maxToolsPerTenant) return other;
    tools.add(tool);
    return tool;
  }
}

/** A name as every store can keep it: PostgreSQL has no NUL in a text, and UTF-8 no half of a surrogate pair. */
function nameOf(name: string): string {
  const cut = name.length > maxName ? `${name.slice(0, maxName - 1)}…` : name;
  return cut.replace(/\p{Surrogate}|\0/gu, '\ufffd');
}

import { PortcullisError, type TenantContext, type TenantId } from '@portcullis/core';
import { addLatencies, latencyAt } from '../usage/latency-histogram.js';
import type { UsageEntry } from '../usage/usage-entry.js';
import type { UsageSource } from '../usage/usage-store.js';
import { daysOfPeriod, type UsagePeriod } from './period.js';
import { ownTenant, requireOperator, type OperatorReader } from './reader.js';

/** What a report may be broken down by. */
export type UsageDimension = 'day' | 'user' | 'tool';

/** What a report is of. */
export type UsageReportQuery = UsagePeriod & {
  /** One row for each combination of these. @defaultValue none: totals alone */
  readonly by?: readonly UsageDimension[] | undefined;
};

/** Latencies, in milliseconds: from arrival to answer. */
export interface UsageLatency {
  readonly mean: number;
  readonly max: number;
  /** Half of the requests took no longer: within 5 % of the true figure, as all percentiles. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Counts, of whatever they are of. */
export interface UsageFigures {
  /** All requests: the sum of the four below. */
  readonly requests: number;
  readonly allowed: number;
  readonly denied: number;
  /** Met a rate limit, a quota or a concurrency limit. */
  readonly limited: number;
  /** Were allowed, and failed or were abandoned. */
  readonly errors: number;
  readonly latencyMs: UsageLatency;
}

/** One row of a report: its place in the breakdown, and its figures. */
export interface UsageRow extends UsageFigures {
  readonly day?: string;
  readonly user?: string;
  readonly tool?: string;
}

/** What a tenant used in a period. */
export interface UsageReport {
  readonly tenant: TenantId;
  /** The first UTC day. */
  readonly from: string;
  /** The last one, included. */
  readonly to: string;
  readonly by: readonly UsageDimension[];
  /** In the order of `by`, each ascending. */
  readonly rows: readonly UsageRow[];
  readonly totals: UsageFigures;
}

/**
 * What the context's own tenant used in a period. Counts are exact as far as they have been flushed; percentiles are
 * within 5 %, for latencies of 10 µs to an hour.
 *
 * Whether this user may read it is for policy to say.
 *
 * @throws PortcullisError `denied` for anything but a context that a tenant resolver made; `request_invalid` for a
 * period that is none or has more than 400 days; `store_unavailable`
 * @example
 * ```ts
 * import { memoryUsage, usageReport } from '@portcullis/limits';
 * import { contextFor } from '@portcullis/testing/contexts';
 *
 * const report = await usageReport(memoryUsage(), contextFor(), { month: '2026-05', by: ['day', 'tool'] });
 * console.log(report.to, report.totals.requests); // prints: 2026-05-31 0
 * ```
 */
export async function usageReport(
  source: UsageSource,
  context: TenantContext,
  query: UsageReportQuery,
): Promise<UsageReport> {
  return reportOf(source, ownTenant(context).tenant.id, query);
}

/**
 * What a tenant used, for an operator, on record.
 *
 * @throws PortcullisError as `usageReport`, and what the recorder rejects with
 */
export async function usageReportAsOperator(
  source: UsageSource,
  reader: OperatorReader,
  tenant: TenantId,
  query: UsageReportQuery,
): Promise<UsageReport> {
  await requireOperator(reader, tenant, 'usage');
  return reportOf(source, tenant, query);
}

async function reportOf(source: UsageSource, tenant: TenantId, query: UsageReportQuery): Promise<UsageReport> {
  const { from, to } = daysOfPeriod(query);
  const by = [...new Set(query.by ?? [])];
  const groups = new Map<string, Sum>();
  const totals = new Sum([]);
  try {
    for await (const entry of source.read(tenant, from, to)) {
      if (entry.tenant !== tenant || entry.day < from || entry.day > to)
        throw new Error('the source gave what was not asked for');
      const place = by.map((dimension) => entry[dimension]);
      const key = JSON.stringify(place);
      const group = groups.get(key) ?? new Sum(place);
      groups.set(key, group);
      group.add(entry);
      totals.add(entry);
    }
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'the source of usage failed';
    throw new PortcullisError('store_unavailable', 'the usage cannot be read now', { detail, cause });
  }
  const rows =
    by.length === 0
      ? []
      : [...groups.values()]
          .sort((one, two) => compared(one.place, two.place))
          .map((group) => ({
            ...Object.fromEntries(by.map((name, at) => [name, group.place[at]])),
            ...group.figures(),
          }));
  return { tenant, from, to, by, rows, totals: totals.figures() };
}

function compared(one: readonly string[], two: readonly string[]): number {
  for (const [at, part] of one.entries()) {
    const its = two[at] ?? '';
    if (part !== its) return part < its ? -1 : 1;
  }
  return 0;
}

/** The sum of entries. */
class Sum {
  readonly place: readonly string[];
  #allowed = 0;
  #denied = 0;
  #limited = 0;
  #errors = 0;
  #micros = 0;
  #maxMicros = 0;
  readonly #latency = new Map<number, number>();

  constructor(place: readonly string[]) {
    this.place = place;
  }

  add(entry: UsageEntry): void {
    this.#allowed += entry.allowed;
    this.#denied += entry.denied;
    this.#limited += entry.limited;
    this.#errors += entry.errors;
    this.#micros += entry.latencyMicros;
    this.#maxMicros = Math.max(this.#maxMicros, entry.latencyMaxMicros);
    addLatencies(this.#latency, entry.latency);
  }

  figures(): UsageFigures {
    const requests = this.#allowed + this.#denied + this.#limited + this.#errors;
    const at = (share: number): number => inMs(latencyAt(this.#latency, share, this.#maxMicros));
    return {
      requests,
      ...{ allowed: this.#allowed, denied: this.#denied, limited: this.#limited, errors: this.#errors },
      latencyMs: {
        mean: requests === 0 ? 0 : inMs(this.#micros / requests),
        max: inMs(this.#maxMicros),
        ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99) },
      },
    };
  }
}

/** To the microsecond. */
function inMs(micros: number): number {
  return Math.round(micros) / 1000;
}

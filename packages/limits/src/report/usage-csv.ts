import { stringify } from 'csv-stringify/sync';
import type { UsageReport } from './usage-report.js';

/**
 * A report as CSV: a header, and a line for each row; without a breakdown, one line of the totals.
 *
 * Names of users and tools are the callers' words, and a spreadsheet takes for a formula what begins like one. Such a
 * cell begins with `'` here, and all text is in quotes.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 * @example
 * ```ts
 * import { memoryUsage, usageCsv, usageReport } from '@portcullis/limits';
 * import { contextFor } from '@portcullis/testing/contexts';
 *
 * const report = await usageReport(memoryUsage(), contextFor(), { month: '2026-05', by: ['tool'] });
 * console.log(usageCsv(report).split(',')[0]); // prints: "tool"
 * ```
 */
export function usageCsv({ by, rows, totals }: UsageReport): string {
  const lines = (by.length === 0 ? [totals] : rows).map(({ latencyMs, ...row }) => ({
    ...row,
    ...{ mean_ms: latencyMs.mean, max_ms: latencyMs.max },
    ...{ p50_ms: latencyMs.p50, p95_ms: latencyMs.p95, p99_ms: latencyMs.p99 },
  }));
  const figures = ['requests', 'allowed', 'denied', 'limited', 'errors'];
  return stringify(lines, {
    header: true,
    columns: [...by, ...figures, 'mean_ms', 'max_ms', 'p50_ms', 'p95_ms', 'p99_ms'],
    escape_formulas: true,
    quoted_string: true,
    // A line feed is on OWASP's list, and not on the library's.
    cast: { string: (text) => (text.startsWith('\n') ? `'${text}` : text) },
  });
}

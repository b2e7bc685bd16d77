import { z } from '@hono/zod-openapi';
import type { QuotaProgress, UsageReport } from '@portcullis/limits';
import { tenantIdSchema, timeOf, timeSchema } from './values.js';

const daySchema = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'is no day, as `2026-05-31`')
  .openapi({ example: '2026-05-31' });
const count = z.number().int().min(0);
const milliseconds = z.number().min(0);

const figures = {
  requests: count,
  allowed: count,
  denied: count,
  limited: count,
  errors: count,
  latencyMs: z
    .strictObject({ mean: milliseconds, max: milliseconds, p50: milliseconds, p95: milliseconds, p99: milliseconds })
    .openapi('Latency'),
};

/** The period of a report, and its breakdown. */
export const usageQuerySchema = z.strictObject({
  month: z
    .string()
    .regex(/^\d{4}-\d{2}$/, 'is no month, as `2026-05`')
    .optional()
    .openapi({ description: 'A UTC month; this one without any period.', example: '2026-05' }),
  from: daySchema.optional().openapi({ description: 'The first UTC day; with `to`, and without `month`.' }),
  to: daySchema.optional().openapi({ description: 'The last UTC day, included.' }),
  by: z
    .string()
    .regex(/^(day|user|tool)(,(day|user|tool)){0,2}$/, 'is none of `day`, `user`, `tool`, or several with commas')
    .optional()
    .openapi({ description: 'One row for each combination of these; totals alone without.', example: 'day,tool' }),
});

/** What a tenant used. */
export const usageSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    from: daySchema,
    to: daySchema,
    by: z.array(z.enum(['day', 'user', 'tool'])),
    rows: z.array(
      z
        .strictObject({
          day: daySchema.optional(),
          user: z.string().optional(),
          tool: z.string().optional(),
          ...figures,
        })
        .openapi('UsageRow'),
    ),
    totals: z.strictObject(figures).openapi('UsageFigures'),
    quotas: z
      .array(
        z.strictObject({
          quota: z.enum(['maxUsers', 'maxSessionsPerUser', 'callsPerMonth']),
          used: count,
          allowed: count.optional().openapi({ description: 'Absent where it is not limited.' }),
          remaining: count.optional(),
          resetsAt: timeSchema.optional(),
        }),
      )
      .optional()
      .openapi({ description: 'How far the quotas are used up now, whatever the period.' }),
  })
  .openapi('Usage');

/** A report, for people and programs to read. */
export function usageView(
  report: UsageReport,
  progress: readonly QuotaProgress[] | undefined,
): z.infer<typeof usageSchema> {
  const { tenant, from, to, by, rows, totals } = report;
  return {
    tenant,
    from,
    to,
    by: [...by],
    rows: rows.map((row) => ({ ...row })),
    totals,
    ...(progress === undefined
      ? {}
      : {
          quotas: progress.map(({ resetsAt, ...rest }) => ({
            ...rest,
            ...(resetsAt === undefined ? {} : { resetsAt: timeOf(resetsAt) }),
          })),
        }),
  };
}

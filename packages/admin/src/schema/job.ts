import { z } from '@hono/zod-openapi';
import type { AdminJobReport } from '../ports.js';
import type { StartedJob } from '../jobs.js';
import { tenantIdSchema, timeOf, timeSchema } from './values.js';

/** A job of a tenant's life. */
export const jobSchema = z
  .strictObject({
    id: z.string(),
    tenant: tenantIdSchema,
    action: z.enum(['provision', 'rollback', 'deprovision', 'cancel', 'restore']),
    state: z.enum(['running', 'retained', 'done', 'failed']).openapi({
      description:
        '`retained`: archived, and waiting for the retention to end. `failed`: known on the replica that ran it; elsewhere it stays `running`, and the same request goes on with it.',
    }),
    startedAt: timeSchema,
    begun: z.array(z.string()).openapi({ description: 'The steps that were begun, in order.' }),
    done: z.array(z.string()).openapi({ description: 'The steps that are done, in order.' }),
    archive: z.string().optional(),
    retainUntil: timeSchema.optional(),
    error: z.string().optional().openapi({ description: 'The code of the failure.' }),
  })
  .openapi('Job');

/** A tenant's latest job, and its archives. */
export const jobsSchema = z
  .strictObject({
    job: jobSchema,
    archives: z.array(z.strictObject({ id: z.string(), writtenAt: timeSchema })),
  })
  .openapi('Jobs');

/** What a job would do. */
export const jobPlanSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    action: z.string(),
    state: z.enum(['planned', 'retained', 'done']),
    steps: z.array(
      z.strictObject({
        step: z.string(),
        does: z.string().optional(),
        counts: z.record(z.string(), z.number()).optional(),
      }),
    ),
  })
  .openapi('JobPlan');

/** What a restoration is made from. */
export const restoreSchema = z.strictObject({ archive: z.string().min(1).max(500) }).openapi('Restore');

const actions = jobSchema.shape.action;

/** A job, for people and programs to read. */
export function jobView(tenant: string, { status, failure }: StartedJob): z.infer<typeof jobSchema> {
  const { id, action, state, startedAt, begun, done, archive, retainUntil } = status.job;
  return {
    id,
    tenant,
    action: actions.parse(action),
    state: failure === undefined ? state : 'failed',
    startedAt: timeOf(startedAt),
    begun: [...begun],
    done: [...done],
    ...(archive === undefined ? {} : { archive: archive.id }),
    ...(retainUntil === undefined ? {} : { retainUntil: timeOf(retainUntil) }),
    ...(failure === undefined ? {} : { error: failure }),
  };
}

/** A plan, for people and programs to read. */
export function jobPlanView({ tenant, action, state, steps }: AdminJobReport): z.infer<typeof jobPlanSchema> {
  return {
    tenant,
    action,
    state,
    steps: steps.map(({ step, does, counts }) => ({
      step,
      ...(does === undefined ? {} : { does }),
      ...(counts === undefined ? {} : { counts: numbers(counts) }),
    })),
  };
}

function numbers(counts: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).flatMap(([name, count]) => (count === undefined ? [] : [[name, count]])),
  );
}

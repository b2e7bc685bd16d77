import { z } from '@hono/zod-openapi';
import { PortcullisError, type OperatorContext, type TenantId } from '@portcullis/core';
import type { NewTenant } from '@portcullis/tenants';
import type { Answer } from '../answer.js';
import { operatorOf } from '../change.js';
import { endpoint, type Endpoint, type Scene } from '../endpoint.js';
import type { Jobs } from '../jobs.js';
import type { Parts } from '../parts.js';
import type { AdminJobOptions, AdminJobReport, AdminLifecycle } from '../ports.js';
import { jobPlanSchema, jobPlanView, jobSchema, jobsSchema, jobView, restoreSchema } from '../schema/job.js';
import { dryRunSchema, noQuery, tenantIdSchema, tenantParams, timeOf } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'lifecycle';
const answers = {
  200: { description: 'A dry run: what would be done.', schema: jobPlanSchema },
  202: { description: 'The job.', schema: jobSchema, headers: ['Location'] },
};
const errors = [
  'storage_refused',
  'storage_unavailable',
  'storage_conflict',
  'storage_not_provisioned',
  'limit_exceeded',
] as const;
const dryRunQuery = z.strictObject({ dryRun: dryRunSchema });

/** Tenants' lives: jobs that run behind the API. */
export function jobEndpoints(parts: Parts): readonly Endpoint[] {
  return [latest(parts), one(parts), restore(parts), cancel(parts), rollback(parts)];
}

function latest(parts: Parts): Endpoint {
  return endpoint({
    id: 'getJobs',
    method: 'get',
    path: '/tenants/{tenant}/jobs',
    tag,
    summary: 'Read a tenant’s latest job and its archives',
    authorize: { on: 'tenant', action: 'provision', mayBeAbsent: true, neverActing: true },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'The job and the archives.', schema: jobsSchema } },
    errors: ['storage_refused', 'storage_unavailable'],
    async handle(call) {
      const tenant = subjectId(call);
      const job = await runner(parts).jobs.status(await right(parts, call, 'provision', tenant), tenant);
      const archives = job.status.archives.map(({ id, writtenAt }) => ({ id, writtenAt: timeOf(writtenAt) }));
      return { status: 200, body: { job: jobView(tenant, job), archives } };
    },
  });
}

function one(parts: Parts): Endpoint {
  return endpoint({
    id: 'getJob',
    method: 'get',
    path: '/tenants/{tenant}/jobs/{job}',
    tag,
    summary: 'Read a job',
    description: 'Only a tenant’s latest job is kept.',
    authorize: { on: 'tenant', action: 'provision', mayBeAbsent: true, neverActing: true },
    params: z.strictObject({ tenant: tenantIdSchema, job: z.string().min(1).max(200) }),
    query: noQuery,
    answers: { 200: { description: 'The job.', schema: jobSchema } },
    errors: ['storage_refused', 'storage_unavailable'],
    async handle(call) {
      const tenant = subjectId(call);
      const job = await runner(parts).jobs.status(await right(parts, call, 'provision', tenant), tenant);
      if (job.status.job.id !== call.params.job) throw new PortcullisError('not_found');
      return { status: 200, body: jobView(tenant, job) };
    },
  });
}

function restore(parts: Parts): Endpoint {
  return endpoint({
    id: 'restoreTenant',
    method: 'post',
    path: '/tenants/{tenant}/restore',
    tag,
    summary: 'Make a tenant again from an archive of it',
    authorize: { on: 'tenant', action: 'provision', mayBeAbsent: true, neverActing: true },
    params: tenantParams,
    query: dryRunQuery,
    body: restoreSchema,
    answers,
    errors,
    handle: (call) =>
      runJob(parts, call, 'provision', subjectId(call), call.query.dryRun === 'true', (lifecycle, operator, options) =>
        lifecycle.restore(operator, subjectId(call), call.body.archive, options),
      ),
  });
}

function cancel(parts: Parts): Endpoint {
  return endpoint({
    id: 'cancelDeprovisioning',
    method: 'post',
    path: '/tenants/{tenant}/cancel',
    tag,
    summary: 'Take a deprovisioning back while nothing is deleted',
    authorize: { on: 'tenant', action: 'deprovision', neverActing: true },
    params: tenantParams,
    query: dryRunQuery,
    answers,
    errors,
    handle: (call) =>
      runJob(
        parts,
        call,
        'deprovision',
        subjectId(call),
        call.query.dryRun === 'true',
        (lifecycle, operator, options) => lifecycle.cancel(operator, subjectId(call), options),
      ),
  });
}

function rollback(parts: Parts): Endpoint {
  return endpoint({
    id: 'rollBackProvisioning',
    method: 'post',
    path: '/tenants/{tenant}/rollback',
    tag,
    summary: 'Take away what an unfinished provisioning or restoration made',
    authorize: { on: 'tenant', action: 'provision', mayBeAbsent: true, neverActing: true },
    params: tenantParams,
    query: dryRunQuery,
    answers,
    errors,
    handle: (call) =>
      runJob(parts, call, 'provision', subjectId(call), call.query.dryRun === 'true', (lifecycle, operator, options) =>
        lifecycle.rollback(operator, subjectId(call), options),
      ),
  });
}

/**
 * Starts the provisioning of a new tenant, or goes on with one that was cut short.
 *
 * @throws PortcullisError `conflict` when there is one
 */
export async function provision(parts: Parts, scene: Scene, tenant: NewTenant, isDryRun: boolean): Promise<Answer> {
  if ((await parts.store.getTenant(tenant.id)) !== undefined) {
    const operator = await right(parts, scene, 'provision', tenant.id);
    const latest = await runner(parts).lifecycle.status(operator, tenant.id);
    if (latest?.job.action !== 'provision' || latest.job.state !== 'running') throw new PortcullisError('conflict');
  }
  return runJob(parts, scene, 'provision', tenant.id, isDryRun, (lifecycle, operator, options) =>
    lifecycle.provision(operator, tenant, options),
  );
}

/** Starts the deprovisioning of the path's tenant. */
export function deprovision(parts: Parts, scene: Scene, isDryRun: boolean): Promise<Answer> {
  const tenant = subjectId(scene);
  return runJob(parts, scene, 'deprovision', tenant, isDryRun, (lifecycle, operator, options) =>
    lifecycle.deprovision(operator, tenant, options),
  );
}

async function runJob(
  parts: Parts,
  scene: Scene,
  action: 'provision' | 'deprovision',
  tenant: TenantId,
  isDryRun: boolean,
  run: (lifecycle: AdminLifecycle, operator: OperatorContext, options: AdminJobOptions) => Promise<AdminJobReport>,
): Promise<Answer> {
  const { lifecycle, jobs } = runner(parts);
  const operator = await right(parts, scene, action, tenant);
  if (isDryRun) return { status: 200, body: jobPlanView(await run(lifecycle, operator, { dryRun: true })) };
  const job = jobView(tenant, await jobs.start(operator, tenant, (options) => run(lifecycle, operator, options)));
  return {
    status: 202,
    body: job,
    headers: { location: `${parts.basePath}/tenants/${tenant}/jobs/${encodeURIComponent(job.id)}` },
  };
}

/** The right that a lifecycle asks for: decided by policy once more, for this tenant, and on record. */
async function right(
  { operators, jobTtlMs }: Parts,
  scene: Scene,
  action: 'provision' | 'deprovision',
  tenant: TenantId,
): Promise<OperatorContext> {
  const { identity, reason } = operatorOf(scene);
  if (operators === undefined) throw new PortcullisError('denied');
  return operators.contextFor(identity, {
    action,
    tenants: [tenant],
    reason,
    ttlMs: jobTtlMs,
    requestId: scene.requestId,
  });
}

function runner({ lifecycle, jobs }: Parts): { readonly lifecycle: AdminLifecycle; readonly jobs: Jobs } {
  if (lifecycle === undefined || jobs === undefined) throw new PortcullisError('not_found');
  return { lifecycle, jobs };
}

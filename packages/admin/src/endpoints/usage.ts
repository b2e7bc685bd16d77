import type { z } from '@hono/zod-openapi';
import { parseAccept } from 'hono/utils/accept';
import { isSealedTenantContext, PortcullisError, type OperatorAccessRecorder } from '@portcullis/core';
import {
  quotaProgress,
  quotaProgressAsOperator,
  usageCsv,
  usageReport,
  usageReportAsOperator,
  type LimitStore,
  type QuotaProgress,
  type UsageDimension,
  type UsageReportQuery,
} from '@portcullis/limits';
import { actorOf } from '../actor.js';
import { endpoint, type Endpoint, type Scene } from '../endpoint.js';
import type { AdminUsage, Parts } from '../parts.js';
import type { AdminActor } from '../ports.js';
import { usageQuerySchema, usageSchema, usageView } from '../schema/usage.js';
import { tenantParams } from '../schema/values.js';
import { currentTenant, subjectId } from '../subject.js';

/** What a tenant used. */
export function usageEndpoints(parts: Parts & { readonly usage: AdminUsage }): readonly Endpoint[] {
  const { usage, clock, operatorAccess } = parts;
  return [
    endpoint({
      id: 'getUsage',
      method: 'get',
      path: '/tenants/{tenant}/usage',
      tag: 'usage',
      summary: 'Read what a tenant used in a period',
      description: 'As JSON, or as CSV where `Accept` prefers `text/csv`: then the rows alone.',
      authorize: { on: 'tenant', action: 'usage:read' },
      params: tenantParams,
      query: usageQuerySchema,
      answers: { 200: { description: 'The report.', schema: usageSchema, texts: ['text/csv'] } },
      async handle(call) {
        const tenant = subjectId(call);
        const actor = actorOf(call, 'usage:read', clock());
        const query = periodOf(call.query, clock());
        const report = isSealedTenantContext(actor)
          ? await usageReport(usage.source, actor, query)
          : await usageReportAsOperator(usage.source, { operator: actor, operatorAccess, clock }, tenant, query);
        if (prefersCsv(call.header('accept')))
          return {
            status: 200,
            text: { type: 'text/csv; charset=utf-8; header=present', content: usageCsv(report) },
            headers: {
              'content-disposition': `attachment; filename="usage-${tenant}-${report.from}-${report.to}.csv"`,
              vary: 'accept',
            },
          };
        const progress = await progressOf(parts, usage.limits, call, actor, operatorAccess);
        return { status: 200, body: usageView(report, progress), headers: { vary: 'accept' } };
      },
    }),
  ];
}

async function progressOf(
  { store, plans, clock }: Parts,
  limits: LimitStore | undefined,
  scene: Scene,
  actor: AdminActor,
  operatorAccess: OperatorAccessRecorder,
): Promise<readonly QuotaProgress[] | undefined> {
  if (limits === undefined) return undefined;
  const tenant = await currentTenant(store, scene);
  const [members, invitations] = await Promise.all([store.getMembers(tenant.id), store.getInvitations(tenant.id)]);
  const now = clock();
  const users = members.length + invitations.filter(({ expiresAt }) => now < expiresAt).length;
  return isSealedTenantContext(actor)
    ? quotaProgress(limits, actor, { plans, users })
    : quotaProgressAsOperator(limits, { operator: actor, operatorAccess, clock }, tenant, { plans, users });
}

function periodOf(query: z.output<typeof usageQuerySchema>, now: number): UsageReportQuery {
  const by = query.by?.split(',').filter(isDimension);
  const { month, from, to } = query;
  if (from === undefined && to === undefined) return { month: month ?? new Date(now).toISOString().slice(0, 7), by };
  if (from === undefined || to === undefined || month !== undefined)
    throw new PortcullisError('request_invalid', 'query: a period is `month`, or `from` and `to`');
  return { from, to, by };
}

function isDimension(name: string): name is UsageDimension {
  return name === 'day' || name === 'user' || name === 'tool';
}

function prefersCsv(header: string | undefined): boolean {
  const quality = (type: string): number =>
    Math.max(0, ...parseAccept(header ?? '*/*').flatMap((each) => (each.type.toLowerCase() === type ? [each.q] : [])));
  return quality('text/csv') > quality('application/json');
}

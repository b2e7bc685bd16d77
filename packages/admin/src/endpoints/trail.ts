import { z } from '@hono/zod-openapi';
import { operatorTrails, tenantTrail, type TrailQuestion, type TrailReader } from '@portcullis/audit';
import { isSealedTenantContext } from '@portcullis/core';
import { actorOf } from '../actor.js';
import type { Answer } from '../answer.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import { paged } from '../paged.js';
import type { AdminTrails, Parts } from '../parts.js';
import { recordView, trailPageSchema, trailQuerySchema } from '../schema/trail.js';
import { tenantParams } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'audit';
type TrailParts = Parts & { readonly trails: AdminTrails };
const answers = { 200: { description: 'A page of records.', schema: trailPageSchema, headers: ['Link'] } };

/** What is on record. */
export function trailEndpoints(parts: TrailParts): readonly Endpoint[] {
  return [ofTenant(parts), ofAll(parts)];
}

function ofTenant({ trails, recordOperators: record, clock, basePath }: TrailParts): Endpoint {
  return endpoint({
    id: 'getAuditLog',
    method: 'get',
    path: '/tenants/{tenant}/audit-log',
    tag,
    summary: 'Read a tenant’s trail',
    description: 'The newest records first, unless you say otherwise.',
    authorize: { on: 'tenant', action: 'audit:read' },
    params: tenantParams,
    query: trailQuerySchema,
    answers,
    async handle(call) {
      const tenant = subjectId(call);
      const actor = actorOf(call, 'audit:read', clock());
      const reader = isSealedTenantContext(actor)
        ? tenantTrail(trails, actor, { clock })
        : await operatorTrails(trails, actor, { tenants: [tenant], record, clock });
      return page(reader, call.query, `${basePath}/tenants/${tenant}/audit-log`);
    },
  });
}

function ofAll({ trails, recordOperators: record, clock, basePath }: TrailParts): Endpoint {
  return endpoint({
    id: 'getAllAuditLogs',
    method: 'get',
    path: '/audit-log',
    tag,
    summary: 'Read all trails: the tenants’, the operators’, the system’s',
    authorize: { on: 'platform', action: 'audit:read' },
    params: z.strictObject({}),
    query: trailQuerySchema,
    answers,
    async handle(call) {
      const actor = actorOf(call, 'audit:read', clock());
      if (isSealedTenantContext(actor)) throw new TypeError('a member does not read all trails');
      const reader = await operatorTrails(trails, actor, { tenants: 'all', record, clock });
      return page(reader, call.query, `${basePath}/audit-log`);
    },
  });
}

async function page(reader: TrailReader, query: z.output<typeof trailQuerySchema>, path: string): Promise<Answer> {
  const { from, to, ...rest } = query;
  const question: TrailQuestion = {
    ...rest,
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(to === undefined ? {} : { to: Date.parse(to) }),
  };
  const { records, next } = await reader.query(question);
  return paged({ records: records.map(recordView) }, path, query, next);
}

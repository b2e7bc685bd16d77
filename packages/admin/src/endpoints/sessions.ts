import { z } from '@hono/zod-openapi';
import { PortcullisError, type SessionDirectory } from '@portcullis/core';
import { change } from '../change.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import { sessionListSchema, sessionView } from '../schema/session.js';
import { noQuery, tenantIdSchema, tenantParams } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'sessions';

/** The MCP sessions that are open. */
export function sessionEndpoints(parts: Parts): readonly Endpoint[] {
  return [list(parts), end(parts)];
}

function list(parts: Parts): Endpoint {
  return endpoint({
    id: 'listSessions',
    method: 'get',
    path: '/tenants/{tenant}/sessions',
    tag,
    summary: 'List the open sessions of a tenant',
    authorize: { on: 'tenant', action: 'sessions:read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'All of them, the oldest first.', schema: sessionListSchema } },
    async handle(call) {
      const tenant = subjectId(call);
      const sessions = await directory(parts).list(tenant);
      // An entry of another tenant's would be a fault of the directory: it is not shown.
      return { status: 200, body: { sessions: sessions.filter((each) => each.tenant === tenant).map(sessionView) } };
    },
  });
}

function end(parts: Parts): Endpoint {
  return endpoint({
    id: 'endSession',
    method: 'delete',
    path: '/tenants/{tenant}/sessions/{session}',
    tag,
    summary: 'End a session',
    description:
      'The replica that holds the session ends it. The user can open another one: to keep somebody out, remove the member.',
    authorize: { on: 'tenant', action: 'sessions:end', neverActing: true },
    params: z.strictObject({ tenant: tenantIdSchema, session: z.string().min(1).max(200) }),
    query: noQuery,
    answers: { 202: { description: 'It is being ended.' } },
    async handle(call) {
      const tenant = subjectId(call);
      const { session } = call.params;
      const sessions = await directory(parts).list(tenant);
      const known = sessions.find(({ id, tenant: owner }) => id === session && owner === tenant);
      if (known === undefined) throw new PortcullisError('not_found');
      await change(
        parts.record,
        call,
        { action: 'session.end', target: session, tenant, before: sessionView(known), after: null },
        () => directory(parts).end(tenant, session),
      );
      return { status: 202 };
    },
  });
}

function directory({ sessions }: Parts): SessionDirectory {
  if (sessions === undefined) throw new PortcullisError('not_found');
  return sessions;
}

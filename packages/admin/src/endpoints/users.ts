import { z } from '@hono/zod-openapi';
import { PortcullisError, type Membership } from '@portcullis/core';
import { actorOf } from '../actor.js';
import { entityTag, tagged } from '../answer.js';
import { requireMatch } from '../conditional.js';
import { endpoint, type Endpoint, type Scene } from '../endpoint.js';
import { paged } from '../paged.js';
import { requireNoStaff } from '../no-staff.js';
import type { Parts } from '../parts.js';
import type { AdminMembers } from '../ports.js';
import { memberPageSchema, memberPatchSchema, memberSchema, memberView, newMemberSchema } from '../schema/member.js';
import { noQuery, pageQuery, tenantIdSchema, tenantParams, userIdSchema } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'users';
const userParams = z.strictObject({ tenant: tenantIdSchema, user: userIdSchema });

/** What changes members, and where they are read. */
type MemberParts = Parts & { readonly members: AdminMembers };

/** A tenant's members. */
export function userEndpoints(parts: MemberParts): readonly Endpoint[] {
  return [list(parts), add(parts), read(parts), update(parts), remove(parts)];
}

function list({ store, basePath }: MemberParts): Endpoint {
  return endpoint({
    id: 'listUsers',
    method: 'get',
    path: '/tenants/{tenant}/users',
    tag,
    summary: 'List a tenant’s members',
    authorize: { on: 'tenant', action: 'members:read' },
    params: tenantParams,
    query: z.strictObject(pageQuery),
    answers: { 200: { description: 'A page of members, by user id.', schema: memberPageSchema, headers: ['Link'] } },
    async handle(call) {
      const tenant = subjectId(call);
      const page = await store.listMembers(tenant, call.query);
      return paged(
        { users: page.items.map(memberView) },
        `${basePath}/tenants/${tenant}/users`,
        call.query,
        page.cursor,
      );
    },
  });
}

function add(parts: MemberParts): Endpoint {
  const { members, basePath, clock } = parts;
  return endpoint({
    id: 'addUser',
    method: 'post',
    path: '/tenants/{tenant}/users',
    tag,
    summary: 'Add a user to a tenant',
    description:
      'Nobody gives a role that it does not have. Users of a provider that several tenants share are invited instead, unless the platform is set otherwise.',
    authorize: { on: 'tenant', action: 'members:write', neverActing: true },
    params: tenantParams,
    query: noQuery,
    body: newMemberSchema,
    member: (_params, body) => body.userId,
    answers: { 201: { description: 'The member.', schema: memberSchema, headers: ['ETag', 'Location'] } },
    errors: ['quota_exceeded'],
    async handle(call) {
      const tenant = subjectId(call);
      const actor = actorOf(call, 'members:write', clock());
      requireNoStaff(parts, call.body.userId);
      const added = await members.add(actor, tenant, call.body.userId, call.body.roles);
      return {
        ...tagged(201, memberView(added)),
        headers: { location: `${basePath}/tenants/${tenant}/users/${encodeURIComponent(added.userId)}` },
      };
    },
  });
}

function read(parts: MemberParts): Endpoint {
  return endpoint({
    id: 'getUser',
    method: 'get',
    path: '/tenants/{tenant}/users/{user}',
    tag,
    summary: 'Read a member',
    authorize: { on: 'tenant', action: 'members:read' },
    params: userParams,
    query: noQuery,
    answers: { 200: { description: 'The member.', schema: memberSchema, headers: ['ETag'] } },
    handle: async (call) => tagged(200, memberView(await memberOf(parts, call, call.params.user))),
  });
}

function update(parts: MemberParts): Endpoint {
  return endpoint({
    id: 'updateUser',
    method: 'patch',
    path: '/tenants/{tenant}/users/{user}',
    tag,
    summary: 'Replace a member’s roles',
    description: 'Nobody gives a role that it does not have, or takes one away.',
    authorize: { on: 'tenant', action: 'members:write', neverActing: true },
    conditional: 'match',
    params: userParams,
    query: noQuery,
    body: memberPatchSchema,
    member: ({ user }) => user,
    answers: { 200: { description: 'The member, changed.', schema: memberSchema, headers: ['ETag'] } },
    errors: ['last_owner'],
    async handle(call) {
      const { user } = call.params;
      const member = await matched(parts, call, user);
      const actor = actorOf(call, 'members:write', parts.clock());
      const options = { ifVersion: member.version };
      requireNoStaff(parts, user);
      const changed = await parts.members.change(actor, subjectId(call), user, call.body.roles, options);
      return tagged(200, memberView(changed));
    },
  });
}

function remove(parts: MemberParts): Endpoint {
  return endpoint({
    id: 'removeUser',
    method: 'delete',
    path: '/tenants/{tenant}/users/{user}',
    tag,
    summary: 'Remove a member',
    authorize: { on: 'tenant', action: 'members:write', neverActing: true },
    conditional: 'match',
    params: userParams,
    query: noQuery,
    member: ({ user }) => user,
    answers: { 204: { description: 'It is a member no more.' } },
    errors: ['last_owner'],
    async handle(call) {
      const { user } = call.params;
      const member = await matched(parts, call, user);
      const actor = actorOf(call, 'members:write', parts.clock());
      await parts.members.remove(actor, subjectId(call), user, { ifVersion: member.version });
      return { status: 204 };
    },
  });
}

async function memberOf({ store }: Parts, scene: Scene, user: string): Promise<Membership> {
  const member = await store.getMembership(subjectId(scene), user);
  if (member === undefined) throw new PortcullisError('not_found');
  return member;
}

/** The member, if it is as the request says. */
async function matched(parts: Parts, scene: Scene, user: string): Promise<Membership> {
  const member = await memberOf(parts, scene, user);
  requireMatch(scene.header('if-match'), entityTag(member.version, memberView(member)));
  return member;
}

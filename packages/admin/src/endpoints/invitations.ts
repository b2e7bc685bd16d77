import { z } from '@hono/zod-openapi';
import { PortcullisError } from '@portcullis/core';
import { actorOf } from '../actor.js';
import { endpoint, type Endpoint } from '../endpoint.js';
import { requireNoStaff } from '../no-staff.js';
import type { Parts } from '../parts.js';
import type { AdminInvitations } from '../ports.js';
import {
  acceptSchema,
  invitationListSchema,
  invitationView,
  membershipSchema,
  memberView,
  newInvitationSchema,
  sentInvitationSchema,
} from '../schema/member.js';
import { noQuery, tenantIdSchema, tenantParams } from '../schema/values.js';
import { subjectId } from '../subject.js';

const tag = 'invitations';
type InvitationParts = Parts & { readonly invitations: AdminInvitations };

/** Offers of membership. */
export function invitationEndpoints(parts: InvitationParts): readonly Endpoint[] {
  return [list(parts), create(parts), revoke(parts), accept(parts)];
}

function list({ store, clock }: InvitationParts): Endpoint {
  return endpoint({
    id: 'listInvitations',
    method: 'get',
    path: '/tenants/{tenant}/invitations',
    tag,
    summary: 'List the invitations that nobody took',
    authorize: { on: 'tenant', action: 'members:read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'All of them, expired ones included.', schema: invitationListSchema } },
    async handle(call) {
      const found = await store.getInvitations(subjectId(call));
      const now = clock();
      return { status: 200, body: { invitations: found.map((each) => invitationView(each, now)) } };
    },
  });
}

function create({ invitations, clock }: InvitationParts): Endpoint {
  return endpoint({
    id: 'createInvitation',
    method: 'post',
    path: '/tenants/{tenant}/invitations',
    tag,
    summary: 'Invite somebody',
    description: 'The answer has the token, once. Send it to the address: the API sends no mail.',
    authorize: { on: 'tenant', action: 'members:write', neverActing: true },
    params: tenantParams,
    query: noQuery,
    body: newInvitationSchema,
    answers: { 201: { description: 'The invitation and its token.', schema: sentInvitationSchema } },
    errors: ['quota_exceeded'],
    async handle(call) {
      const actor = actorOf(call, 'members:write', clock());
      const { invitation, token } = await invitations.create(actor, subjectId(call), call.body);
      return { status: 201, body: { invitation: invitationView(invitation, clock()), token } };
    },
  });
}

function revoke({ invitations, store, clock }: InvitationParts): Endpoint {
  return endpoint({
    id: 'revokeInvitation',
    method: 'delete',
    path: '/tenants/{tenant}/invitations/{invitation}',
    tag,
    summary: 'Take an invitation back',
    authorize: { on: 'tenant', action: 'members:write', neverActing: true },
    params: z.strictObject({ tenant: tenantIdSchema, invitation: z.string().min(1).max(200) }),
    query: noQuery,
    answers: { 204: { description: 'Nobody can take it any more.' } },
    async handle(call) {
      const tenant = subjectId(call);
      const { invitation: id } = call.params;
      if ((await store.getInvitation(tenant, id)) === undefined) throw new PortcullisError('not_found');
      await invitations.revoke(actorOf(call, 'members:write', clock()), tenant, id);
      return { status: 204 };
    },
  });
}

function accept(parts: InvitationParts): Endpoint {
  return endpoint({
    id: 'acceptInvitation',
    method: 'post',
    path: '/invitations/accept',
    tag,
    summary: 'Become a member by an invitation',
    description:
      'For the invited person: the own token has to carry the invited address, verified, from a provider that is bound to the tenant.',
    authorize: { on: 'oneself' },
    params: z.strictObject({}),
    query: noQuery,
    body: acceptSchema,
    answers: { 201: { description: 'The membership.', schema: membershipSchema } },
    errors: ['invitation_invalid', 'quota_exceeded'],
    async handle(call) {
      requireNoStaff(parts, call.caller.identity.provider);
      const joined = await parts.invitations.accept(call.caller.identity, call.body.token, call.requestId);
      return { status: 201, body: { tenant: joined.tenantId, ...memberView(joined) } };
    },
  });
}

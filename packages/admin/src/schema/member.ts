import { z } from '@hono/zod-openapi';
import type { Membership } from '@portcullis/core';
import type { AdminInvitation } from '../ports.js';
import {
  newUserIdSchema,
  nextCursorSchema,
  roleIdSchema,
  tenantIdSchema,
  timeOf,
  timeSchema,
  userIdSchema,
  versionSchema,
} from './values.js';

const rolesSchema = z.array(roleIdSchema).min(1).max(100);
const memberRolesSchema = z
  .array(roleIdSchema)
  .max(100)
  .openapi({ description: 'None keeps the user out, whatever roles its token has.' });

/** A member, as it is shown. */
export const memberSchema = z
  .strictObject({ userId: userIdSchema, roles: z.array(z.string()), joinedAt: timeSchema, version: versionSchema })
  .openapi('Member');

/** A page of members. */
export const memberPageSchema = z
  .strictObject({ users: z.array(memberSchema), nextCursor: nextCursorSchema })
  .openapi('MemberPage');

/** A user who is to be a member. */
export const newMemberSchema = z
  .strictObject({ userId: newUserIdSchema, roles: memberRolesSchema })
  .openapi('NewMember');

/** What may be changed of a member. */
export const memberPatchSchema = z.strictObject({ roles: memberRolesSchema }).openapi('MemberPatch');

/** Somebody who is to be invited. */
export const newInvitationSchema = z
  .strictObject({
    email: z.string().min(3).max(254).openapi({ example: 'bob@example.com' }),
    roles: rolesSchema,
    ttlMs: z.number().int().min(1).max(7_776_000_000).optional(),
  })
  .openapi('NewInvitation');

/** An invitation, as it is shown. */
export const invitationSchema = z
  .strictObject({
    id: z.string(),
    email: z.string(),
    roles: z.array(z.string()),
    invitedBy: z.string(),
    createdAt: timeSchema,
    expiresAt: timeSchema,
    isExpired: z.boolean(),
  })
  .openapi('Invitation');

/** An invitation with what lets somebody in by it. */
export const sentInvitationSchema = z
  .strictObject({
    invitation: invitationSchema,
    token: z.string().openapi({ description: 'For the invited person alone. It is shown this once.' }),
  })
  .openapi('SentInvitation');

/** All invitations of a tenant. */
export const invitationListSchema = z
  .strictObject({ invitations: z.array(invitationSchema) })
  .openapi('InvitationList');

/** What accepts an invitation. */
export const acceptSchema = z.strictObject({ token: z.string().min(1).max(500) }).openapi('AcceptInvitation');

/** A membership, with its tenant. */
export const membershipSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    userId: userIdSchema,
    roles: z.array(z.string()),
    joinedAt: timeSchema,
    version: versionSchema,
  })
  .openapi('Membership');

/** A member, for people and programs to read. */
export function memberView({ userId, roles, joinedAt, version }: Membership): z.infer<typeof memberSchema> {
  return { userId, roles: [...roles], joinedAt: timeOf(joinedAt), version };
}

/** An invitation, for people and programs to read. */
export function invitationView(invitation: AdminInvitation, now: number): z.infer<typeof invitationSchema> {
  const { id, email, roles, invitedBy, createdAt, expiresAt } = invitation;
  return {
    id,
    email,
    roles: [...roles],
    invitedBy,
    createdAt: timeOf(createdAt),
    expiresAt: timeOf(expiresAt),
    isExpired: now >= expiresAt,
  };
}

import { z } from '@hono/zod-openapi';
import type { SessionInfo } from '@portcullis/core';
import { timeOf, timeSchema, userIdSchema } from './values.js';

const sessionSchema = z
  .strictObject({
    id: z.string().openapi({ description: 'A name for the session, with which nobody can go on with it.' }),
    user: userIdSchema,
    client: z.string().optional(),
    openedAt: timeSchema,
  })
  .openapi('Session');

/** The open sessions of a tenant. */
export const sessionListSchema = z.strictObject({ sessions: z.array(sessionSchema) }).openapi('SessionList');

/** A session, for people and programs to read. */
export function sessionView({ id, user, client, openedAt }: SessionInfo): z.infer<typeof sessionSchema> {
  return { id, user, ...(client === undefined ? {} : { client }), openedAt: timeOf(openedAt) };
}

import { z } from '@hono/zod-openapi';
import type { ReadRecord } from '@portcullis/audit';
import { nextCursorSchema, pageQuery, timeSchema } from './values.js';

const text = z.string().min(1).max(500);

/** Which records of a trail, and in which order. */
export const trailQuerySchema = z.strictObject({
  ...pageQuery,
  actor: text.max(1000).optional().openapi({ description: 'A user id: `provider#subject`.' }),
  from: timeSchema.optional().openapi({ description: 'This moment and later.' }),
  to: timeSchema.optional().openapi({ description: 'Before this moment.' }),
  effect: z.enum(['allow', 'deny']).optional(),
  type: text.optional().openapi({ description: 'As `decision`, `outcome`, `configuration`, `operator`.' }),
  method: text.optional().openapi({ description: 'The MCP method, or method and path of this API.' }),
  name: text.optional().openapi({ description: 'The tool or prompt, the URI of the resource, the path.' }),
  requestId: text.optional(),
  order: z.enum(['newest', 'oldest']).optional(),
});

/** A page of a trail. */
export const trailPageSchema = z
  .strictObject({
    records: z.array(
      z
        .strictObject({
          trail: z.string(),
          seq: z.number().int(),
          time: timeSchema,
          hash: z.string(),
          entry: z.record(z.string(), z.unknown()),
        })
        .openapi('TrailRecord'),
    ),
    nextCursor: nextCursorSchema,
  })
  .openapi('TrailPage');

/** A record, for people and programs to read. */
export function recordView({
  trail,
  seq,
  time,
  hash,
  entry,
}: ReadRecord): z.infer<typeof trailPageSchema>['records'][number] {
  return { trail, seq, time, hash, entry: { ...entry } };
}

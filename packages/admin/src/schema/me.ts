import { z } from '@hono/zod-openapi';
import { tenantIdSchema, userIdSchema } from './values.js';

/** Who calls, and where it may act. */
export const meSchema = z
  .strictObject({
    id: userIdSchema,
    provider: z.string(),
    subject: z.string(),
    kind: z.enum(['user', 'client']),
    client: z.string().optional(),
    operator: z.boolean(),
    tenants: z.array(
      z.strictObject({
        id: tenantIdSchema,
        name: z.string().optional(),
        roles: z.array(z.string()).optional(),
        standing: z
          .enum(['good', 'suspended', 'expired'])
          .openapi({ description: 'Whether the tenant may work. Only of one that may, more is told.' }),
      }),
    ),
  })
  .openapi('Me');

import { z } from '@hono/zod-openapi';
import { errorTable } from '@portcullis/core';

/** Problem details. @see RFC 9457 */
export const problemSchema = z
  .strictObject({
    type: z.string().openapi({ example: 'urn:portcullis:error:not_found' }),
    title: z.string(),
    status: z.number().int(),
    code: z
      .enum(Object.keys(errorTable) as [string, ...string[]])
      .openapi({ description: 'Stable: what programs compare.' }),
    detail: z.string().optional().openapi({ description: 'More about this occurrence, for people.' }),
    requestId: z.string().openapi({ description: 'Under which the request is in the audit trail.' }),
    data: z
      .record(z.string(), z.unknown())
      .optional()
      .openapi({ description: 'Facts, by the code: `field` of a malformed request, for example.' }),
  })
  .openapi('Problem');

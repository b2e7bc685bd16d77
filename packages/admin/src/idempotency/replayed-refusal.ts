import { z } from '@hono/zod-openapi';
import { errorTable, PortcullisError, type ErrorCode } from '@portcullis/core';
import type { Answer } from '../answer.js';

const problemSchema = z.object({
  code: z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(errorTable, value)),
  requestId: z.string(),
});

/** The refusal that a kept answer is, for the record of the request that got it again; `undefined` for any other. */
export function replayedRefusal({ status, text }: Answer): PortcullisError | undefined {
  if (status < 400) return undefined;
  const problem = problemSchema.safeParse(parsedJson(text?.content));
  if (!problem.success)
    return new PortcullisError('request_invalid', undefined, { detail: `replayed: refused with ${String(status)}` });
  const { code, requestId } = problem.data;
  return new PortcullisError(code, undefined, { detail: `replayed: refused as the request ${requestId}` });
}

function parsedJson(content: string | undefined): unknown {
  try {
    return JSON.parse(content ?? '');
  } catch {
    return undefined;
  }
}

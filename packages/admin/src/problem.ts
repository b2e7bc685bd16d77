import { errorTable, type ErrorCode, type PortcullisError } from '@portcullis/core';
import { refusalResponse } from '@portcullis/http';
import type { Answer } from './answer.js';

/** The type of a problem: a name, and no address. The reference page of error codes says what each means. */
function problemType(code: ErrorCode): string {
  return `urn:portcullis:error:${code}`;
}

/** What a problem response has to say beside the error. */
export interface ProblemContext {
  readonly requestId: string;
  /** Where the protected-resource metadata is: for challenges. */
  readonly metadataUrl: string;
}

/**
 * An error as an answer: problem details with the error's stable code, the id under which it is on record, and what the
 * caller may know; the challenge and `Retry-After` that belong to it.
 *
 * @see RFC 9457
 */
export function problemAnswer(error: PortcullisError, { requestId, metadataUrl }: ProblemContext): Answer {
  const { message, data } = error.toPublic();
  // What reads as denied because it was hidden reads here as a tenant that is not there.
  const code = error.code === 'cross_tenant' ? 'not_found' : (data['code'] as ErrorCode);
  const { http, title } = errorTable[code];
  const { retryAfterMs: _retryAfterMs, code: _code, ...facts } = data;
  const problem = {
    type: problemType(code),
    title,
    status: http,
    code,
    ...(message === title || error.code === 'cross_tenant' ? {} : { detail: message }),
    requestId,
    ...(Object.keys(facts).length === 0 ? {} : { data: facts }),
  };
  // The challenge and `Retry-After` are those of the gate.
  const { headers } = refusalResponse(error, { metadataUrl });
  const kept = ['www-authenticate', 'retry-after'].flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return {
    status: http,
    text: { type: 'application/problem+json', content: JSON.stringify(problem) },
    headers: Object.fromEntries(kept),
  };
}

import { PortcullisError } from '@portcullis/core';

/** The failure of a question: it could not be asked, or the answer cannot be trusted. */
export function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('pdp_unavailable', undefined, { detail, cause });
}

export function isUnavailable(error: unknown): error is PortcullisError {
  return error instanceof PortcullisError && error.code === 'pdp_unavailable';
}

/** The cause of a failure that is the question's own: the engine is well, and answers others. */
class RefusedQuestion extends Error {
  override readonly name = 'RefusedQuestion';
}

/** The failure of a question that the engine refuses, or that it cannot be told. */
export function refused(detail: string, cause?: unknown): PortcullisError {
  return unavailable(detail, new RefusedQuestion(detail, { cause }));
}

export function isRefused(error: unknown): boolean {
  return isUnavailable(error) && error.cause instanceof RefusedQuestion;
}

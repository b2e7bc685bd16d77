import { PortcullisError } from '@portcullis/core';

/** The failure of a question: it could not be asked, or the answer cannot be trusted. */
export function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('pdp_unavailable', undefined, { detail, cause });
}

export function isUnavailable(error: unknown): error is PortcullisError {
  return error instanceof PortcullisError && error.code === 'pdp_unavailable';
}

import { PortcullisError } from '@portcullis/core';

/** An unforeseen failure refuses, and reads as what it is: the question could not be asked. */
export function asRefusal(error: unknown): PortcullisError {
  if (error instanceof PortcullisError) return error;
  return new PortcullisError('pdp_unavailable', undefined, {
    detail: `unexpected ${error instanceof Error ? `${error.name}: ${error.message}` : typeof error} while deciding`,
    cause: error,
  });
}

import { PortcullisError } from '@portcullis/core';

/** Why a key was refused, for an obstacle. Any other error is thrown on. */
export function detailOf(error: unknown): string {
  if (error instanceof PortcullisError && error.code === 'storage_refused') return error.detail ?? error.message;
  throw error;
}

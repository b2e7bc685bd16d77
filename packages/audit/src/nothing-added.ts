import type { PortcullisError } from '@portcullis/core';

const marked = new WeakSet<PortcullisError>();

/**
 * Marks an error by which it is certain that none of the entries was added: each of them may be tried alone. Where it
 * is not certain, as after a deadline, they would be there twice.
 */
export function nothingAdded(error: PortcullisError): PortcullisError {
  marked.add(error);
  return error;
}

/** Whether an error is marked so: only then is it safe to try its entries again. */
export function isNothingAdded(error: PortcullisError): boolean {
  return marked.has(error);
}

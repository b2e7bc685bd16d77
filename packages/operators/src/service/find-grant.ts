import { PortcullisError } from '@portcullis/core';
import { grantIdPattern } from '../grant/record.js';
import type { StoredGrant } from '../grant/store.js';
import type { Parts } from './options.js';

/** The refusal of a grant. The caller is not told which of the reasons it is. */
export function grantInvalid(detail: string): PortcullisError {
  return new PortcullisError('grant_invalid', undefined, { detail });
}

/**
 * Finds a grant by its id, which alone gives nobody anything.
 *
 * @throws PortcullisError `grant_invalid`, `grants_unavailable`
 */
export async function findGrant({ store }: Parts, id: unknown): Promise<StoredGrant> {
  if (typeof id !== 'string' || !grantIdPattern.test(id)) throw grantInvalid('the id is malformed');
  const found = await store.get(id);
  if (found === undefined) throw grantInvalid('there is no such grant');
  if (found.record.id !== id)
    throw new PortcullisError('grants_unavailable', undefined, { detail: 'the store gave another grant' });
  return found;
}

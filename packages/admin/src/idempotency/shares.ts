import { PortcullisError } from '@portcullis/core';
import { positive } from '../positive.js';

/** How many keys may be remembered at one time. */
export interface IdempotencyShares {
  /** Of one person: in each tenant that it is a member of, or without one. @defaultValue 1000 */
  readonly maxPerPerson?: number | undefined;
  /** Of all members of one tenant together. @defaultValue 2500 */
  readonly maxPerTenant?: number | undefined;
}

/** The shares, with the defaults. @throws PortcullisError `config_invalid` */
export function sharesOf(options: IdempotencyShares): { readonly perPerson: number; readonly perTenant: number } {
  return {
    perPerson: positive('maxPerPerson', options.maxPerPerson ?? 1000),
    perTenant: positive('maxPerTenant', options.maxPerTenant ?? 2500),
  };
}

/** A key that there is no room for. */
export function noRoom(scope: 'user' | 'tenant' | 'server'): PortcullisError {
  return new PortcullisError('limit_exceeded', undefined, { data: { limit: 'idempotencyKeys', scope } });
}

import { PortcullisError, type Identity } from '@portcullis/core';
import type { Endpoint } from './endpoint.js';

/** The scopes that a client needs to administer in somebody's name. */
export interface AdminScopes {
  /** For what only looks. */
  readonly read: string;
  /** For what changes something. */
  readonly write: string;
}

/**
 * Refuses a client that was not granted the scope. Policy has permitted the person by then.
 *
 * @throws PortcullisError `scope_insufficient`
 */
export function requireScope(
  scopes: AdminScopes | undefined,
  { method }: Pick<Endpoint, 'method'>,
  { scopes: granted }: Identity,
): void {
  if (scopes === undefined) return;
  const needed = method === 'get' ? scopes.read : scopes.write;
  if (!granted.includes(needed))
    throw new PortcullisError('scope_insufficient', undefined, { data: { scopes: [needed] } });
}

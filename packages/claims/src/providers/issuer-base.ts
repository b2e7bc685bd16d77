import { PortcullisError } from '@portcullis/core';
import type { CommonOptions, Issuer, RemoteKeys } from '../issuer.js';
import { requireSecureUrl } from '../keys/fetch-json.js';
import type { KeySource } from '../keys/key-source.js';

/** The parts of an issuer that all providers set alike. */
export function issuerBase(
  options: CommonOptions,
  issuer: string,
  remote: Omit<RemoteKeys, 'jwksUri'>,
): Pick<Issuer, 'name' | 'algorithms' | 'lifetime' | 'keys'> {
  requireSecureUrl(issuer.replace('{tenantid}', 'tenant'), 'issuer');
  const algorithms = options.algorithms ?? ['RS256'];
  if (algorithms.length === 0) throw new PortcullisError('config_invalid', 'algorithms: at least one is required');
  return {
    name: options.name ?? issuer,
    algorithms,
    lifetime: { clockSkewMs: options.clockSkewMs, maxLifetimeMs: options.maxLifetimeMs },
    keys: keysOf(options, remote),
  };
}

function keysOf({ keys, jwksUri }: CommonOptions, remote: Omit<RemoteKeys, 'jwksUri'>): KeySource | RemoteKeys {
  if (keys !== undefined) return keys;
  return { ...remote, jwksUri: jwksUri === undefined ? undefined : requireSecureUrl(jwksUri, 'jwksUri') };
}

/** One accepted audience or several; an empty one would accept what names nobody. */
export function audiences(audience: string | readonly string[], option = 'audience'): readonly string[] {
  const accepted = typeof audience === 'string' ? [audience] : audience;
  if (accepted.length === 0 || accepted.some((one) => one === ''))
    throw new PortcullisError('config_invalid', `${option}: is required`);
  return accepted;
}

/** The types of an access token: RFC 9068's own, or what providers that predate it send. */
export const accessTokenTypes: readonly (string | undefined)[] = ['at+jwt', 'jwt', undefined];

/** The metadata document of an issuer, by OpenID Connect Discovery 1.0, section 4. */
export function openidMetadata(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/** Groups, where the provider sent them all. */
export function knownGroups(ids: readonly string[]): { readonly known: true; readonly ids: readonly string[] } {
  return { known: true, ids };
}

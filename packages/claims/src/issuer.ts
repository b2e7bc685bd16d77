import type { Groups } from '@portcullis/core';
import type { KeySource } from './keys/key-source.js';
import type { Algorithm } from './keys/vet.js';
import type { Claims } from './token/claims.js';

/** What a provider's claims say, in the words of an identity. */
export interface NormalizedClaims {
  /** The stable subject within the provider. */
  readonly subject: string;
  readonly sub: string;
  readonly tenantHint?: string | undefined;
  readonly displayName?: string | undefined;
  readonly email?: string | undefined;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly groups: Groups;
  readonly clientId?: string | undefined;
  readonly kind: 'user' | 'client';
  /** The member of the token's audience that is this server. */
  readonly audience: string;
}

/** How long tokens may live. */
export interface LifetimeRules {
  /** Tolerance for clocks that differ, in milliseconds. @defaultValue 30000 */
  readonly clockSkewMs?: number | undefined;
  /** The longest that a token may live, from `iat` to `exp`, in milliseconds. @defaultValue 24 hours */
  readonly maxLifetimeMs?: number | undefined;
}

/** Options that every provider has. */
export interface CommonOptions extends LifetimeRules {
  /**
   * The provider's name in identities, bindings and policies. Unique in a verifier, and stable: user ids start with
   * it. Without `#`.
   *
   * @defaultValue the issuer
   */
  readonly name?: string | undefined;
  /** Where the keys are published. @defaultValue as the provider's metadata says */
  readonly jwksUri?: string | undefined;
  /** Fixed keys in place of published ones: a key source or a JWK set. */
  readonly keys?: KeySource | undefined;
  /** Allowed signature algorithms. @defaultValue `['RS256']` */
  readonly algorithms?: readonly Algorithm[] | undefined;
}

/** A configured issuer: which tokens are its own, who signs them, and what their claims mean. */
export interface Issuer {
  readonly name: string;
  readonly algorithms: readonly Algorithm[];
  /** Allowed values of the header's `typ`, in lower case and without `application/`; absent is `undefined`. */
  readonly types: readonly (string | undefined)[];
  readonly lifetime: LifetimeRules;
  /** Whether a token with this `iss` is for this issuer. The payload is not verified yet: it selects, and no more. */
  readonly claimsIssuer: (iss: string, payload: Claims) => boolean;
  /** Where the keys are: a fixed source, or what the verifier fetches. */
  readonly keys: KeySource | RemoteKeys;
  /** Checks what the key set says of a key against the token: the issuer that the key is tied to. */
  readonly acceptsKeyOf?: ((keyIssuer: string | undefined, payload: Claims) => boolean) | undefined;
  /**
   * Reads verified claims.
   *
   * @throws PortcullisError `token_invalid` (`audience`, `type`, `claim`)
   */
  readonly normalize: (claims: Claims) => NormalizedClaims;
}

/** Keys that are published by the provider. */
export interface RemoteKeys {
  readonly jwksUri: string | undefined;
  /** The metadata document that names the key set. */
  readonly metadataUrl: string;
  /** The issuer that the metadata has to name. */
  readonly metadataIssuer: string;
}

/** Whether keys have to be fetched. */
export function isRemote(keys: KeySource | RemoteKeys): keys is RemoteKeys {
  return 'metadataUrl' in keys;
}

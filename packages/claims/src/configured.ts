import { PortcullisError, type Identity } from '@portcullis/core';
import { sealIdentity } from '@portcullis/core/seal';

/** A principal that an operator names in the configuration. */
export interface ConfiguredPrincipal {
  /** Who it is, within `provider`. */
  readonly subject: string;
  /** The name that bindings and policies know it by. @defaultValue `configured` */
  readonly provider?: string | undefined;
  readonly tenantHint?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  /** The program that acts. */
  readonly clientId?: string | undefined;
  /** This server. @defaultValue `stdio` */
  readonly audience?: string | undefined;
}

/**
 * An identity without a token: for stdio servers, where the operator who starts the process says whom it acts for.
 * Whoever calls this vouches for the identity; no part of it may come from a request.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```ts
 * import { configuredIdentity } from '@portcullis/claims';
 *
 * const identity = configuredIdentity({ subject: 'alice' });
 * ```
 */
export function configuredIdentity(principal: ConfiguredPrincipal): Identity {
  const provider = principal.provider ?? 'configured';
  if (principal.subject === '' || provider === '' || provider.includes('#')) {
    throw new PortcullisError('config_invalid', 'a configured principal needs a subject, and a provider without `#`');
  }
  return sealIdentity({
    provider,
    issuer: provider,
    subject: principal.subject,
    sub: principal.subject,
    key: `${provider}#${principal.subject}`,
    tenantHint: principal.tenantHint,
    displayName: undefined,
    email: undefined,
    roles: [],
    scopes: principal.scopes ?? [],
    groups: { known: true, ids: [] },
    clientId: principal.clientId,
    kind: 'user',
    actors: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
    audience: principal.audience ?? 'stdio',
    claims: { sub: principal.subject },
  });
}

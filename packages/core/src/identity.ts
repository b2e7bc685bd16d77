import type { AttributeValue } from './attributes.js';

/** The groups of an identity: known, or unknown because the provider sent a pointer instead of the list. */
export type Groups =
  { readonly known: true; readonly ids: readonly string[] } | { readonly known: false; readonly reason: 'overage' };

/**
 * Who acts on whose behalf: the chain of `act` claims of a delegated token, the present actor first.
 *
 * @see RFC 8693, section 4.1
 */
export interface Actor {
  readonly issuer?: string;
  readonly subject: string;
}

/**
 * Who a *verified* token speaks for, in one shape for all identity providers. Made only by `@portcullis/claims`, and
 * deeply frozen. An identity is an authority on nothing but itself: what it may do is the PDP's to say.
 */
export interface Identity {
  /** The name of the configured issuer that vouched for it; bindings between providers and tenants use it. */
  readonly provider: string;
  /** The token's `iss`, verified. */
  readonly issuer: string;
  /** The stable subject within the provider: `sub`, or `oid` for Entra ID, `uid` for Okta. */
  readonly subject: string;
  /** `provider#subject`: unique over all providers, stable, the user id in memberships, policies and audit. */
  readonly key: string;
  /** The token's own `sub`. */
  readonly sub: string;
  /** What the token says of the tenant (`org_id`, `tid`, `custom:tenant_id` …): selects, never authorizes. */
  readonly tenantHint: string | undefined;
  /** For people to read; never a key. */
  readonly displayName: string | undefined;
  /** The e-mail address as the provider gives it: mutable, and never a key. It may route, as a hint. */
  readonly email: string | undefined;
  /** Roles that the provider assigned. Not the roles in a tenant, which are the membership's. */
  readonly roles: readonly string[];
  /** What the client was allowed to ask for. */
  readonly scopes: readonly string[];
  readonly groups: Groups;
  /** The client (the agent) that the token was issued to. */
  readonly clientId: string | undefined;
  /** A person, or a client acting for itself. */
  readonly kind: 'user' | 'client';
  /** The delegation chain of the token's `act` claim. */
  readonly actors: readonly Actor[];
  /** When the token ends, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /** The audience that was accepted: the one of this server. */
  readonly audience: string;
  /** All validated claims, deeply frozen. */
  readonly claims: Readonly<Record<string, AttributeValue>>;
}

/**
 * Turns a bearer token into an identity.
 *
 * @throws PortcullisError `token_missing`, `token_invalid` (with `rule`), `keys_unavailable`
 */
export interface IdentityVerifier {
  verify(token: string, options?: { readonly signal?: AbortSignal }): Promise<Identity>;
}

import {
  PortcullisError,
  isSealedIdentity,
  type AttributeValue,
  type Identity,
  type Principal,
} from '@portcullis/core';
import { isActing } from './acting.js';

/** What the roles of one identity provider's tokens make of a person. */
export interface OperatorProvider {
  /** From a role of the token to an operator's role, which begins with `operator_`. Others are dropped. */
  readonly roles: Readonly<Record<string, string>>;
}

/** The identity providers that vouch for operators, by `Identity.provider`. */
export type OperatorProviders = Readonly<Record<string, OperatorProvider>>;

const operatorRole = /^operator_[a-z][a-z0-9_]{0,63}$/;

/**
 * Refuses providers that could make an operator out of a tenant's user: none at all, or roles that a tenant has.
 *
 * @throws PortcullisError `config_invalid`
 */
export function requireProviders(providers: OperatorProviders): void {
  if (Object.keys(providers).length === 0)
    throw new PortcullisError('config_invalid', 'providers: at least one identity provider has to be named');
  for (const [provider, { roles }] of Object.entries(providers)) {
    for (const role of Object.values(roles)) {
      if (!operatorRole.test(role))
        throw new PortcullisError(
          'config_invalid',
          `providers.${provider}.roles: \`${role}\` has to begin with \`operator_\`, lower-case letters, digits or "_"`,
        );
    }
  }
}

/**
 * The principal that an operator is to policies: a kind of its own, with no tenant, so that every rule about a
 * tenant's members denies it. An identity of any other provider is none, whatever its roles say, and neither is one
 * that came out of an impersonated context.
 *
 * @returns `undefined` for whoever is no operator
 * @example
 * ```text
 * { id: "staff#olga", roles: ["operator_admin"],
 *   attr: { kind: "operator", provider: "staff", subject: "olga", issuer: "https://id.example/", identity_kind: "user",
 *           token_roles: ["Platform.Admin"], scopes: [], client: "console", groups: [], groups_known: true, actors: [] } }
 * ```
 */
export function operatorPrincipal(identity: Identity, providers: OperatorProviders): Principal | undefined {
  if (!isSealedIdentity(identity) || isActing(identity)) return undefined;
  const provider = Object.hasOwn(providers, identity.provider) ? providers[identity.provider] : undefined;
  if (provider === undefined) return undefined;
  const mapped = identity.roles.map((role) => (Object.hasOwn(provider.roles, role) ? provider.roles[role] : undefined));
  const roles = [...new Set(mapped.filter((role) => role !== undefined))];
  if (roles.length === 0) return undefined;
  const attr: Record<string, AttributeValue> = {
    kind: 'operator',
    provider: identity.provider,
    subject: identity.subject,
    issuer: identity.issuer,
    identity_kind: identity.kind,
    token_roles: identity.roles,
    scopes: identity.scopes,
    groups_known: identity.groups.known,
    actors: identity.actors.map((actor) => actor.subject),
  };
  if (identity.groups.known) attr['groups'] = identity.groups.ids;
  if (identity.clientId !== undefined) attr['client'] = identity.clientId;
  return { id: identity.key, roles, attr };
}

import type { Attributes, AttributeValue } from './attributes.js';
import type { Principal } from './decision.js';
import type { TenantContext } from './tenant.js';

/**
 * The principal that a tenant context puts before the PDP.
 *
 * Roles are those of the membership, never the token's; scopes are what the *client* may ask for, and travel as an
 * attribute of their own. Groups are absent, and `groups_known` is false, where the provider did not send them.
 *
 * @example
 * ```text
 * { id: "auth0#auth0|alice", roles: ["member"],
 *   attr: { tenant: "acme", plan: "pro", features: { beta: true }, scopes: ["docs:read"], client: "agent-1",
 *           issuer: "https://acme.eu.auth0.com/", provider: "auth0", subject: "auth0|alice", kind: "user",
 *           groups: [], groups_known: true, actors: [] } }
 * ```
 */
export function principalOf(context: TenantContext): Principal {
  const known = principals.get(context);
  if (known !== undefined) return known;
  const { identity, tenant, membership } = context;
  const attr: Record<string, AttributeValue> = {
    tenant: tenant.id,
    plan: tenant.plan,
    features: tenant.settings.features,
    scopes: identity.scopes,
    issuer: identity.issuer,
    provider: identity.provider,
    subject: identity.subject,
    kind: identity.kind,
    token_roles: identity.roles,
    groups_known: identity.groups.known,
    actors: identity.actors.map((actor) => actor.subject),
  };
  if (identity.groups.known) attr['groups'] = identity.groups.ids;
  if (identity.clientId !== undefined) attr['client'] = identity.clientId;
  if (tenant.settings.allowedTools !== undefined) attr['allowed_tools'] = tenant.settings.allowedTools;
  if (context.impersonation !== undefined) {
    const { kind, reason, grant } = context.impersonation;
    attr['impersonation'] = { kind, reason, grant };
  }
  const principal: Principal = { id: identity.key, roles: membership.roles, attr: attr satisfies Attributes };
  principals.set(context, principal);
  return principal;
}

const principals = new WeakMap<TenantContext, Principal>();

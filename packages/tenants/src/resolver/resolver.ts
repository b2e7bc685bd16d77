import {
  isSealedIdentity,
  PortcullisError,
  type Identity,
  type IdentityProviderBinding,
  type Membership,
  type Tenant,
  type TenantContext,
  type TenantQuery,
  type TenantResolver,
} from '@portcullis/core';
import { sealTenantContext } from '@portcullis/core/seal';
import { requireGoodStanding, type Registry } from '../registry/registry.js';
import { hintReader, type HintOptions, type Hints } from './hints.js';

/** How a tenant is found. */
export interface ResolverOptions extends HintOptions {
  readonly registry: Registry;
  /** Lets the domain of the e-mail address route a user of several tenants who names none. @defaultValue `false` */
  readonly emailDomain?: boolean | undefined;
}

/** A tenant that an identity may act in, and as what. */
interface Candidate {
  readonly tenant: Tenant;
  readonly membership: Membership;
}

/**
 * Finds the tenant that an identity acts in.
 *
 * What the token says, or the user's memberships where it says nothing, gives the candidates: tenants that are bound to
 * the identity's provider and that the user belongs to. What the caller says (subdomain, header) only selects among
 * them. Hints that disagree are an error and not a matter of precedence, and a hint for anything else than a candidate
 * is answered alike whether that tenant exists or not.
 *
 * @example
 * ```ts
 * import { memoryStore, registry, resolver } from '@portcullis/tenants';
 *
 * const tenants = resolver({ registry: registry({ store: memoryStore() }), baseDomains: ['app.example.com'] });
 * ```
 */
export function resolver(options: ResolverOptions): TenantResolver {
  const { registry } = options;
  const readHints = hintReader(options);

  async function resolve(query: TenantQuery): Promise<TenantContext> {
    const { identity, requestId } = query;
    if (!isSealedIdentity(identity)) throw new TypeError('the identity was not made by a verifier');
    const hints = readHints(query);
    requireAgreement(hints);
    const hint = hints.header ?? hints.subdomain;
    const { tenant, membership } =
      identity.tenantHint === undefined
        ? await ofMemberships(identity, hint)
        : await ofToken(identity, identity.tenantHint, hint);
    requireGoodStanding(tenant, registry.clock());
    return sealTenantContext({ identity, tenant, membership, requestId });
  }

  /** The token names the tenant: it is the one bound to exactly that name at that provider. */
  async function ofToken(identity: Identity, tenantHint: string, hint: string | undefined): Promise<Candidate> {
    const tenants = await registry.tenantsByProvider(identity.provider, tenantHint);
    const [tenant] = tenants;
    if (tenant === undefined)
      throw new PortcullisError('tenant_unknown', undefined, {
        detail: `no tenant is bound to ${identity.provider} ${tenantHint.slice(0, 200)}`,
      });
    if (tenants.length > 1)
      throw new PortcullisError('tenant_mismatch', undefined, {
        detail: 'several tenants are bound to the token’s tenant',
      });
    const binding = bindingFor(tenant, identity);
    const membership = binding === undefined ? undefined : await membershipIn(tenant, binding, identity);
    if (membership === undefined) throw new PortcullisError('not_a_member');
    if (hint !== undefined && !names(hint, tenant)) {
      throw new PortcullisError('tenant_mismatch', undefined, {
        detail: `the token speaks for ${tenant.id}, the request names ${hint}`,
      });
    }
    return { tenant, membership };
  }

  /** The token names none: the user's memberships decide, in tenants that take users of that provider without a name. */
  async function ofMemberships(identity: Identity, hint: string | undefined): Promise<Candidate> {
    const candidates = await candidatesOf(identity);
    if (hint !== undefined) {
      const named = candidates.find(({ tenant }) => names(hint, tenant));
      if (named === undefined) throw new PortcullisError('not_a_member');
      return named;
    }
    const [only] = candidates;
    if (only === undefined) throw new PortcullisError('not_a_member');
    if (candidates.length === 1) return only;
    const routed = options.emailDomain === true ? byEmailDomain(identity, candidates) : undefined;
    if (routed !== undefined) return routed;
    throw new PortcullisError('tenant_required', undefined, {
      data: { tenants: candidates.map(({ tenant }) => tenant.id) },
    });
  }

  async function candidatesOf(identity: Identity): Promise<readonly Candidate[]> {
    const memberships = await registry.userMemberships(identity.key);
    const found = await Promise.all(
      memberships.map(async (membership): Promise<Candidate | undefined> => {
        const tenant = await registry.tenant(membership.tenantId);
        return tenant !== undefined && bindingFor(tenant, identity) !== undefined ? { tenant, membership } : undefined;
      }),
    );
    const candidates = found.filter((candidate) => candidate !== undefined);
    const known = new Set(candidates.map(({ tenant }) => tenant.id));
    for (const { tenant, binding } of openTo(
      identity.provider,
      await registry.tenantsByProvider(identity.provider, undefined),
    )) {
      if (known.has(tenant.id)) continue;
      const membership = await membershipIn(tenant, binding, identity);
      if (membership !== undefined) candidates.push({ tenant, membership });
    }
    return candidates;
  }

  async function membershipIn(
    tenant: Tenant,
    binding: IdentityProviderBinding,
    identity: Identity,
  ): Promise<Membership | undefined> {
    const stored = await registry.membership(tenant.id, identity.key);
    if (stored !== undefined || binding.membership !== 'token') return stored;
    const mapped = identity.roles.map((role) =>
      binding.roles !== undefined && Object.hasOwn(binding.roles, role) ? binding.roles[role] : undefined,
    );
    return {
      tenantId: tenant.id,
      userId: identity.key,
      roles: [...new Set(mapped.filter((role) => role !== undefined))],
      joinedAt: registry.clock(),
      version: 0,
    };
  }

  return {
    resolve,
    async recheck({ identity, tenant: { id }, requestId }) {
      const tenant = await registry.tenant(id);
      if (tenant === undefined) throw new PortcullisError('tenant_unknown');
      const binding = bindingFor(tenant, identity);
      if (binding === undefined)
        throw new PortcullisError('tenant_mismatch', undefined, {
          detail: 'the provider is no longer bound to the tenant',
        });
      const membership = await membershipIn(tenant, binding, identity);
      if (membership === undefined) throw new PortcullisError('not_a_member');
      requireGoodStanding(tenant, registry.clock());
      // At the end: an answer that may still be sent after the token's end may not be after the tenant's.
      if (registry.clock() >= identity.expiresAt)
        throw new PortcullisError('token_invalid', 'the token has expired', { data: { rule: 'expired' } });
      return sealTenantContext({ identity, tenant, membership, requestId });
    },
  };
}

/** Of the tenants bound to a provider without a name, those that take in whoever the provider vouches for. */
function openTo(
  provider: string,
  tenants: readonly Tenant[],
): readonly { readonly tenant: Tenant; readonly binding: IdentityProviderBinding }[] {
  const known = open.get(tenants);
  if (known !== undefined) return known;
  const found = tenants.flatMap((tenant) => {
    const binding = tenant.settings.identityProviders.find(
      (candidate) => candidate.provider === provider && candidate.tenantHint === undefined,
    );
    return binding?.membership === 'token' ? [{ tenant, binding }] : [];
  });
  open.set(tenants, found);
  return found;
}

/** By the registry's answer, which is kept for a while: thousands of tenants may share a provider, and few are open. */
const open = new WeakMap<readonly Tenant[], ReturnType<typeof openTo>>();

/** The binding by which an identity may speak for a tenant: same provider, same tenant hint, absence included. */
function bindingFor(tenant: Tenant, identity: Identity): IdentityProviderBinding | undefined {
  return tenant.settings.identityProviders.find(
    ({ provider, tenantHint }) => provider === identity.provider && tenantHint === identity.tenantHint,
  );
}

function requireAgreement({ subdomain, header }: Hints): void {
  if (subdomain !== undefined && header !== undefined && header.toLowerCase() !== subdomain) {
    throw new PortcullisError('tenant_mismatch', undefined, {
      detail: 'the subdomain and the header name different tenants',
    });
  }
}

/** A subdomain is in lower case whatever the id is; a header has to say the id itself. */
function names(hint: string, tenant: Tenant): boolean {
  return hint === tenant.id;
}

/** Routes by the domain of an address that the provider vouched for; never by more than the user's own tenants. */
function byEmailDomain(identity: Identity, candidates: readonly Candidate[]): Candidate | undefined {
  const domain = identity.email?.split('@').at(-1)?.toLowerCase();
  const matching = domain === undefined ? [] : candidates.filter(({ tenant }) => tenant.domains.includes(domain));
  return matching.length === 1 ? matching[0] : undefined;
}

import { tenantId, type Identity, type Tenant, type TenantContext } from '@portcullis/core';
import { sealIdentity, sealTenantContext } from '@portcullis/core/seal';

/** What a test wants of an identity. */
export type IdentityFixture = Partial<Identity> & { readonly subject?: string };

/** A sealed identity for tests. */
export function identityFor(fixture: IdentityFixture = {}): Identity {
  const subject = fixture.subject ?? 'alice';
  const provider = fixture.provider ?? 'test';
  return sealIdentity({
    provider,
    issuer: 'https://issuer.example/',
    subject,
    sub: subject,
    key: `${provider}#${subject}`,
    tenantHint: undefined,
    displayName: undefined,
    email: undefined,
    roles: [],
    scopes: [],
    groups: { known: true, ids: [] },
    clientId: 'test-client',
    kind: 'user',
    actors: [],
    expiresAt: Date.now() + 3_600_000,
    audience: 'https://mcp.example.com/mcp',
    claims: { sub: subject },
    ...fixture,
  });
}

/** What a test wants of a context. */
export interface ContextFixture extends IdentityFixture {
  readonly tenant?: string;
  readonly memberRoles?: readonly string[];
  readonly plan?: string;
  readonly settings?: Partial<Tenant['settings']>;
  readonly requestId?: string;
}

/** A sealed tenant context for tests. */
export function contextFor(fixture: ContextFixture = {}): TenantContext {
  const {
    tenant: id = 'acme',
    memberRoles = ['member'],
    plan = 'pro',
    settings,
    requestId = 'request-1',
    ...identity
  } = fixture;
  const sealed = identityFor(identity);
  const tenant: Tenant = {
    id: tenantId(id),
    name: id,
    domains: [],
    status: { state: 'active' },
    plan,
    settings: {
      features: {},
      limits: {},
      quotas: {},
      isolation: 'prefix',
      identityProviders: [{ provider: sealed.provider }],
      ...settings,
    },
    createdAt: 0,
    updatedAt: 0,
  };
  return sealTenantContext({
    identity: sealed,
    tenant,
    membership: { tenantId: tenant.id, userId: sealed.key, roles: [...memberRoles], joinedAt: 0 },
    requestId,
  });
}

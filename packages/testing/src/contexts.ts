import { tenantId, type Identity, type OperatorContext, type Tenant, type TenantContext } from '@portcullis/core';
import { sealIdentity, sealOperatorContext, sealTenantContext } from '@portcullis/core/seal';

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
    version: 1,
  };
  return sealTenantContext({
    identity: sealed,
    tenant,
    membership: { tenantId: tenant.id, userId: sealed.key, roles: [...memberRoles], joinedAt: 0, version: 1 },
    requestId,
  });
}

/** What a test wants of an operator's context. */
export interface OperatorFixture extends IdentityFixture {
  /** @defaultValue all */
  readonly tenants?: readonly string[];
  /** What it was decided for. @defaultValue it does not say */
  readonly action?: string;
  readonly reason?: string;
  /** In milliseconds since the Unix epoch. @defaultValue in an hour */
  readonly expiresAt?: number;
  readonly requestId?: string;
}

/** A sealed operator context for tests. */
export function operatorFor(fixture: OperatorFixture = {}): OperatorContext {
  const { tenants, reason = 'a test', expiresAt = Date.now() + 3_600_000, requestId = 'request-1' } = fixture;
  return sealOperatorContext({
    kind: 'operator',
    identity: identityFor({ subject: fixture.subject ?? 'operator', provider: fixture.provider ?? 'test' }),
    reason,
    tenants: tenants?.map((id) => tenantId(id)) ?? 'all',
    expiresAt,
    ...(fixture.action === undefined ? {} : { action: fixture.action }),
    requestId,
  });
}

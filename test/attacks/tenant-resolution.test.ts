import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isSealedTenantContext, PortcullisError, tenantId, type Identity, type TenantQuery } from '@portcullis/core';
import { memoryStore, registry, resolver, type Registry, type ResolverOptions } from '@portcullis/tenants';
import { identityFor } from '@portcullis/testing/contexts';

let now = Date.now();
let tenants: Registry;

beforeAll(async () => {
  tenants = registry({ store: memoryStore({ clock: () => now }), clock: () => now });
  const { store } = tenants;
  const shared = { provider: 'shared' };
  const make = async (id: string, more: object = {}): Promise<void> => {
    await store.createTenant({
      id: tenantId(id),
      name: id,
      domains: [`${id}.example`],
      settings: { identityProviders: [shared, { provider: 'org', tenantHint: `org_${id}` }] },
      ...more,
    });
  };
  await make('acme');
  await make('globex');
  await make('initech');
  await make('frozen', { status: { state: 'suspended' } });
  await make('trial', { status: { state: 'trial', expiresAt: now + 60_000 } });
  await store.createTenant({
    id: tenantId('jit'),
    name: 'jit',
    settings: { identityProviders: [{ provider: 'corp', membership: 'token', roles: { Admins: 'admin' } }] },
  });
  await store.createTenant({ id: tenantId('unbound'), name: 'unbound' });
  await store.putMember(tenantId('acme'), 'shared#alice', ['member']);
  await store.putMember(tenantId('acme'), 'org#alice', ['member']);
  await store.putMember(tenantId('frozen'), 'org#alice', ['member']);
  await store.putMember(tenantId('trial'), 'org#alice', ['member']);
  await store.putMember(tenantId('frozen'), 'shared#frieda', ['member']);
  for (const id of ['acme', 'globex']) await store.putMember(tenantId(id), 'shared#both', ['member']);
  await store.putMember(tenantId('unbound'), 'shared#loner', ['owner']);
  await store.putMember(tenantId('acme'), 'other#alice', ['owner']);
});

const shared = (subject: string, more: Partial<Identity> = {}): Identity =>
  identityFor({ provider: 'shared', subject, ...more });
const org = (tenantHint: string, subject = 'alice'): Identity => identityFor({ provider: 'org', subject, tenantHint });

interface Request {
  readonly identity: Identity;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly peerAddress?: string;
}

const subdomains = { baseDomains: ['app.example.com'] };
const behindProxy = { ...subdomains, trustedProxies: ['10.0.0.0/8', '::1'] };

async function resolve(request: Request, options: Omit<ResolverOptions, 'registry'> = {}): Promise<string> {
  const query: TenantQuery = {
    identity: request.identity,
    requestId: 'r',
    host: request.host,
    peerAddress: request.peerAddress,
    header: (name) => request.headers?.[name],
  };
  try {
    const context = await resolver({ registry: tenants, ...options }).resolve(query);
    expect(isSealedTenantContext(context)).toBe(true);
    return context.tenant.id;
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    return error.code;
  }
}

const header = (value: string): Readonly<Record<string, string>> => ({ 'x-tenant-id': value });

describe('requests that are as they should be', () => {
  it.each<readonly [string, Request, Omit<ResolverOptions, 'registry'>, string]>([
    ['the only tenant of the user', { identity: shared('alice') }, {}, 'acme'],
    ['the token’s tenant', { identity: org('org_acme') }, {}, 'acme'],
    ['the header, for a user of two', { identity: shared('both'), headers: header('globex') }, {}, 'globex'],
    [
      'the subdomain, for a user of two',
      { identity: shared('both'), host: 'globex.app.example.com' },
      subdomains,
      'globex',
    ],
    [
      'the subdomain in capitals, with a port and a dot',
      { identity: shared('both'), host: 'GLOBEX.App.Example.COM.:8443' },
      subdomains,
      'globex',
    ],
    [
      'subdomain and header that agree',
      { identity: shared('both'), host: 'globex.app.example.com', headers: header('globex') },
      subdomains,
      'globex',
    ],
    ['a header that agrees with the token', { identity: org('org_acme'), headers: header('acme') }, {}, 'acme'],
    [
      'the base domain, which names no tenant',
      { identity: shared('alice'), host: 'app.example.com' },
      subdomains,
      'acme',
    ],
    [
      'the host that a trusted proxy passes on',
      {
        identity: shared('both'),
        host: 'internal',
        headers: { 'x-forwarded-host': 'globex.app.example.com' },
        peerAddress: '10.1.2.3',
      },
      behindProxy,
      'globex',
    ],
    [
      'a trusted IPv4 proxy on a dual-stack socket',
      {
        identity: shared('both'),
        host: 'internal',
        headers: { 'x-forwarded-host': 'acme.app.example.com' },
        peerAddress: '::ffff:10.1.2.3',
      },
      behindProxy,
      'acme',
    ],
    [
      'the host of a Forwarded header',
      {
        identity: shared('both'),
        host: 'internal',
        headers: { forwarded: 'for=1.2.3.4;host="globex.app.example.com";proto=https' },
        peerAddress: '::1',
      },
      { ...behindProxy, forwardedHost: 'forwarded' },
      'globex',
    ],
    [
      'the e-mail domain, where it may route',
      { identity: shared('both', { email: 'b@globex.example' }) },
      { emailDomain: true },
      'globex',
    ],
    [
      'a member by the provider’s word',
      { identity: identityFor({ provider: 'corp', subject: 'new', roles: ['Admins', 'Other'] }) },
      {},
      'jit',
    ],
    ['a trial that is still on', { identity: org('org_trial') }, {}, 'trial'],
  ])('%s', async (_name, request, options, expected) => {
    expect(await resolve(request, options)).toBe(expected);
  });

  it('maps the roles of a member by the provider’s word, and drops the others', async () => {
    const identity = identityFor({ provider: 'corp', subject: 'new', roles: ['Admins', 'owner', 'constructor'] });
    expect((await resolver({ registry: tenants }).resolve({ identity, requestId: 'r' })).membership.roles).toEqual([
      'admin',
    ]);
  });
});

describe('hostile requests', () => {
  it.each<readonly [string, Request, Omit<ResolverOptions, 'registry'>, string]>([
    [
      'a header that names another tenant',
      { identity: shared('alice'), headers: header('globex') },
      {},
      'not_a_member',
    ],
    [
      'a header that names no tenant at all is answered alike',
      { identity: shared('alice'), headers: header('nosuch') },
      {},
      'not_a_member',
    ],
    [
      'a subdomain of another tenant',
      { identity: shared('alice'), host: 'globex.app.example.com' },
      subdomains,
      'not_a_member',
    ],
    [
      'a subdomain of nobody is answered alike',
      { identity: shared('alice'), host: 'nosuch.app.example.com' },
      subdomains,
      'not_a_member',
    ],
    ['a header against the token', { identity: org('org_acme'), headers: header('globex') }, {}, 'tenant_mismatch'],
    [
      'a subdomain against the token',
      { identity: org('org_acme'), host: 'globex.app.example.com' },
      subdomains,
      'tenant_mismatch',
    ],
    [
      'a subdomain against the header',
      { identity: shared('both'), host: 'acme.app.example.com', headers: header('globex') },
      subdomains,
      'tenant_mismatch',
    ],
    ['an organization that nobody registered', { identity: org('org_nosuch') }, {}, 'tenant_unknown'],
    ['an organization whose name only begins like one', { identity: org('org_acme2') }, {}, 'tenant_unknown'],
    ['our own id in place of the provider’s', { identity: org('acme') }, {}, 'tenant_unknown'],
    ['a registered organization without membership', { identity: org('org_globex') }, {}, 'not_a_member'],
    [
      'another provider’s hint',
      { identity: identityFor({ provider: 'shared', subject: 'alice', tenantHint: 'org_acme' }) },
      {},
      'tenant_unknown',
    ],
    [
      'a provider that is bound to nothing, though the user is a member',
      { identity: identityFor({ provider: 'other', subject: 'alice' }) },
      {},
      'not_a_member',
    ],
    [
      'a provider that needs a hint, without one',
      { identity: identityFor({ provider: 'org', subject: 'alice' }) },
      {},
      'not_a_member',
    ],
    ['a member of a tenant that has no provider', { identity: shared('loner') }, {}, 'not_a_member'],
    ['a user of two tenants who names none', { identity: shared('both') }, {}, 'tenant_required'],
    [
      'a user of two whose e-mail domain may not route',
      { identity: shared('both', { email: 'b@globex.example' }) },
      {},
      'tenant_required',
    ],
    [
      'an e-mail domain of a tenant that is not the user’s',
      { identity: shared('both', { email: 'b@initech.example' }) },
      { emailDomain: true },
      'tenant_required',
    ],
    [
      'an e-mail domain never adds a tenant',
      { identity: shared('nobody', { email: 'x@acme.example' }) },
      { emailDomain: true },
      'not_a_member',
    ],
    [
      'an e-mail address with two at signs',
      { identity: shared('both', { email: 'x@acme.example@evil.example' }) },
      { emailDomain: true },
      'tenant_required',
    ],
    ['a suspended tenant', { identity: org('org_frozen') }, {}, 'tenant_suspended'],
    ['a suspended tenant is told to no outsider', { identity: org('org_frozen', 'outsider') }, {}, 'not_a_member'],
    ['two tenants in one header', { identity: shared('both'), headers: header('acme, globex') }, {}, 'request_invalid'],
    ['an empty header', { identity: shared('both'), headers: header('') }, {}, 'request_invalid'],
    ['a header of spaces', { identity: shared('both'), headers: header(' acme') }, {}, 'request_invalid'],
    ['a path in the header', { identity: shared('both'), headers: header('../acme') }, {}, 'request_invalid'],
    ['a NUL in the header', { identity: shared('both'), headers: header('acme\u0000') }, {}, 'request_invalid'],
    ['a header without end', { identity: shared('both'), headers: header('a'.repeat(10_000)) }, {}, 'request_invalid'],
    ['capitals in the header', { identity: shared('both'), headers: header('ACME') }, {}, 'not_a_member'],
    [
      'a host that only ends like ours',
      { identity: shared('alice'), host: 'acme.evilapp.example.com' },
      subdomains,
      'host_refused',
    ],
    [
      'a host that ends like ours without a dot',
      { identity: shared('alice'), host: 'evilapp.example.com' },
      subdomains,
      'host_refused',
    ],
    [
      'a host that begins like ours',
      { identity: shared('alice'), host: 'acme.app.example.com.evil.com' },
      subdomains,
      'host_refused',
    ],
    [
      'a host two labels deep',
      { identity: shared('both'), host: 'acme.globex.app.example.com' },
      subdomains,
      'host_refused',
    ],
    [
      'a host with a user in it',
      { identity: shared('both'), host: 'acme@globex.app.example.com' },
      subdomains,
      'host_refused',
    ],
    [
      'a host with an underscore',
      { identity: shared('both'), host: 'ac_me.app.example.com' },
      subdomains,
      'host_refused',
    ],
    ['an address as the host', { identity: shared('alice'), host: '[::1]:80' }, subdomains, 'host_refused'],
    ['no host', { identity: shared('alice') }, subdomains, 'host_refused'],
    [
      'two hosts',
      { identity: shared('both'), host: 'acme.app.example.com, globex.app.example.com' },
      subdomains,
      'request_invalid',
    ],
    [
      'a forwarded host from a stranger',
      {
        identity: shared('alice'),
        host: 'globex.app.example.com',
        headers: { 'x-forwarded-host': 'acme.app.example.com' },
        peerAddress: '203.0.113.9',
      },
      behindProxy,
      'not_a_member',
    ],
    [
      'a forwarded host where no proxy is trusted',
      {
        identity: shared('alice'),
        host: 'globex.app.example.com',
        headers: { 'x-forwarded-host': 'acme.app.example.com' },
        peerAddress: '10.0.0.1',
      },
      subdomains,
      'not_a_member',
    ],
    [
      'two forwarded hosts',
      {
        identity: shared('both'),
        host: 'x',
        headers: { 'x-forwarded-host': 'acme.app.example.com, globex.app.example.com' },
        peerAddress: '10.0.0.1',
      },
      behindProxy,
      'request_invalid',
    ],
    [
      'two hosts in one Forwarded element',
      {
        identity: shared('both'),
        host: 'x',
        headers: { forwarded: 'host=acme.app.example.com;host=globex.app.example.com' },
        peerAddress: '10.0.0.1',
      },
      { ...behindProxy, forwardedHost: 'forwarded' },
      'request_invalid',
    ],
  ])('%s', async (_name, request, options, expected) => {
    expect(await resolve(request, options)).toBe(expected);
  });

  it('answers alike for a tenant that exists and one that does not', async () => {
    const answer = async (id: string): Promise<unknown> => {
      try {
        await resolver({ registry: tenants }).resolve({ identity: shared('alice'), requestId: 'r', header: () => id });
        return 'resolved';
      } catch (error) {
        return error instanceof PortcullisError ? { ...error.toPublic(), detail: error.detail } : error;
      }
    };
    expect(await answer('globex')).toEqual(await answer('nosuch'));
  });

  it('refuses a trial that has ended, though its record is cached', async () => {
    expect(await resolve({ identity: org('org_trial') })).toBe('trial');
    now += 60_000;
    expect(await resolve({ identity: org('org_trial') })).toBe('tenant_expired');
    now -= 60_000;
  });

  it('refuses an identity that nobody verified', async () => {
    const forged = { ...shared('alice') };
    await expect(resolver({ registry: tenants }).resolve({ identity: forged, requestId: 'r' })).rejects.toThrow(
      'the identity was not made by a verifier',
    );
  });

  it('refuses a token whose tenant two customers claim, should a store ever say so', async () => {
    const store = memoryStore();
    const claimed = (id: string, tenantHint: string) => ({
      id: tenantId(id),
      name: id,
      settings: { identityProviders: [{ provider: 'org', tenantHint, membership: 'token' as const }] },
    });
    const both = [
      await store.createTenant(claimed('one', 'org_both')),
      await store.createTenant(claimed('two', 'org_other')),
    ];
    await expect(store.createTenant(claimed('three', 'org_both'))).rejects.toMatchObject({ code: 'conflict' });
    const confused = { ...store, getTenantsByProvider: () => Promise.resolve(both) };
    await expect(
      resolver({ registry: registry({ store: confused }) }).resolve({ identity: org('org_both'), requestId: 'r' }),
    ).rejects.toMatchObject({ code: 'tenant_mismatch' });
  });

  it('finds on recheck that a tenant is gone', async () => {
    const { store } = tenants;
    await store.createTenant({
      id: tenantId('gone'),
      name: 'gone',
      settings: { identityProviders: [{ provider: 'gone' }] },
    });
    await store.putMember(tenantId('gone'), 'gone#g', ['member']);
    const one = resolver({ registry: tenants });
    const context = await one.resolve({ identity: identityFor({ provider: 'gone', subject: 'g' }), requestId: 'r' });
    await store.deleteTenant(tenantId('gone'));
    await expect(one.recheck(context)).rejects.toMatchObject({ code: 'tenant_unknown' });
  });

  it.each(['acme.app.example.com:1234567', 'acme.app.example.com:x', 'acme.app.example.com/x', 'a b.app.example.com'])(
    'refuses the host `%s`',
    async (host) => {
      expect(await resolve({ identity: shared('alice'), host }, subdomains)).toBe('host_refused');
    },
  );

  it('refuses a proxy that is no address', () => {
    expect(() => resolver({ registry: tenants, trustedProxies: ['proxy.internal'] })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });

  it('looks again on recheck: suspension, membership, binding, expiry', async () => {
    const { store } = tenants;
    await store.createTenant({
      id: tenantId('late'),
      name: 'late',
      settings: { identityProviders: [{ provider: 'late' }] },
    });
    await store.putMember(tenantId('late'), 'late#l', ['member']);
    const one = resolver({ registry: tenants });
    const context = await one.resolve({ identity: identityFor({ provider: 'late', subject: 'l' }), requestId: 'r' });
    expect((await one.recheck(context)).tenant.id).toBe('late');
    await store.updateTenant(tenantId('late'), { status: { state: 'suspended' } });
    await expect(one.recheck(context)).rejects.toMatchObject({ code: 'tenant_suspended' });
    await store.updateTenant(tenantId('late'), { status: { state: 'active' }, settings: { identityProviders: [] } });
    await expect(one.recheck(context)).rejects.toMatchObject({ code: 'tenant_mismatch' });
    await store.updateTenant(tenantId('late'), { settings: { identityProviders: [{ provider: 'late' }] } });
    await store.removeMember(tenantId('late'), 'late#l');
    await expect(one.recheck(context)).rejects.toMatchObject({ code: 'not_a_member' });
    const expired = await one.resolve({
      identity: identityFor({ provider: 'shared', subject: 'alice', expiresAt: now + 1000 }),
      requestId: 'r',
    });
    now += 1000;
    await expect(one.recheck(expired)).rejects.toMatchObject({ code: 'token_invalid' });
    now -= 1000;
  });

  it('resolves, whatever the hints, only to a tenant that the identity belongs to', async () => {
    const own: Readonly<Record<string, readonly string[]>> = {
      alice: ['acme'],
      both: ['acme', 'globex'],
      frieda: [],
      nobody: [],
    };
    const hint = fc.oneof(
      fc.constantFrom('acme', 'globex', 'frozen', 'ACME', '', 'acme ', 'acme,globex', '__proto__'),
      fc.string({ maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(own)),
        fc.option(hint),
        fc.option(hint),
        fc.option(hint),
        async (subject, tenantHeader, label, email) => {
          const outcome = await resolve(
            {
              identity: shared(subject, email === null ? {} : { email: `x@${email}.example` }),
              host: label === null ? 'app.example.com' : `${label}.app.example.com`,
              ...(tenantHeader === null ? {} : { headers: header(tenantHeader) }),
            },
            { ...subdomains, emailDomain: true },
          );
          expect([
            ...(own[subject] ?? []),
            'not_a_member',
            'tenant_required',
            'tenant_mismatch',
            'tenant_suspended',
            'request_invalid',
            'host_refused',
          ]).toContain(outcome);
        },
      ),
      { numRuns: 500 },
    );
  });
});

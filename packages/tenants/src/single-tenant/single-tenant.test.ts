import { describe, expect, it } from 'vitest';
import { isSealedTenantContext, PortcullisError, principalOf, type TenantQuery } from '@portcullis/core';
import { contextFor, identityFor, type IdentityFixture } from '@portcullis/testing/contexts';
import { registry } from '../registry/registry.js';
import { resolver } from '../resolver/resolver.js';
import { memoryStore } from '../store/memory.js';
import { singleTenant, systemTenant } from './single-tenant.js';
import { tenancy } from './tenancy.js';

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

const query = (more: Partial<TenantQuery> = {}, identity: IdentityFixture = {}): TenantQuery => ({
  identity: identityFor(identity),
  requestId: 'r-1',
  header: () => undefined,
  ...more,
});
const sends =
  (value: string) =>
  (name: string): string | undefined =>
    name === 'x-tenant-id' ? value : undefined;

describe('a server with one tenant', () => {
  it.each<readonly [string, Partial<TenantQuery>, IdentityFixture]>([
    ['says nothing of a tenant', {}, {}],
    ['has an organization in its token', {}, { tenantHint: 'org_1' }],
    ['comes by any host', { host: 'acme.mcp.example.com' }, {}],
    ['is of another provider', {}, { provider: 'entra' }],
    ['names the tenant', { header: sends('system') }, {}],
  ])('takes a client that %s', async (_name, more, identity) => {
    const context = await singleTenant().resolve(query(more, identity));
    expect(isSealedTenantContext(context)).toBe(true);
    expect(context).toMatchObject({
      tenant: { id: 'system' },
      membership: { roles: ['readonly'], tenantId: 'system' },
    });
    expect(principalOf(context)).toMatchObject({ roles: ['readonly'], attr: { tenant: 'system' } });
  });

  it('refuses a client that means another tenant, and an identity that nobody verified', async () => {
    const one = singleTenant();
    for (const name of ['acme', '', 'System', 'system,acme'])
      expect(await codeOf(one.resolve(query({ header: sends(name) })))).toBe('tenant_mismatch');
    expect(await codeOf(singleTenant({ header: false }).resolve(query({ header: sends('acme') })))).toBe('done');
    await expect(one.resolve({ ...query(), identity: { ...identityFor() } })).rejects.toThrow(TypeError);
  });

  it('gives the roles that it was told, and the least to everybody else', async () => {
    const rolesOf = async (options: Parameters<typeof singleTenant>[0], identity: IdentityFixture): Promise<unknown> =>
      (await singleTenant(options).resolve(query({}, identity))).membership.roles;
    const roles = { 'test#alice': ['owner', 'owner'], 'test#idle': [] };
    expect(await rolesOf({ roles }, {})).toEqual(['owner']);
    expect(await rolesOf({ roles }, { subject: 'bob' })).toEqual(['readonly']);
    expect(await rolesOf({ roles, otherwise: ['member'] }, { subject: 'bob' })).toEqual(['member']);
    expect(await rolesOf({ roles }, { subject: 'idle' })).toEqual([]);
    expect(await rolesOf({ roles }, { subject: 'x', key: 'toString' })).toEqual(['readonly']);
    // What the token calls roles is nothing by itself.
    expect(await rolesOf({}, { roles: ['owner'] })).toEqual(['readonly']);
    const mapped = ({ roles: claimed }: { roles: readonly string[] }): readonly string[] =>
      claimed.includes('Admin') ? ['admin'] : ['member'];
    expect(await rolesOf({ roles: mapped }, { roles: ['Admin'] })).toEqual(['admin']);
  });

  it('lets in nobody whom its function does not know, and nobody while the function is wrong', async () => {
    const withRoles = (roles: unknown): Promise<string> =>
      codeOf(singleTenant({ roles: (() => roles) as never }).resolve(query()));
    expect(await withRoles(undefined)).toBe('not_a_member');
    expect(await withRoles(Promise.resolve(undefined))).toBe('not_a_member');
    expect(await withRoles('owner')).toBe('config_invalid');
    expect(await withRoles(['a b'])).toBe('config_invalid');
    expect(await withRoles(null)).toBe('config_invalid');
    expect(() => singleTenant({ otherwise: 'owner' as never })).toThrow('otherwise');
    expect(() => singleTenant({ roles: { 'test#alice': 'owner' as never } })).toThrow('roles');
  });

  it('looks again: at the token’s end, at the roles, and at nothing of another tenant', async () => {
    let now = Date.now();
    let roles: readonly string[] | undefined = ['member'];
    const one = singleTenant({ roles: () => roles, clock: () => now });
    const context = await one.resolve(query());
    roles = ['readonly'];
    expect((await one.recheck(context)).membership.roles).toEqual(['readonly']);
    expect(await codeOf(one.recheck(contextFor({ tenant: 'acme' })))).toBe('tenant_mismatch');
    roles = undefined;
    expect(await codeOf(one.recheck(context))).toBe('not_a_member');
    now = context.identity.expiresAt;
    expect(await codeOf(one.recheck(context))).toBe('token_invalid');
  });

  it('takes its tenant and its members from a store where it has one', async () => {
    const store = memoryStore();
    const one = singleTenant({
      registry: registry({ store, maxAgeMs: 0, negativeMaxAgeMs: 0 }),
      otherwise: ['member'],
    });
    expect(await codeOf(one.resolve(query()))).toBe('tenant_unknown');
    await store.createTenant({ id: systemTenant, name: 'Us', plan: 'pro' });
    await store.putMember(systemTenant, 'test#alice', ['owner']);
    expect(await one.resolve(query())).toMatchObject({ tenant: { plan: 'pro' }, membership: { roles: ['owner'] } });
    expect((await one.resolve(query({}, { subject: 'bob' }))).membership).toMatchObject({
      roles: ['member'],
      version: 0,
    });
    await store.updateTenant(systemTenant, { status: { state: 'suspended' } });
    expect(await codeOf(one.resolve(query()))).toBe('tenant_suspended');
  });

  it('has the plan, the limits and the tools that it was given', async () => {
    const settings = { allowedTools: ['whoami'], limits: { requestsPerMinute: 60 } };
    const { tenant } = await singleTenant({ tenant: { plan: 'pro', settings } }).resolve(query());
    expect(tenant).toMatchObject({ plan: 'pro', settings, domains: [] });
  });
});

describe('the choice between one tenant and many', () => {
  const choose = (mode: string | undefined): string => {
    let made = '';
    tenancy({
      mode,
      single: () => ((made += 'one'), singleTenant()),
      multi: () => ((made += 'many'), resolver({ registry: registry({ store: memoryStore() }) })),
    });
    return made;
  };

  it('is one unless it says `enabled`, and makes only what is chosen', () => {
    expect([choose(undefined), choose(''), choose('enabled')]).toEqual(['one', 'one', 'many']);
  });

  it.each(['Enabled', 'enabled ', 'true', '1', 'on', 'disabled', 'false', 'constructor'])(
    'is an error where it says `%s`',
    (mode) => {
      expect(() => choose(mode)).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
    },
  );
});

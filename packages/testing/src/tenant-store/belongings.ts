import { beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type TenantRole } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import { acme, codeOf, globex, invitationTo, tenantNamed, type MakeReplicas } from './replicas.js';

const nobody = tenantId('nobody');
const anHourAgo = 1000;

const roleOf = (tenant: typeof acme, roleId: string, more: Partial<TenantRole> = {}): Omit<TenantRole, 'version'> => ({
  tenantId: tenant,
  roleId,
  name: `The ${roleId}`,
  parentRoles: ['member'],
  permissions: [{ resource: 'document', action: 'read', conditions: { state: { in: ['open', 'a"b\\'] } } }],
  ...more,
});

/** What has to hold for all that belongs to a tenant: members, roles, invitations, domain claims. */
export function belongingsContract(make: MakeReplicas): void {
  let store: TenantStore;
  let other: TenantStore;

  beforeEach(async () => {
    ({ one: store, two: other } = await make());
    await store.createTenant(tenantNamed(acme));
    await store.createTenant(tenantNamed(globex));
  });

  describe('members', () => {
    it('are added once, changed from a version, and removed', async () => {
      const added = await store.addMember(acme, 'u', ['member', 'member']);
      expect(added).toMatchObject({ tenantId: 'acme', userId: 'u', roles: ['member'], version: 1 });
      expect(await codeOf(other.addMember(acme, 'u', ['owner']))).toBe('conflict');
      expect(await codeOf(other.changeMember(acme, 'u', ['admin'], { ifVersion: 2 }))).toBe('precondition_failed');
      expect(await other.changeMember(acme, 'u', ['admin'], { ifVersion: 1 })).toEqual({
        ...added,
        roles: ['admin'],
        version: 2,
      });
      expect(await codeOf(store.removeMember(acme, 'u', { ifVersion: 1 }))).toBe('precondition_failed');
      expect((await store.getMembership(acme, 'u'))?.roles).toEqual(['admin']);
      await store.removeMember(acme, 'u', { ifVersion: 2 });
      await store.removeMember(acme, 'u', { ifVersion: 2 });
      expect(await codeOf(store.changeMember(acme, 'u', ['admin']))).toBe('not_found');
      expect(await other.getMembership(acme, 'u')).toBeUndefined();
    });

    it('are refused where there is no tenant', async () => {
      expect(await codeOf(store.addMember(nobody, 'u', []))).toBe('tenant_unknown');
      expect(await codeOf(store.changeMember(nobody, 'u', []))).toBe('not_found');
      expect(await codeOf(store.removeMember(nobody, 'u'))).toBe('done');
    });

    it('keep their last owner, also where another tenant has owners, and also from being put', async () => {
      await store.putMember(globex, 'u', ['owner']);
      await store.putMember(globex, 'v', ['owner']);
      await store.putMember(acme, 'u', ['owner']);
      await store.putMember(acme, 'v', ['admin']);
      for (const change of [
        () => store.removeMember(acme, 'u'),
        () => store.changeMember(acme, 'u', ['admin']),
        () => store.putMember(acme, 'u', []),
      ])
        expect(await codeOf(change())).toBe('last_owner');
      expect(await codeOf(store.putMember(acme, 'u', ['owner', 'admin']))).toBe('done');
      await store.changeMember(acme, 'v', ['owner']);
      expect(await codeOf(store.removeMember(acme, 'u'))).toBe('done');
      expect(await codeOf(store.removeMember(acme, 'v'))).toBe('last_owner');
      expect(await codeOf(store.deleteTenant(acme))).toBe('done');
    });

    it('are no more than the plan gives, or the tenant’s own settings', async () => {
      const { one } = await make({ plans: { free: { limits: {}, quotas: { maxUsers: 2 } } } });
      await one.createTenant(tenantNamed(acme));
      await one.createTenant(tenantNamed(globex, { plan: 'misspelt' }));
      await one.addMember(acme, 'u', []);
      await one.putMember(acme, 'v', []);
      expect(await codeOf(one.addMember(acme, 'w', []))).toBe('quota_exceeded');
      expect(await codeOf(one.putMember(acme, 'w', []))).toBe('quota_exceeded');
      expect(await codeOf(one.putMember(acme, 'v', ['admin']))).toBe('done');
      // A plan that is not on offer gives nothing.
      expect(await codeOf(one.addMember(globex, 'u', []))).toBe('quota_exceeded');
      await one.updateTenant(acme, { settings: { quotas: { maxUsers: 3 } } });
      expect(await codeOf(one.addMember(acme, 'w', []))).toBe('done');
      await one.updateTenant(acme, { settings: { quotas: { maxUsers: 0 } } });
      expect(await codeOf(one.addMember(acme, 'x', []))).toBe('quota_exceeded');
      expect(await one.getMembers(acme)).toHaveLength(3);
    });

    it.each(['\ud800', 'u\udc00', 'u\u0000', ' u', '', 'u'.repeat(1001), '\u{1f600}'.repeat(251)])(
      'are not known by %j, which not every store could tell from all others',
      async (userId) => {
        expect(await codeOf(store.putMember(acme, userId, ['owner']))).toBe('request_invalid');
        expect(await codeOf(store.addMember(acme, userId, ['owner']))).toBe('request_invalid');
        // What a lone surrogate would become.
        const seemsAlike = userId
          .replaceAll(/\p{Surrogate}/gu, '\ufffd')
          .replaceAll('\u0000', '')
          .trim();
        await store.putMember(acme, seemsAlike.slice(0, 100) || 'x', []);
        expect(await store.getMembership(acme, userId)).toBeUndefined();
        expect(await store.getUserMemberships(userId)).toEqual([]);
        expect(await codeOf(store.removeMember(acme, userId))).toBe('done');
      },
    );

    it('may have ids as long as is allowed', async () => {
      const longest = '\u{1f600}'.repeat(250);
      await store.putMember(acme, longest, ['member']);
      expect((await other.getUserMemberships(longest)).map(({ userId }) => userId)).toEqual([longest]);
    });
  });

  describe('roles of a tenant’s own', () => {
    it('are stored, changed from a version, and kept apart by tenant', async () => {
      const stored = await store.putRole(roleOf(acme, 'clerk'), { ifVersion: 0 });
      expect(stored).toMatchObject({ ...roleOf(acme, 'clerk'), version: 1 });
      expect(await other.getRole(acme, 'clerk')).toEqual(stored);
      expect(await other.getRole(globex, 'clerk')).toBeUndefined();
      expect(await codeOf(other.putRole(roleOf(acme, 'clerk'), { ifVersion: 0 }))).toBe('precondition_failed');
      expect(await other.putRole(roleOf(acme, 'clerk', { name: 'New' }), { ifVersion: 1 })).toMatchObject({
        version: 2,
      });
      await store.putRole(roleOf(acme, 'auditee'));
      expect((await store.getRoles(acme)).map(({ roleId }) => roleId)).toEqual(['auditee', 'clerk']);
      expect(await store.getRoles(globex)).toEqual([]);
    });

    it('are refused where they build on what is not there, or on themselves, or take a built-in name', async () => {
      expect(await codeOf(store.putRole(roleOf(nobody, 'clerk')))).toBe('tenant_unknown');
      await store.putRole(roleOf(globex, 'elsewhere'));
      await store.putRole(roleOf(acme, 'a'));
      await store.putRole(roleOf(acme, 'b', { parentRoles: ['a'] }));
      for (const role of [
        roleOf(acme, 'owner'),
        roleOf(acme, 'x/y'),
        roleOf(acme, 'x', { parentRoles: [] }),
        roleOf(acme, 'x', { parentRoles: ['elsewhere'] }),
        roleOf(acme, 'x', { parentRoles: ['x'] }),
        roleOf(acme, 'a', { parentRoles: ['b'] }),
      ])
        expect(await codeOf(store.putRole(role))).toBe('role_invalid');
      expect(await store.getRole(acme, 'a')).toMatchObject({ parentRoles: ['member'], version: 1 });
    });

    it('are not removed while somebody has them or builds on them', async () => {
      await store.putRole(roleOf(acme, 'a'));
      await store.putRole(roleOf(acme, 'b', { parentRoles: ['a'] }));
      await store.putMember(acme, 'u', ['member', 'b']);
      await store.putMember(globex, 'u', ['a']);
      expect(await codeOf(other.removeRole(acme, 'a'))).toBe('conflict');
      expect(await codeOf(other.removeRole(acme, 'b'))).toBe('conflict');
      await store.changeMember(acme, 'u', ['member']);
      expect(await codeOf(other.removeRole(acme, 'b', { ifVersion: 2 }))).toBe('precondition_failed');
      expect(await codeOf(other.removeRole(acme, 'b', { ifVersion: 1 }))).toBe('done');
      expect(await codeOf(other.removeRole(acme, 'b'))).toBe('done');
      expect(await codeOf(other.removeRole(acme, 'a'))).toBe('done');
      expect(await store.getRoles(acme)).toEqual([]);
    });

    it('are not removed while a binding maps to them', async () => {
      await store.putRole(roleOf(acme, 'a'));
      const binding = { provider: 'p', membership: 'token', roles: { User: 'a' } } as const;
      await store.updateTenant(globex, { settings: { identityProviders: [binding] } });
      await store.updateTenant(acme, { settings: { identityProviders: [binding] } });
      expect(await codeOf(other.removeRole(acme, 'a'))).toBe('conflict');
      await store.updateTenant(acme, { settings: { identityProviders: [{ ...binding, roles: { User: 'member' } }] } });
      expect(await codeOf(other.removeRole(acme, 'a'))).toBe('done');
    });
  });

  describe('invitations', () => {
    it('are stored once, found in their tenant only, and removed', async () => {
      const invitation = invitationTo(acme, 'i');
      await store.putInvitation(invitation);
      expect(await codeOf(other.putInvitation(invitation))).toBe('conflict');
      expect(await other.getInvitation(acme, 'i')).toEqual(invitation);
      expect(await other.getInvitation(globex, 'i')).toBeUndefined();
      expect(await codeOf(store.putInvitation(invitationTo(nobody, 'i')))).toBe('tenant_unknown');
      await store.putInvitation(invitationTo(acme, 'a', 4e12));
      expect((await other.getInvitations(acme)).map(({ id }) => id)).toEqual(['a', 'i']);
      await other.removeInvitation(globex, 'i');
      await other.removeInvitation(acme, 'a');
      await other.removeInvitation(acme, 'a');
      expect((await store.getInvitations(acme)).map(({ id }) => id)).toEqual(['i']);
    });

    it('are taken by the member that is added, and by nobody where they expired or are another tenant’s', async () => {
      await store.putInvitation(invitationTo(acme, 'i'));
      await store.putInvitation(invitationTo(acme, 'old', anHourAgo));
      expect(await codeOf(store.addMember(globex, 'u', [], { invitation: 'i' }))).toBe('invitation_invalid');
      expect(await codeOf(store.addMember(acme, 'u', [], { invitation: 'old' }))).toBe('invitation_invalid');
      expect(await codeOf(store.addMember(acme, 'u', [], { invitation: '\u0000' }))).toBe('invitation_invalid');
      expect(await store.getMembership(acme, 'u')).toBeUndefined();
      await store.addMember(acme, 'u', ['member'], { invitation: 'i' });
      expect(await codeOf(store.addMember(acme, 'v', [], { invitation: 'i' }))).toBe('invitation_invalid');
      expect((await store.getInvitations(acme)).map(({ id }) => id)).toEqual(['old']);
      // A member that is one already leaves the invitation as it is.
      await store.putInvitation(invitationTo(acme, 'j'));
      expect(await codeOf(store.addMember(acme, 'u', [], { invitation: 'j' }))).toBe('conflict');
      expect(await other.getInvitation(acme, 'j')).toBeDefined();
    });

    it('take a place while they are open, which the member that they bring takes over', async () => {
      await store.updateTenant(acme, { settings: { quotas: { maxUsers: 2 } } });
      await store.putInvitation(invitationTo(acme, 'old', anHourAgo));
      await store.addMember(acme, 'u', []);
      await store.putInvitation(invitationTo(acme, 'i'));
      expect(await codeOf(store.addMember(acme, 'v', []))).toBe('quota_exceeded');
      expect(await codeOf(store.putInvitation(invitationTo(acme, 'j')))).toBe('quota_exceeded');
      expect(await codeOf(store.addMember(acme, 'v', [], { invitation: 'i' }))).toBe('done');
      expect(await codeOf(store.putInvitation(invitationTo(acme, 'j')))).toBe('quota_exceeded');
    });

    it('are no more than a thousand, expired ones included', { timeout: 60_000 }, async () => {
      for (let made = 0; made < 1000; made++)
        await store.putInvitation(invitationTo(acme, `i${String(made)}`, made % 2 === 0 ? anHourAgo : undefined));
      expect(await codeOf(other.putInvitation(invitationTo(acme, 'more')))).toBe('quota_exceeded');
      expect(await codeOf(other.putInvitation(invitationTo(globex, 'more')))).toBe('done');
      await store.removeInvitation(acme, 'i0');
      expect(await codeOf(other.putInvitation(invitationTo(acme, 'more')))).toBe('done');
    });

    it('bring nobody where the tenant has as many members as it may have by now', async () => {
      await store.putInvitation(invitationTo(acme, 'i'));
      await store.addMember(acme, 'u', []);
      await store.updateTenant(acme, { settings: { quotas: { maxUsers: 1 } } });
      expect(await codeOf(store.addMember(acme, 'v', [], { invitation: 'i' }))).toBe('quota_exceeded');
      expect(await other.getInvitation(acme, 'i')).toBeDefined();
    });
  });

  describe('domain claims', () => {
    const claim = { tenantId: acme, domain: 'Claimed.Example.', challenge: 'c1', createdAt: 1, expiresAt: 4e12 };

    it('are kept by tenant and domain, the later one in place of the earlier', async () => {
      await store.putDomainClaim(claim);
      await store.putDomainClaim({ ...claim, tenantId: globex, challenge: 'g' });
      await other.putDomainClaim({ ...claim, challenge: 'c2' });
      const stored = { ...claim, domain: 'claimed.example', challenge: 'c2' };
      expect(await store.getDomainClaim(acme, 'CLAIMED.example')).toEqual(stored);
      expect(await store.getDomainClaims(acme)).toEqual([stored]);
      expect(await store.getDomainClaim(acme, 'no domain')).toBeUndefined();
      await store.removeDomainClaim(acme, 'claimed.example');
      await store.removeDomainClaim(acme, 'claimed.example');
      expect(await other.getDomainClaims(acme)).toEqual([]);
      expect((await other.getDomainClaim(globex, 'claimed.example'))?.challenge).toBe('g');
      expect(await codeOf(store.putDomainClaim({ ...claim, tenantId: nobody }))).toBe('tenant_unknown');
    });

    it('are no more than a hundred to domains that are not the tenant’s, and can be renewed all the same', async () => {
      const named = (index: number) => ({ ...claim, domain: `d${String(index)}.example` });
      await store.putDomainClaim(named(0));
      await store.updateTenant(acme, { domains: [named(0).domain] });
      for (let index = 1; index <= 100; index++) await store.putDomainClaim(named(index));
      expect(await codeOf(other.putDomainClaim(named(101)))).toBe('quota_exceeded');
      expect(await codeOf(other.putDomainClaim({ ...named(101), tenantId: globex }))).toBe('done');
      for (const index of [0, 100]) expect(await codeOf(other.putDomainClaim(named(index)))).toBe('done');
      await store.removeDomainClaim(acme, named(1).domain);
      expect(await codeOf(other.putDomainClaim(named(101)))).toBe('done');
    });

    it('give nothing: the domain still finds nobody, and is free for others', async () => {
      await store.putDomainClaim(claim);
      expect(await store.getTenantByDomain('claimed.example')).toBeUndefined();
      expect(await codeOf(store.updateTenant(globex, { domains: ['claimed.example'] }))).toBe('done');
    });
  });

  it('keep their tenant from being deleted where only some of the members may go with it', async () => {
    await store.putMember(acme, 'u', ['owner']);
    await store.putMember(globex, 'v', ['member']);
    const additions: readonly (readonly [() => Promise<unknown>, () => Promise<unknown>])[] = [
      [() => store.putMember(acme, 'v', []), () => store.removeMember(acme, 'v')],
      [() => store.putRole(roleOf(acme, 'clerk')), () => store.removeRole(acme, 'clerk')],
      [() => store.putInvitation(invitationTo(acme, 'i')), () => store.removeInvitation(acme, 'i')],
      [
        () =>
          store.putDomainClaim({ tenantId: acme, domain: 'x.example', challenge: 'c', createdAt: 1, expiresAt: 4e12 }),
        () => store.removeDomainClaim(acme, 'x.example'),
      ],
    ];
    for (const [add, remove] of additions) {
      await add();
      expect(await codeOf(other.deleteTenant(acme, { ifVersion: 1, ifOnly: ['u', 'w'] }))).toBe('conflict');
      await remove();
    }
    expect(await codeOf(other.deleteTenant(acme, { ifVersion: 1, ifOnly: [] }))).toBe('conflict');
    expect((await store.getMembership(acme, 'u'))?.roles).toEqual(['owner']);
    expect(await codeOf(other.deleteTenant(acme, { ifVersion: 1, ifOnly: ['u', 'w'] }))).toBe('done');
    expect(await store.getTenant(acme)).toBeUndefined();
  });

  it('all go with their tenant, and a new one of its name has none of them', async () => {
    await store.putMember(acme, 'u', ['owner']);
    await store.putRole(roleOf(acme, 'clerk'));
    await store.putInvitation(invitationTo(acme, 'i'));
    await store.putDomainClaim({ tenantId: acme, domain: 'x.example', challenge: 'c', createdAt: 1, expiresAt: 4e12 });
    await store.putMember(globex, 'u', ['member']);
    expect(await codeOf(store.deleteTenant(acme, { ifVersion: 2 }))).toBe('precondition_failed');
    await other.deleteTenant(acme, { ifVersion: 1 });
    expect(await codeOf(store.deleteTenant(acme, { ifVersion: 1 }))).toBe('done');
    for (const again of [false, true]) {
      if (again) await store.createTenant(tenantNamed(acme));
      expect(await store.getMembers(acme)).toEqual([]);
      expect(await store.getRoles(acme)).toEqual([]);
      expect(await store.getInvitations(acme)).toEqual([]);
      expect(await store.getDomainClaims(acme)).toEqual([]);
      expect(await store.getMembership(acme, 'u')).toBeUndefined();
      expect(await store.getRole(acme, 'clerk')).toBeUndefined();
      expect(await store.getInvitation(acme, 'i')).toBeUndefined();
      expect((await store.getUserMemberships('u')).map(({ tenantId: of }) => of)).toEqual(['globex']);
    }
  });

  it('refuses text in a record that not every store could keep', async () => {
    for (const bad of ['\u0000', '\udfff']) {
      const feature = { settings: { features: { [`f${bad}`]: true } } };
      for (const update of [{ name: `n${bad}` }, { plan: `p${bad}` }, feature, { settings: { allowedTools: [bad] } }])
        expect(await codeOf(store.updateTenant(acme, update))).toBe('request_invalid');
      expect(await codeOf(store.putRole(roleOf(acme, 'x', { name: `n${bad}` })))).toBe('role_invalid');
    }
    expect((await store.getTenant(acme))?.version).toBe(1);
  });
}

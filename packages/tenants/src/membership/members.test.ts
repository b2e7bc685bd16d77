import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  builtInRoles,
  PortcullisError,
  tenantId,
  type ConfigurationChange,
  type Identity,
  type Membership,
  type TenantContext,
} from '@portcullis/core';
import { contextFor, identityFor, operatorFor } from '@portcullis/testing/contexts';
import { registry } from '../registry/registry.js';
import { resolver } from '../resolver/resolver.js';
import { covers } from '../roles/covers.js';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import type { Invitation } from './invitation.js';
import { members, type Members } from './members.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const system = { system: 'sign-up', requestId: 'r-0' };

let store: TenantStore;
let trail: ConfigurationChange[];
let service: Members;

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

/** Somebody of a tenant, who is stored with these roles, and acts with a context that says so. */
async function somebody(subject: string, roles: readonly string[], tenant = acme): Promise<TenantContext> {
  await store.putMember(tenant, `test#${subject}`, roles);
  return contextFor({ tenant, subject, memberRoles: [...roles] });
}

const offer = (id: string, invitedBy: string, roles: readonly string[]): Invitation => ({
  tenantId: acme,
  id,
  email: 'x@example.com',
  roles,
  invitedBy,
  secretHash: 'x',
  createdAt: 0,
  expiresAt: Date.now() + 60_000,
});

const rolesOf = async (userId: string): Promise<readonly string[] | undefined> =>
  (await store.getMembership(acme, userId))?.roles;

beforeEach(async () => {
  store = memoryStore();
  trail = [];
  service = members({
    store,
    record: (change) => {
      trail.push(change);
      return Promise.resolve();
    },
  });
  await store.createTenant({ id: acme, name: 'Acme' });
  await store.createTenant({ id: globex, name: 'Globex' });
  await store.putMember(acme, 'test#oscar', ['owner']);
  await store.putRole({
    tenantId: acme,
    roleId: 'reviewer',
    name: 'Reviewer',
    parentRoles: ['admin'],
    permissions: [{ resource: 'document', action: 'read' }],
  });
  await store.putRole({
    tenantId: acme,
    roleId: 'junior',
    name: 'Junior reviewer',
    parentRoles: ['reviewer'],
    permissions: [{ resource: 'document', action: 'read', conditions: { classification: 'public' } }],
  });
});

describe('members', () => {
  it('are added, changed and removed, and each change is recorded before it is made, with what was and what will be', async () => {
    const admin = await somebody('anna', ['admin']);
    await service.add(admin, acme, 'test#bob', ['member']);
    await service.change(admin, acme, 'test#bob', ['readonly', 'junior']);
    await service.remove(admin, acme, 'test#bob');
    expect(await rolesOf('test#bob')).toBeUndefined();
    expect(trail.map(({ action, target, before, after }) => ({ action, target, before, after }))).toEqual([
      { action: 'member.add', target: 'test#bob', before: null, after: { roles: ['member'] } },
      {
        action: 'member.change',
        target: 'test#bob',
        before: { roles: ['member'] },
        after: { roles: ['readonly', 'junior'] },
      },
      { action: 'member.remove', target: 'test#bob', before: { roles: ['readonly', 'junior'] }, after: null },
    ]);
    expect(trail.every(({ author, tenant }) => author === admin.identity && tenant === acme)).toBe(true);
  });

  it('are not changed where the change cannot be recorded', async () => {
    const deaf = members({ store, record: () => Promise.reject(new PortcullisError('audit_unavailable')) });
    await store.putMember(acme, 'test#bob', ['member']);
    expect(await codeOf(deaf.add(system, acme, 'test#carl', ['member']))).toBe('audit_unavailable');
    expect(await codeOf(deaf.change(system, acme, 'test#bob', ['admin']))).toBe('audit_unavailable');
    expect(await codeOf(deaf.remove(system, acme, 'test#bob'))).toBe('audit_unavailable');
    expect([await rolesOf('test#carl'), await rolesOf('test#bob')]).toEqual([undefined, ['member']]);
  });

  it('leave a record of an attempt that fails after it was recorded', async () => {
    expect(await codeOf(service.remove(system, acme, 'test#oscar'))).toBe('last_owner');
    expect(trail.map(({ action }) => action)).toEqual(['member.remove', 'member.remove.failed']);
    expect(await rolesOf('test#oscar')).toEqual(['owner']);
    expect(await codeOf(service.change(system, acme, 'test#oscar', ['admin']))).toBe('last_owner');
  });

  it.each<readonly [string, readonly string[], string]>([
    ['a role that is not there', ['boss'], 'request_invalid'],
    ['a role of another tenant’s', ['elsewhere'], 'request_invalid'],
    ['no role at all, which keeps them out', [], 'done'],
    ['a role above the administrator’s own', ['member', 'owner'], 'denied'],
    ['the administrator’s own role', ['admin'], 'done'],
    ['a role of the tenant’s own', ['junior'], 'done'],
  ])('are given %s by an administrator: %s', async (_name, roles, code) => {
    await store.putRole({ tenantId: globex, roleId: 'elsewhere', name: 'x', parentRoles: ['member'], permissions: [] });
    const admin = await somebody('anna', ['admin']);
    await store.putMember(acme, 'test#bob', ['readonly']);
    expect(await codeOf(service.add(admin, acme, 'test#carl', roles))).toBe(code);
    expect(await codeOf(service.change(admin, acme, 'test#bob', roles))).toBe(code);
    expect(await rolesOf('test#carl')).toEqual(code === 'done' ? roles : undefined);
    expect(await rolesOf('test#bob')).toEqual(code === 'done' ? roles : ['readonly']);
  });

  it('who are owners are not touched by an administrator, nor does one make itself an owner', async () => {
    const admin = await somebody('anna', ['admin']);
    await store.putMember(acme, 'test#olga', ['owner']);
    expect(await codeOf(service.remove(admin, acme, 'test#olga'))).toBe('denied');
    expect(await codeOf(service.change(admin, acme, 'test#olga', ['member']))).toBe('denied');
    expect(await codeOf(service.change(admin, acme, 'test#anna', ['owner']))).toBe('denied');
    expect(await rolesOf('test#olga')).toEqual(['owner']);
  });

  it('with a role of the tenant’s own give that role and those that narrow it, and not what it narrows', async () => {
    const reviewer = await somebody('rita', ['reviewer']);
    expect(await codeOf(service.add(reviewer, acme, 'test#a', ['junior']))).toBe('done');
    expect(await codeOf(service.add(reviewer, acme, 'test#b', ['reviewer']))).toBe('done');
    expect(await codeOf(service.add(reviewer, acme, 'test#c', ['readonly']))).toBe('denied');
    expect(await codeOf(service.change(reviewer, acme, 'test#rita', ['admin']))).toBe('denied');
    const junior = await somebody('june', ['junior']);
    expect(await codeOf(service.add(junior, acme, 'test#d', ['reviewer']))).toBe('denied');
  });

  it('are judged by the roles that they have now, and not by those in their context', async () => {
    const admin = await somebody('anna', ['admin']);
    await store.putMember(acme, 'test#anna', ['readonly']);
    expect(await codeOf(service.add(admin, acme, 'test#bob', ['member']))).toBe('denied');
    await store.removeMember(acme, 'test#anna');
    expect(await codeOf(service.add(admin, acme, 'test#bob', ['readonly']))).toBe('not_a_member');
  });

  it('are changed from within the tenant only, and by a context that a resolver made', async () => {
    const stranger = await somebody('gina', ['owner'], globex);
    expect(await codeOf(service.add(stranger, acme, 'test#gina', ['owner']))).toBe('cross_tenant');
    expect(await codeOf(service.remove(stranger, acme, 'test#oscar'))).toBe('cross_tenant');
    const admin = await somebody('anna', ['admin']);
    await expect(service.add({ ...admin }, acme, 'test#bob', ['member'])).rejects.toThrow(TypeError);
    await expect(service.add({ ...admin, system: 'x' }, acme, 'test#bob', ['member'])).rejects.toThrow(TypeError);
    await expect(service.add({ system: ' ', requestId: 'r' }, acme, 'test#bob', ['member'])).rejects.toThrow(TypeError);
  });

  it('are changed by an operator whose context is for the tenant and has not ended, and never to let itself in', async () => {
    const operator = operatorFor({ tenants: ['acme'], reason: 'ticket 7' });
    expect(await codeOf(service.add(operator, acme, 'test#bob', ['owner']))).toBe('done');
    expect(trail[0]).toMatchObject({ author: { key: 'test#operator' }, reason: 'ticket 7' });
    expect(await codeOf(service.add(operator, globex, 'test#bob', ['owner']))).toBe('cross_tenant');
    const opens = operatorFor({ tenants: ['acme'], action: 'storage:open' });
    expect(await codeOf(service.add(opens, acme, 'test#dave', ['owner']))).toBe('denied');
    expect(await codeOf(service.add(operator, acme, 'test#operator', ['readonly']))).toBe('denied');
    const late = members({ store, record: () => Promise.resolve(), clock: () => Date.now() + 7_200_000 });
    expect(await codeOf(late.add(operator, acme, 'test#carl', ['member']))).toBe('grant_invalid');
  });

  it('are not changed where somebody else changed them after they were looked at', async () => {
    const bob = await store.putMember(acme, 'test#bob', ['readonly']);
    await store.putMember(acme, 'test#bob', ['member']);
    const stale = { ifVersion: bob.version };
    expect(await codeOf(service.change(system, acme, 'test#bob', ['admin'], stale))).toBe('precondition_failed');
    expect(await codeOf(service.remove(system, acme, 'test#bob', stale))).toBe('precondition_failed');
    // Between our look and our change: what was decided on the old roles does not hold for the new ones.
    const admin = await somebody('anna', ['admin']);
    const racing = members({
      store,
      record: async () => {
        await store.putMember(acme, 'test#bob', ['owner']);
      },
    });
    expect(await codeOf(racing.remove(admin, acme, 'test#bob'))).toBe('precondition_failed');
    expect(await codeOf(service.change(admin, acme, 'test#bob', ['readonly']))).toBe('denied');
  });

  it('of a provider that tenants share are invited, so that nobody makes a stranger’s requests ambiguous', async () => {
    const shared = { settings: { identityProviders: [{ provider: 'test' }] } };
    await store.updateTenant(acme, shared);
    const owner = contextFor({ subject: 'oscar', memberRoles: ['owner'] });
    expect(await codeOf(service.add(owner, acme, 'test#bob', ['member']))).toBe('done');
    await store.updateTenant(globex, shared);
    expect(await codeOf(service.add(owner, acme, 'test#carl', ['member']))).toBe('denied');
    expect(await codeOf(service.add(system, acme, 'test#carl', ['member']))).toBe('done');
    // To be bound comes later: whoever is a member by then is a candidate from then on.
    for (const identityProviders of [[{ provider: 'mine' }], [{ provider: 'test', tenantHint: 'org' }]]) {
      await store.updateTenant(acme, { settings: { identityProviders } });
      expect(await codeOf(service.add(owner, acme, 'test#dave', ['member']))).toBe('denied');
    }
    expect(await codeOf(service.add(owner, acme, 'mine#dave', ['member']))).toBe('done');
  });

  describe('of a provider whose tokens make members', () => {
    const corp = { provider: 'corp', membership: 'token', roles: { Boss: 'owner', User: 'member' } } as const;
    const crew = { provider: 'crew', membership: 'token', roles: { User: 'member' } } as const;
    const tokenOf = (subject: string, ...roles: readonly string[]): Identity =>
      identityFor({ provider: 'corp', subject, roles });
    const resolve = (identity: Identity): Promise<TenantContext> =>
      resolver({ registry: registry({ store }) }).resolve({ identity, requestId: 'r' });

    beforeEach(async () => {
      await store.updateTenant(acme, { settings: { identityProviders: [{ provider: 'test' }, corp, crew] } });
    });

    it('are not demoted by being stored, unless by somebody who has what their token may give', async () => {
      const admin = await somebody('anna', ['admin']);
      expect(await codeOf(service.add(admin, acme, 'corp#boss', ['readonly']))).toBe('denied');
      expect((await resolve(tokenOf('boss', 'Boss'))).membership.roles).toEqual(['owner']);
      expect(await codeOf(service.add(admin, acme, 'crew#bob', ['readonly']))).toBe('done');
      const owner = contextFor({ subject: 'oscar', memberRoles: ['owner'] });
      expect(await codeOf(service.add(owner, acme, 'corp#boss', ['readonly']))).toBe('done');
    });

    it('do not become more by being removed, themselves or others', async () => {
      await store.putMember(acme, 'corp#anna', ['admin']);
      await store.putMember(acme, 'corp#friend', ['member']);
      await store.putMember(acme, 'crew#bob', ['member']);
      const anna = await resolve(tokenOf('anna', 'Boss'));
      expect(anna.membership.roles).toEqual(['admin']);
      expect(await codeOf(service.remove(anna, acme, 'corp#anna'))).toBe('denied');
      expect(await codeOf(service.remove(anna, acme, 'corp#friend'))).toBe('denied');
      expect(await codeOf(service.remove(anna, acme, 'crew#bob'))).toBe('done');
      expect((await resolve(tokenOf('anna', 'Boss'))).membership.roles).toEqual(['admin']);
    });

    it('do not lose or get back a role of the platform’s by somebody who has it not', async () => {
      await store.updateTenant(acme, {
        settings: { identityProviders: [{ provider: 'test' }, { ...crew, roles: { User: 'approver' } }] },
      });
      expect(await codeOf(service.add(await somebody('anna', ['admin']), acme, 'crew#bob', ['member']))).toBe('denied');
      const owner = contextFor({ subject: 'oscar', memberRoles: ['owner'] });
      expect(await codeOf(service.add(owner, acme, 'crew#bob', ['member']))).toBe('done');
    });

    it('are back when they are removed, and kept out by having no roles', async () => {
      await service.add(system, acme, 'corp#eve', ['member']);
      await service.remove(system, acme, 'corp#eve');
      expect((await resolve(tokenOf('eve', 'Boss'))).membership.roles).toEqual(['owner']);
      await service.add(system, acme, 'corp#eve', []);
      expect((await resolve(tokenOf('eve', 'Boss'))).membership.roles).toEqual([]);
    });

    it('act with the roles that were stored since, and not with those of their token', async () => {
      const boss = await resolve(tokenOf('boss', 'Boss'));
      await service.add(system, acme, 'corp#boss', ['readonly']);
      expect(await codeOf(service.add(boss, acme, 'test#bob', ['member']))).toBe('denied');
    });
  });

  it('of the only tenant of a server are the owner’s to add and to remove, unless it is said who else has a role', async () => {
    const only = tenantId('system');
    await store.createTenant({ id: only, name: 'System' });
    const admin = await somebody('anna', ['admin'], only);
    await store.putMember(only, 'test#carl', ['member']);
    expect(await codeOf(service.add(admin, only, 'test#bob', ['readonly']))).toBe('denied');
    expect(await codeOf(service.remove(admin, only, 'test#carl'))).toBe('denied');
    const informed = members({
      store,
      record: () => Promise.resolve(),
      unstored: (_tenant, userId) => (userId === 'test#olga' ? ['owner'] : ['readonly']),
    });
    expect(await codeOf(informed.add(admin, only, 'test#bob', ['readonly']))).toBe('done');
    expect(await codeOf(informed.add(admin, only, 'test#olga', ['readonly']))).toBe('denied');
    expect(await codeOf(informed.remove(admin, only, 'test#carl'))).toBe('done');
  });

  it('who leave take along the invitations that they could not make any more', async () => {
    const invite = (...of: Parameters<typeof offer>): Promise<void> => store.putInvitation(offer(...of));
    await store.putMember(acme, 'test#anna', ['admin']);
    await invite('by-anna-1', 'test#anna', ['admin']);
    await invite('by-anna-2', 'test#anna', ['readonly']);
    await invite('by-oscar', 'test#oscar', ['admin']);
    const open = async (): Promise<readonly string[]> => (await store.getInvitations(acme)).map(({ id }) => id);
    await service.change(system, acme, 'test#anna', ['member']);
    expect(await open()).toEqual(['by-anna-2', 'by-oscar']);
    await service.remove(system, acme, 'test#anna');
    expect(await open()).toEqual(['by-oscar']);
  });

  it('who stay, because they are the last owner or somebody was faster, keep their invitations', async () => {
    await store.putInvitation(offer('by-oscar', 'test#oscar', ['owner']));
    expect(await codeOf(service.remove(system, acme, 'test#oscar'))).toBe('last_owner');
    expect(await codeOf(service.change(system, acme, 'test#oscar', ['member']))).toBe('last_owner');
    expect(await codeOf(service.change(system, acme, 'test#oscar', [], { ifVersion: 7 }))).toBe('precondition_failed');
    expect(await store.getInvitations(acme)).toHaveLength(1);
  });

  it('who go on inviting while they are removed do not keep what they add', async () => {
    await store.putMember(acme, 'test#anna', ['admin']);
    await store.putInvitation(offer('before', 'test#anna', ['admin']));
    let late = 0;
    const racing = members({
      store,
      record: async ({ action }) => {
        if (action !== 'member.add' && late < 3)
          await store.putInvitation(offer(`late-${String(++late)}`, 'test#anna', ['admin']));
      },
    });
    await racing.remove(system, acme, 'test#anna');
    expect([late, await store.getInvitations(acme)]).toEqual([3, []]);
  });

  it('whom no record makes lose their invitations too, as far as the actor may revoke them', async () => {
    const admin = await somebody('anna', ['admin']);
    for (const role of ['owner', 'member']) await store.putInvitation(offer(role, 'corp#gone', [role]));
    await service.remove(admin, acme, 'corp#gone');
    expect((await store.getInvitations(acme)).map(({ id }) => id)).toEqual(['owner']);
  });

  it('always have an owner, whatever happens to them at one time', async () => {
    await store.putMember(acme, 'test#olga', ['owner']);
    const outcomes = await Promise.all([
      codeOf(service.remove(system, acme, 'test#oscar')),
      codeOf(service.remove(system, acme, 'test#olga')),
      codeOf(service.change(system, acme, 'test#olga', ['member'])),
    ]);
    const owners = (await store.getMembers(acme)).filter(({ roles }: Membership) => roles.includes('owner'));
    expect(owners).toHaveLength(1);
    expect(outcomes).toContain('done');
  });
});

describe('what a role covers', () => {
  const own = [
    { roleId: 'a', parentRoles: ['member'] },
    { roleId: 'b', parentRoles: ['a'] },
    { roleId: 'c', parentRoles: ['readonly', 'admin'] },
  ].map((role) => ({ ...role, tenantId: acme, name: 'x', permissions: [], version: 1 }));
  const role = fc.constantFrom(...builtInRoles, 'a', 'b', 'c', 'ghost');

  it('is transitive: who was given a role gives nothing that the giver could not', () => {
    fc.assert(
      fc.property(fc.array(role), fc.array(role), role, (held, given, next) => {
        if (given.every((one) => covers(held, one, own)) && covers(given, next, own))
          expect(covers(held, next, own)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('is nothing for those who have no role, and no role that is not there', () => {
    for (const one of [...builtInRoles, 'a', 'b', 'c', 'ghost']) expect(covers([], one, own)).toBe(false);
    expect(covers(['owner'], 'ghost', own)).toBe(false);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import {
  acme,
  atOnce,
  codeOf,
  globex,
  invitationTo,
  tally,
  tenantNamed,
  type MakeReplicas,
  type Replicas,
} from './replicas.js';

/** What has to hold when two replicas change the same things at once. */
export function concurrencyContract(make: MakeReplicas): void {
  describe('when many change it at once, on two replicas', () => {
    let replicas: Replicas;
    let one: TenantStore;
    let two: TenantStore;

    beforeEach(async () => {
      replicas = await make();
      ({ one, two } = replicas);
      await one.createTenant(tenantNamed(acme));
      await two.createTenant(tenantNamed(globex));
    });

    it('lets exactly one change be based on each version', async () => {
      for (const version of [1, 2, 3]) {
        const ends = await tally(
          atOnce(replicas, 10, (store, index) =>
            store.updateTenant(acme, { name: `n${String(index)}` }, { ifVersion: version }),
          ),
        );
        expect(ends).toEqual({ done: 1, precondition_failed: 9 });
      }
      expect((await one.getTenant(acme))?.version).toBe(4);
    });

    it('loses none of those that read, change and write again', async () => {
      const increment = async (store: TenantStore): Promise<void> => {
        for (;;) {
          const tenant = await store.getTenant(acme);
          const features = tenant?.settings.features ?? {};
          const name = `f${String(Object.keys(features).length)}`;
          const update = { settings: { features: { ...features, [name]: true } } };
          if ((await codeOf(store.updateTenant(acme, update, { ifVersion: tenant?.version }))) === 'done') return;
        }
      };
      await Promise.all(atOnce(replicas, 12, increment));
      const tenant = await one.getTenant(acme);
      expect(Object.keys(tenant?.settings.features ?? {})).toHaveLength(12);
      expect(tenant?.version).toBe(13);
    });

    it('loses none of those that change different things of one tenant without a version', async () => {
      await Promise.all([
        one.updateTenant(acme, { name: 'New' }),
        two.updateTenant(acme, { plan: 'pro' }),
        one.updateTenant(acme, { domains: ['new.example'] }),
        two.putMember(acme, 'u', ['member']),
      ]);
      expect(await one.getTenant(acme)).toMatchObject({
        name: 'New',
        plan: 'pro',
        domains: ['new.example'],
        version: 4,
      });
      expect((await one.getTenantByDomain('new.example'))?.id).toBe('acme');
    });

    it('takes in exactly as many members as a tenant may have', async () => {
      await one.updateTenant(acme, { settings: { quotas: { maxUsers: 10 } } });
      const ends = await tally(atOnce(replicas, 50, (store, index) => store.addMember(acme, `u${String(index)}`, [])));
      expect(ends).toEqual({ done: 10, quota_exceeded: 40 });
      expect(await two.getMembers(acme)).toHaveLength(10);
    });

    it('counts members and open invitations together', async () => {
      await one.updateTenant(acme, { settings: { quotas: { maxUsers: 5 } } });
      const ends = await tally([
        ...atOnce(replicas, 6, (store, index) => store.addMember(acme, `u${String(index)}`, [])),
        ...atOnce(replicas, 6, (store, index) => store.putInvitation(invitationTo(acme, `i${String(index)}`))),
      ]);
      expect(ends).toEqual({ done: 5, quota_exceeded: 7 });
      expect((await one.getMembers(acme)).length + (await two.getInvitations(acme)).length).toBe(5);
    });

    it('takes exactly as many invitations as there are places, and builds no role on one that goes', async () => {
      await one.updateTenant(acme, { settings: { quotas: { maxUsers: 5 } } });
      const ends = await tally(
        atOnce(replicas, 12, (store, index) => store.putInvitation(invitationTo(acme, `i${String(index)}`))),
      );
      expect(ends).toEqual({ done: 5, quota_exceeded: 7 });
      for (let time = 0; time < 5; time++) {
        const base = { tenantId: globex, roleId: 'base', name: 'Base', parentRoles: ['member'], permissions: [] };
        await one.putRole(base);
        await tally([two.putRole({ ...base, roleId: 'child', parentRoles: ['base'] }), one.removeRole(globex, 'base')]);
        const roles = (await one.getRoles(globex)).map(({ roleId }) => roleId);
        expect(roles.includes('child') && !roles.includes('base')).toBe(false);
        await one.removeRole(globex, 'child');
        await one.removeRole(globex, 'base');
      }
    });

    it.each<readonly [string, (store: TenantStore, user: string) => Promise<unknown>]>([
      ['are removed', (store, user) => store.removeMember(acme, user)],
      ['become members', (store, user) => store.changeMember(acme, user, ['member'])],
      ['are put as members', (store, user) => store.putMember(acme, user, ['member'])],
    ])('keeps one of two last owners that %s', async (_name, change) => {
      await one.putMember(acme, 'a', ['owner', 'admin']);
      await one.putMember(acme, 'b', ['owner']);
      const ends = await tally([change(one, 'a'), change(two, 'b')]);
      expect(ends).toEqual({ done: 1, last_owner: 1 });
      expect((await one.getMembers(acme)).filter(({ roles }) => roles.includes('owner'))).toHaveLength(1);
    });

    it('gives a domain, a binding and an id to one of those that want it', async () => {
      expect(
        await tally(
          atOnce(replicas, 8, (store, index) =>
            store.createTenant({ id: tenantId(`t${String(index)}`), name: 'T', domains: ['wanted.example'] }),
          ),
        ),
      ).toEqual({ done: 1, conflict: 7 });
      expect(await one.getTenantByDomain('wanted.example')).toBeDefined();
      const binding = { settings: { identityProviders: [{ provider: 'p', tenantHint: 'h' }] } };
      expect(await tally([one.updateTenant(acme, binding), two.updateTenant(globex, binding)])).toEqual({
        done: 1,
        conflict: 1,
      });
      expect(await two.getTenantsByProvider('p', 'h')).toHaveLength(1);
      const id = tenantId('wanted');
      expect(await tally(atOnce(replicas, 6, (store) => store.createTenant({ id, name: 'W' })))).toEqual({
        done: 1,
        conflict: 5,
      });
    });

    it('lets an invitation be taken once', async () => {
      await one.putInvitation(invitationTo(acme, 'i'));
      const ends = await tally(
        atOnce(replicas, 8, (store, index) => store.addMember(acme, `u${String(index)}`, [], { invitation: 'i' })),
      );
      expect(ends).toEqual({ done: 1, invitation_invalid: 7 });
      expect(await one.getMembers(acme)).toHaveLength(1);
      expect(await two.getInvitations(acme)).toEqual([]);
    });

    it('leaves nothing of a tenant that is deleted while others add to it', async () => {
      const users = Array.from({ length: 10 }, (_none, index) => `u${String(index)}`);
      await Promise.all([
        ...users.map((user, index) => codeOf((index % 2 === 0 ? one : two).putMember(acme, user, ['member']))),
        codeOf(two.putInvitation(invitationTo(acme, 'i'))),
        codeOf(one.updateTenant(acme, { domains: ['late.example'] })),
        one.deleteTenant(acme),
      ]);
      expect(await one.getTenant(acme)).toBeUndefined();
      expect(await one.getMembers(acme)).toEqual([]);
      expect(await one.getInvitations(acme)).toEqual([]);
      for (const user of users) expect(await two.getUserMemberships(user)).toEqual([]);
      expect(await codeOf(two.updateTenant(globex, { domains: ['acme.example', 'late.example'] }))).toBe('done');
    });

    it('does not wait for ever where two want what the other has', async () => {
      const wishes = [['x.example', 'y.example'], ['y.example', 'x.example'], ['z.example'], []];
      const ends = await Promise.all(
        atOnce(replicas, 10, (store, index) =>
          codeOf(
            store.updateTenant(index % 4 < 2 ? acme : globex, {
              domains: wishes[index % 4] ?? [],
            }),
          ),
        ),
      );
      expect(ends.filter((end) => end !== 'done' && end !== 'conflict')).toEqual([]);
      for (const domain of ['x.example', 'y.example', 'z.example']) {
        const owner = await one.getTenantByDomain(domain);
        const holders = [await one.getTenant(acme), await one.getTenant(globex)].filter((t) =>
          t?.domains.includes(domain),
        );
        expect(holders.map((holder) => holder?.id)).toEqual(owner === undefined ? [] : [owner.id]);
      }
    });
  });
}

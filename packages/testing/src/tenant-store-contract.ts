import { beforeEach, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import { belongingsContract } from './tenant-store/belongings.js';
import { concurrencyContract } from './tenant-store/concurrency.js';
import { listContract } from './tenant-store/lists.js';
import { modelContract } from './tenant-store/model.js';
import { acme, codeOf, globex, tenantNamed as tenant, type MakeReplicas } from './tenant-store/replicas.js';

export type { MakeReplicas, Replicas } from './tenant-store/replicas.js';

/** How thorough the suite is. */
export interface TenantStoreContractOptions {
  /** How many sequences of changes are compared with a model. @defaultValue 30 */
  readonly sequences?: number | undefined;
}

/**
 * What every tenant store has to do. Two tenants take part in every test, so that a store that mixes them up is found,
 * and two stores on one place, so that one which does not see the other's work is.
 *
 * @param name - of the store, for the titles
 * @param make - makes an empty place and two stores on it
 */
export function tenantStoreContract(
  name: string,
  make: MakeReplicas,
  { sequences = 30 }: TenantStoreContractOptions = {},
): void {
  describe(`the tenant store contract: ${name}`, () => {
    recordContract(make);
    belongingsContract(make);
    listContract(make);
    concurrencyContract(make);
    modelContract(make, sequences);
  });
}

function recordContract(make: MakeReplicas): void {
  describe('tenants', () => {
    let store: TenantStore;

    beforeEach(async () => {
      ({ one: store } = await make());
      await store.createTenant(
        tenant(acme, {
          settings: { identityProviders: [{ provider: 'p', tenantHint: 'hint-a' }, { provider: 'shared' }] },
        }),
      );
      await store.createTenant(
        tenant(globex, {
          settings: { identityProviders: [{ provider: 'p', tenantHint: 'hint-g' }, { provider: 'shared' }] },
        }),
      );
    });

    it('gives back what was stored, with defaults that give nothing away', async () => {
      expect(await store.getTenant(acme)).toMatchObject({
        id: 'acme',
        status: { state: 'active' },
        plan: 'free',
        settings: { features: {}, isolation: 'prefix' },
      });
      expect((await store.getTenant(acme))?.settings.allowedTools).toBeUndefined();
      expect(await store.getTenant(tenantId('nobody'))).toBeUndefined();
    });

    it('keeps an absent and an empty list of tools apart', async () => {
      await store.updateTenant(acme, { settings: { allowedTools: [] } });
      expect((await store.getTenant(acme))?.settings.allowedTools).toEqual([]);
      expect((await store.getTenant(globex))?.settings.allowedTools).toBeUndefined();
    });

    it('finds a tenant by its domain, in any spelling, and by no other', async () => {
      expect((await store.getTenantByDomain('ACME.example.'))?.id).toBe('acme');
      expect(await store.getTenantByDomain('sub.acme.example')).toBeUndefined();
      expect(await store.getTenantByDomain('not a domain')).toBeUndefined();
    });

    it('finds tenants by provider and hint, and keeps "no hint" apart from every hint', async () => {
      expect((await store.getTenantsByProvider('p', 'hint-a')).map(({ id }) => id)).toEqual(['acme']);
      expect((await store.getTenantsByProvider('shared', undefined)).map(({ id }) => id)).toEqual(['acme', 'globex']);
      expect(await store.getTenantsByProvider('p', undefined)).toEqual([]);
      expect(await store.getTenantsByProvider('shared', 'hint-a')).toEqual([]);
    });

    it('refuses an id, a domain or a binding that is taken, and changes nothing then', async () => {
      expect(await codeOf(store.createTenant(tenant(acme)))).toBe('conflict');
      expect(await codeOf(store.updateTenant(globex, { domains: ['acme.example'] }))).toBe('conflict');
      expect(
        await codeOf(
          store.updateTenant(globex, { settings: { identityProviders: [{ provider: 'p', tenantHint: 'hint-a' }] } }),
        ),
      ).toBe('conflict');
      expect((await store.getTenantsByProvider('p', 'hint-a')).map(({ id }) => id)).toEqual(['acme']);
      expect((await store.getTenant(globex))?.domains).toEqual(['globex.example']);
    });

    it('moves indexes along with an update', async () => {
      await store.updateTenant(acme, {
        domains: ['acme.test'],
        settings: { identityProviders: [{ provider: 'p', tenantHint: 'new' }] },
      });
      expect(await store.getTenantByDomain('acme.example')).toBeUndefined();
      expect((await store.getTenantByDomain('acme.test'))?.id).toBe('acme');
      expect(await store.getTenantsByProvider('p', 'hint-a')).toEqual([]);
      expect((await store.getTenantsByProvider('shared', undefined)).map(({ id }) => id)).toEqual(['globex']);
    });

    it.each<readonly [string, object]>([
      ['a status that there is none of', { status: { state: 'deleted' } }],
      ['a trial without an end', { status: { state: 'trial' } }],
      ['a name of nothing', { name: ' ' }],
      ['a domain that is none', { domains: ['localhost'] }],
      ['an unknown setting', { settings: { superuser: true } }],
      ['a negative limit', { settings: { limits: { requestsPerMinute: -1 } } }],
    ])('refuses %s', async (_name, update) => {
      expect(await codeOf(store.updateTenant(acme, update))).toBe('request_invalid');
      expect((await store.getTenant(acme))?.name).toBe('acme');
    });

    it('does not let an update change the id or when it was created', async () => {
      const before = await store.getTenant(acme);
      await store.updateTenant(acme, { id: globex, createdAt: 1, name: 'Acme' } as never);
      expect(await store.getTenant(acme)).toMatchObject({ id: 'acme', name: 'Acme', createdAt: before?.createdAt });
      expect((await store.getTenant(globex))?.name).toBe('globex');
    });

    it('keeps the roles of one user in two tenants apart', async () => {
      await store.putMember(acme, 'other', ['owner']);
      await store.putMember(acme, 'u', ['owner']);
      await store.putMember(globex, 'u', ['readonly']);
      expect((await store.getMembership(acme, 'u'))?.roles).toEqual(['owner']);
      expect((await store.getMembership(globex, 'u'))?.roles).toEqual(['readonly']);
      expect((await store.getUserMemberships('u')).map(({ tenantId: of }) => of).sort()).toEqual(['acme', 'globex']);
      await store.removeMember(acme, 'u');
      expect(await store.getMembership(acme, 'u')).toBeUndefined();
      expect((await store.getMembers(globex)).map(({ userId }) => userId)).toEqual(['u']);
    });

    it('replaces roles, and keeps when the member joined', async () => {
      const joined = await store.putMember(acme, 'u', ['member', 'member']);
      const changed = await store.putMember(acme, 'u', ['admin']);
      expect(joined.roles).toEqual(['member']);
      expect(changed).toEqual({ ...joined, roles: ['admin'], version: 2 });
    });

    it('takes users whose ids look like keys for what they are', async () => {
      const odd = ['u', 'u","x', '["user","u"]', '__proto__', 'constructor', 'u/../v', '*'];
      for (const userId of odd) await store.putMember(acme, userId, ['member']);
      for (const userId of odd)
        expect((await store.getUserMemberships(userId)).map(({ userId: of }) => of)).toEqual([userId]);
      expect(await store.getUserMemberships('v')).toEqual([]);
    });

    it('takes nobody into a tenant that is not there', async () => {
      expect(await codeOf(store.putMember(tenantId('nobody'), 'u', ['owner']))).toBe('tenant_unknown');
      expect(await codeOf(store.updateTenant(tenantId('nobody'), {}))).toBe('tenant_unknown');
    });

    it('deletes a tenant with its members and indexes, and a new one of its name starts empty', async () => {
      await store.putMember(acme, 'u', ['owner']);
      await store.deleteTenant(acme);
      await store.deleteTenant(acme);
      expect(await store.getTenant(acme)).toBeUndefined();
      expect(await store.getUserMemberships('u')).toEqual([]);
      expect(await store.getTenantByDomain('acme.example')).toBeUndefined();
      await store.createTenant(tenant(acme));
      expect(await store.getMembers(acme)).toEqual([]);
      expect((await store.getTenant(globex))?.id).toBe('globex');
    });

    it('loses nothing when many write at once', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_none, index) => store.putMember(acme, `u${String(index)}`, ['member'])),
      );
      expect((await store.getMembers(acme)).length).toBe(20);
      expect((await store.getUserMemberships('u7')).length).toBe(1);
    });
  });
}

import { beforeEach, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import type { ListOptions, TenantStore } from '@portcullis/tenants';
import { acme, globex, tenantNamed, type MakeReplicas } from './replicas.js';

/** What lists have to do: filter, order, and page so that nothing is given twice or left out. */
export function listContract(make: MakeReplicas): void {
  describe('a list', () => {
    let store: TenantStore;
    let other: TenantStore;

    beforeEach(async () => {
      ({ one: store, two: other } = await make());
      const trial = { state: 'trial', expiresAt: 4e12 } as const;
      await store.createTenant({ id: tenantId('b2'), name: 'Zeta', plan: 'pro' });
      await store.createTenant({ id: tenantId('a1'), name: 'alpha Überlingen', plan: 'free', status: trial });
      await store.createTenant({ id: tenantId('B1'), name: 'Alpha', plan: 'pro', status: { state: 'suspended' } });
      await store.createTenant({ id: tenantId('c-3'), name: 'alpha', plan: 'pro' });
      await store.createTenant({ id: tenantId('c_3'), name: '\u{1f600}', plan: 'pro' });
      await store.createTenant({ id: tenantId('c9'), name: '\u{fb00}', plan: 'pro' });
    });

    async function all(options: ListOptions = {}, between?: (page: number) => Promise<unknown>) {
      const ids: string[] = [];
      let { cursor } = options;
      for (let page = 0; ; page++) {
        const found = await (page % 2 === 0 ? store : other).listTenants({ ...options, cursor });
        ids.push(...found.tenants.map(({ id }) => id));
        if (found.cursor === undefined) return ids;
        ({ cursor } = found);
        await between?.(page);
      }
    }

    it.each<readonly [ListOptions, readonly string[]]>([
      [{}, ['B1', 'a1', 'b2', 'c-3', 'c9', 'c_3']],
      [{ direction: 'desc' }, ['c_3', 'c9', 'c-3', 'b2', 'a1', 'B1']],
      [{ orderBy: 'name' }, ['B1', 'c-3', 'a1', 'b2', 'c9', 'c_3']],
      [{ orderBy: 'name', direction: 'desc' }, ['c_3', 'c9', 'b2', 'a1', 'c-3', 'B1']],
      [{ state: 'suspended' }, ['B1']],
      [{ state: 'trial' }, ['a1']],
      [{ plan: 'pro', state: 'active' }, ['b2', 'c-3', 'c9', 'c_3']],
      [{ search: 'ALPHA' }, ['B1', 'a1', 'c-3']],
      [{ search: 'üBER' }, ['a1']],
      [{ search: 'b', plan: 'pro' }, ['B1', 'b2']],
      [{ search: '%' }, []],
      [{ search: '_' }, ['c_3']],
      [{ plan: 'none' }, []],
    ])('gives %j page by page, whatever the size of the page', async (options, expected) => {
      for (const limit of [1, 2, 3, 100]) expect(await all({ ...options, limit })).toEqual(expected);
    });

    it('orders by when they were created', async () => {
      const ids = await all({ orderBy: 'createdAt', limit: 2 });
      expect([...ids].sort()).toEqual(['B1', 'a1', 'b2', 'c-3', 'c9', 'c_3']);
      expect(await all({ orderBy: 'createdAt', direction: 'desc', limit: 4 })).toEqual([...ids].reverse());
      await store.createTenant(tenantNamed(acme));
      expect(await all({ orderBy: 'createdAt', limit: 3 })).toEqual([...ids, 'acme']);
    });

    it.each(['id', 'name', 'createdAt'] as const)(
      'ordered by %s gives each that was there all the time once, while others come and go',
      async (orderBy) => {
        const before = await all({ orderBy });
        const seen = await all({ orderBy, limit: 1 }, async (page) => {
          // Only so many: each that comes may come ahead.
          if (page >= 4) return;
          await other.createTenant({ id: tenantId(`0${String(page)}`), name: `0${String(page)}` });
          await other.createTenant({ id: tenantId(`bb${String(page)}`), name: `beta ${String(page)}` });
          // A change that does not move it.
          await other.updateTenant(tenantId('b2'), { plan: 'pro' });
        });
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen.filter((id) => before.includes(id))).toEqual(before);
      },
    );

    it('goes on behind a tenant that was deleted meanwhile', async () => {
      const { cursor } = await store.listTenants({ limit: 2 });
      await store.deleteTenant(tenantId('a1'));
      expect(await all({ cursor })).toEqual(['b2', 'c-3', 'c9', 'c_3']);
    });

    it('refuses a cursor of another list, and what is no cursor', async () => {
      const { cursor = '' } = await store.listTenants({ limit: 1 });
      const members = (await store.listMembers(acme)).cursor;
      expect(members).toBeUndefined();
      for (const other of [
        { direction: 'desc' },
        { orderBy: 'name' },
        { plan: 'pro' },
        { search: 'a' },
        { state: 'active' },
      ] as const)
        await expect(store.listTenants({ ...other, cursor })).rejects.toMatchObject({ code: 'request_invalid' });
      await expect(store.listMembers(acme, { cursor })).rejects.toMatchObject({ code: 'request_invalid' });
      for (const none of ['', 'acme', `${cursor}=`, `${cursor} `, cursor.slice(1), 'bnVsbA', '\u0000'])
        await expect(store.listTenants({ cursor: none })).rejects.toMatchObject({ code: 'request_invalid' });
    });

    it.each([0, -1, 1.5, Number.NaN, 1001, '5'])('refuses %j as the size of a page', async (limit) => {
      await expect(store.listTenants({ limit: limit as number })).rejects.toMatchObject({ code: 'request_invalid' });
      await expect(store.listMembers(acme, { limit: limit as number })).rejects.toMatchObject({
        code: 'request_invalid',
      });
    });

    it.each<object>([
      { state: 'deleted' },
      { orderBy: 'plan' },
      { direction: 'up' },
      { search: '' },
      { search: '\ud800' },
    ])('refuses to list by %j', async (options) => {
      await expect(store.listTenants(options)).rejects.toMatchObject({ code: 'request_invalid' });
    });

    it('gives the members of one tenant page by page, by user id', async () => {
      await store.createTenant(tenantNamed(acme));
      await store.createTenant(tenantNamed(globex));
      const users = ['a', 'B', '\u{1f600}', '\u{fb00}', 'c', 'a b', '%'];
      for (const user of users) await store.putMember(acme, user, ['member']);
      await store.putMember(globex, 'z', ['member']);
      const seen: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await store.listMembers(acme, { limit: 2, cursor });
        seen.push(...page.items.map(({ userId }) => userId));
        if (page.cursor === undefined) break;
        ({ cursor } = page);
        await expect(store.listMembers(globex, { cursor })).rejects.toMatchObject({ code: 'request_invalid' });
        await other.putMember(acme, '!', ['member']);
      }
      expect(seen).toEqual(['%', 'B', 'a', 'a b', 'c', '\u{fb00}', '\u{1f600}']);
      expect((await other.getMembers(acme)).map(({ userId }) => userId)).toEqual(['!', ...seen]);
    });
  });
}
